import { AppError } from '../../errors.js';
import type { EncodedPicture } from '../../media/frame.js';
import {
  NO_DEMAND,
  type AudienceDemand,
  type AudienceEvents,
  type AudienceReport,
  type AudienceSettings,
  type ViewerAnswer,
} from './audience.js';
import type { SoundPacket } from './fan-out.js';
import type { FromAudience, SenderCalls, ToAudience } from './sender-messages.js';
import type { AudiencePart } from './spread-audience.js';
import { ViewerTally } from './viewer-tally.js';

/** The way to the audience's twin in the thread. */
export interface ThreadLink {
  /** The thread runs. */
  readonly ready: boolean;
  /** Viewers of all sessions there. */
  readonly load: number;
  post(message: ToAudience): void;
  /** @throws what the twin throws; worker-died */
  call<M extends keyof SenderCalls>(
    method: M,
    args: SenderCalls[M]['args'],
  ): Promise<SenderCalls[M]['result']>;
  /** No message comes or goes any more. */
  close(): void;
}

/** The viewers of one session that a sender thread serves; the thread hears of the session when it gets its first. */
export class ThreadAudience implements AudiencePart {
  readonly #sessionId: string;
  readonly #link: ThreadLink;
  readonly #events: AudienceEvents;
  /** Viewer id -> tag of its ICE session. */
  readonly #viewers = new Map<string, string>();
  /** One entry for each offer that the thread has not answered, in their order. */
  readonly #answering = new Set<object>();
  #demand = NO_DEMAND;
  #settings: AudienceSettings | undefined;
  #open = false;
  /** Nobody was there at the last picture. */
  #idle = false;
  #reported: ToAudience | undefined;

  constructor(sessionId: string, link: ThreadLink, events: AudienceEvents) {
    this.#sessionId = sessionId;
    this.#link = link;
    this.#events = events;
  }

  get ready(): boolean {
    return this.#link.ready;
  }

  get load(): number {
    return this.#link.load;
  }

  get size(): number {
    return this.#viewers.size + this.#answering.size;
  }

  get demand(): AudienceDemand {
    return this.#demand;
  }

  etagOf(viewerId: string): string | undefined {
    return this.#viewers.get(viewerId);
  }

  async add(offerSdp: string): Promise<ViewerAnswer> {
    if (!this.#open) {
      this.#open = true;
      this.#link.post({ type: 'open', sessionId: this.#sessionId });
      if (this.#settings !== undefined) this.configure(this.#settings);
      // The pair of times still holds, and the viewer's first report need not wait for the next full second.
      if (this.#reported !== undefined) this.#link.post(this.#reported);
    }
    const waiting = {};
    this.#answering.add(waiting);
    try {
      return await this.#link.call('add', { offerSdp });
    } finally {
      this.#answering.delete(waiting);
    }
  }

  async trickle(viewerId: string, fragment: string): Promise<void> {
    this.#assertKnown(viewerId);
    await this.#link.call('trickle', { viewerId, fragment });
  }

  async restartIce(viewerId: string, fragment: string): Promise<{ fragment: string; etag: string }> {
    this.#assertKnown(viewerId);
    const answer = await this.#link.call('restartIce', { viewerId, fragment });
    if (this.#viewers.has(viewerId)) this.#viewers.set(viewerId, answer.etag);
    return answer;
  }

  remove(viewerId: string): void {
    this.#assertKnown(viewerId);
    this.#link.post({ type: 'remove', viewerId });
    this.#gone(viewerId);
  }

  configure(settings: AudienceSettings): void {
    this.#settings = settings;
    if (this.#open) this.#link.post({ type: 'configure', settings });
  }

  sendPicture(renditions: readonly EncodedPicture[], fps: number): void {
    // One more after the last viewer left, so that the twin forgets what was sent: there is a gap behind it.
    if (!this.#open || (this.size === 0 && this.#idle)) return;
    this.#idle = this.size === 0;
    const own = renditions.map((picture) => ({ ...picture, data: trimmed(picture.data) }));
    this.#link.post({ type: 'picture', renditions: own, fps });
  }

  sendSound({ full, slim }: SoundPacket, mediaSamples: number): void {
    if (!this.#open || this.size === 0) return;
    const sound = { full: trimmed(full), ...(slim === undefined ? {} : { slim: trimmed(slim) }) };
    this.#link.post({ type: 'sound', sound, mediaSamples });
  }

  sendSenderReports(mediaSamples: number, wallMs: number): void {
    this.#reported = { type: 'reports', mediaSamples, wallMs };
    if (this.#open) this.#link.post(this.#reported);
  }

  cut(): void {
    if (this.#open) this.#link.post({ type: 'cut' });
  }

  async report(listed: number): Promise<AudienceReport> {
    if (!this.#open) return NOTHING;
    // A thread that dies takes its figures along.
    return this.#link.call('report', { listed }).catch(() => NOTHING);
  }

  close(): void {
    if (this.#open) this.#link.post({ type: 'close' });
    this.#open = false;
    this.#viewers.clear();
    this.#link.close();
  }

  receive(message: FromAudience): void {
    switch (message.type) {
      case 'joined': {
        // Its answer follows.
        const [oldest] = this.#answering;
        if (oldest !== undefined) this.#answering.delete(oldest);
        this.#viewers.set(message.viewerId, message.etag);
        this.#events.onJoined(message.viewerId);
        return;
      }
      case 'gone':
        this.#gone(message.viewerId);
        return;
      case 'demand':
        this.#demand = message.demand;
        if (message.wish) this.#events.onWish();
        return;
      case 'keyframe':
        this.#events.onKeyframeWanted(message.rendition);
    }
  }

  /** The thread died, and all viewers with it. The next one to come opens the audience in its successor. */
  lost(): void {
    this.#open = false;
    this.#demand = NO_DEMAND;
    for (const viewerId of [...this.#viewers.keys()]) this.#gone(viewerId);
  }

  #gone(viewerId: string): void {
    if (this.#viewers.delete(viewerId)) this.#events.onGone(viewerId);
  }

  #assertKnown(viewerId: string): void {
    if (!this.#viewers.has(viewerId))
      throw new AppError('peer-not-found', `session ${this.#sessionId} has no viewer ${viewerId}`);
  }
}

const NOTHING: AudienceReport = { sums: new ViewerTally().data, viewers: [] };

/** A view takes all of the buffer below it along when it is posted. */
function trimmed(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : Uint8Array.prototype.slice.call(data);
}
