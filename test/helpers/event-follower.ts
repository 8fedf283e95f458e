import { until } from './server.js';

export interface ToldEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

/** Follows a session's events as a client would, by server-sent events. */
export class EventFollower {
  readonly told: ToldEvent[] = [];
  readonly #abort = new AbortController();

  constructor(sessionUrl: string) {
    void this.#read(`${sessionUrl}/events`).catch(() => {});
  }

  /** The first event of this name that was not taken before and fits; it, and those before it, are taken. */
  next(event: string, fits: (data: ToldEvent['data']) => boolean = () => true): Promise<ToldEvent> {
    return until(`the event ${event}`, () => {
      const at = this.told.findIndex((one) => one.event === event && fits(one.data));
      return at < 0 ? undefined : this.told.splice(0, at + 1).at(-1);
    });
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(url: string): Promise<void> {
    const { body } = await fetch(url, { signal: this.#abort.signal });
    let text = '';
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const [event, data] = [/^event: (.+)$/m, /^data: (.+)$/m].map((line) => line.exec(part)?.[1]);
        if (event === undefined || data === undefined) continue;
        this.told.push({ event, data: JSON.parse(data) as ToldEvent['data'], atMs: performance.now() });
      }
    }
  }
}
