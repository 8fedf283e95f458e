import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import type {
  Audience,
  AudienceDemand,
  AudienceEvents,
  AudienceReport,
  AudienceSettings,
  ViewerAnswer,
} from './audience.js';
import { KEYFRAME_GAP_MS, type SoundPacket } from './fan-out.js';
import { KeyframeWishes } from './keyframe-wishes.js';
import { ViewerTally } from './viewer-tally.js';

/** The viewers of one session that one sender serves. */
export interface AudiencePart extends Omit<Audience, 'requestKeyframe'> {
  /** It can take a viewer. */
  readonly ready: boolean;
  /** Viewers of all sessions that its sender has. */
  readonly load: number;
}

export interface SpreadAudienceOptions {
  readonly sessionId: string;
  readonly events: AudienceEvents;
  readonly clock: Clock;
  /** Opens the part at each sender. */
  openParts(events: AudienceEvents): readonly AudiencePart[];
}

/** The viewers of one session over several senders: a newcomer goes where the fewest are. */
export class SpreadAudience implements Audience {
  readonly #sessionId: string;
  readonly #parts: readonly AudiencePart[];
  /** In the order in which they came. */
  readonly #viewerIds = new Set<string>();
  /** Each sender limits the wishes of its own viewers; this one those of all. */
  readonly #wishes: KeyframeWishes;
  #closed = false;

  constructor(options: SpreadAudienceOptions) {
    const { sessionId, events, clock } = options;
    this.#sessionId = sessionId;
    this.#wishes = new KeyframeWishes(clock, KEYFRAME_GAP_MS, (rendition) =>
      events.onKeyframeWanted(rendition),
    );
    this.#parts = options.openParts({
      onWish: () => events.onWish(),
      onKeyframeWanted: (rendition) => this.requestKeyframe(rendition),
      onJoined: (viewerId) => {
        this.#viewerIds.add(viewerId);
        events.onJoined(viewerId);
      },
      onGone: (viewerId) => {
        this.#viewerIds.delete(viewerId);
        events.onGone(viewerId);
      },
    });
  }

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + part.size, 0);
  }

  get demand(): AudienceDemand {
    const demands = this.#parts.map(({ demand }) => demand);
    return {
      renditions: new Set(demands.flatMap(({ renditions }) => [...renditions])),
      slimSound: demands.some(({ slimSound }) => slimSound),
      worstLossShare: Math.max(0, ...demands.map(({ worstLossShare }) => worstLossShare)),
    };
  }

  etagOf(viewerId: string): string | undefined {
    return this.#find(viewerId)?.etagOf(viewerId);
  }

  async add(offerSdp: string): Promise<ViewerAnswer> {
    const [part] = this.#parts.filter(({ ready }) => ready).sort((a, b) => a.load - b.load);
    if (part === undefined)
      throw new AppError('no-capacity', 'no sender thread runs at the moment; try again shortly');
    return part.add(offerSdp);
  }

  async trickle(viewerId: string, fragment: string): Promise<void> {
    return this.#partOf(viewerId).trickle(viewerId, fragment);
  }

  async restartIce(viewerId: string, fragment: string): Promise<{ fragment: string; etag: string }> {
    return this.#partOf(viewerId).restartIce(viewerId, fragment);
  }

  remove(viewerId: string): void {
    this.#partOf(viewerId).remove(viewerId);
  }

  configure(settings: AudienceSettings): void {
    for (const part of this.#parts) part.configure(settings);
  }

  sendPicture(renditions: readonly EncodedPicture[], fps: number): void {
    for (const { key, rendition = 'high' } of renditions) if (key) this.#wishes.granted(rendition);
    for (const part of this.#parts) part.sendPicture(renditions, fps);
  }

  sendSound(sound: SoundPacket, mediaSamples: number): void {
    for (const part of this.#parts) part.sendSound(sound, mediaSamples);
  }

  sendSenderReports(mediaSamples: number, wallMs: number): void {
    for (const part of this.#parts) part.sendSenderReports(mediaSamples, wallMs);
  }

  cut(): void {
    for (const part of this.#parts) part.cut();
  }

  requestKeyframe(rendition: RenditionName): void {
    if (!this.#closed) this.#wishes.ask(rendition);
  }

  async report(listed: number): Promise<AudienceReport> {
    const reports = await Promise.all(this.#parts.map((part) => part.report(listed)));
    const sums = new ViewerTally();
    for (const report of reports) sums.addData(report.sums);
    const order = new Map([...this.#viewerIds].map((id, at) => [id, at]));
    const age = (id: string): number => order.get(id) ?? Infinity;
    const viewers = reports.flatMap((report) => report.viewers).sort((a, b) => age(a.id) - age(b.id));
    return { sums: sums.data, viewers: viewers.slice(0, listed) };
  }

  close(): void {
    this.#closed = true;
    this.#wishes.close();
    for (const part of this.#parts) part.close();
  }

  #find(viewerId: string): AudiencePart | undefined {
    return this.#parts.find((part) => part.etagOf(viewerId) !== undefined);
  }

  #partOf(viewerId: string): AudiencePart {
    const part = this.#find(viewerId);
    if (part === undefined)
      throw new AppError('peer-not-found', `session ${this.#sessionId} has no viewer ${viewerId}`);
    return part;
  }
}
