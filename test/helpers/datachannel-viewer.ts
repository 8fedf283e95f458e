import type { ViewerMethods } from './datachannel-process.js';
import { Remote } from './remote.js';
import { until } from './server.js';

export type Seen = Awaited<ReturnType<ViewerMethods['seen']>>;

/** The test's side of a viewer by libdatachannel (datachannel-process.ts). */
export class DatachannelViewer {
  readonly #remote = Remote.module<ViewerMethods>(new URL('datachannel-process.js', import.meta.url));

  offer(): Promise<string> {
    return this.#remote.call('offer', null);
  }

  async answer(sdp: string): Promise<void> {
    await this.#remote.call('answer', { sdp });
  }

  seen(): Promise<Seen> {
    return this.#remote.call('seen', null);
  }

  /** Resolves with what was seen when it first met the condition. */
  until(what: string, condition: (seen: Seen) => boolean): Promise<Seen> {
    return until(what, async () => {
      const seen = await this.seen();
      return condition(seen) ? seen : undefined;
    });
  }

  close(): Promise<void> {
    return this.#remote.close();
  }
}
