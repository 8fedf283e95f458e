import type {
  AudienceDemand,
  AudienceEvents,
  AudienceReport,
  ViewerAnswer,
} from '../../src/session/viewers/audience.js';
import { NO_DEMAND } from '../../src/session/viewers/audience.js';
import type { AudiencePart } from '../../src/session/viewers/spread-audience.js';
import { ViewerMetrics } from '../../src/session/viewers/viewer-metrics.js';
import { ViewerTally } from '../../src/session/viewers/viewer-tally.js';

/** Viewers without a network: records what it is told. */
export class FakeAudience implements AudiencePart {
  ready = true;
  load = 0;
  demand: AudienceDemand = NO_DEMAND;
  readonly events: AudienceEvents;
  readonly told: unknown[][] = [];
  readonly #name: string;
  readonly #viewers = new Map<string, string>();
  #came = 0;

  /** Its viewers are called `<name>1`, `<name>2` ... */
  constructor(name: string, events: AudienceEvents) {
    this.#name = name;
    this.events = events;
  }

  get size(): number {
    return this.#viewers.size;
  }

  etagOf(viewerId: string): string | undefined {
    return this.#viewers.get(viewerId);
  }

  async add(offerSdp: string): Promise<ViewerAnswer> {
    if (offerSdp === 'bad') throw Object.assign(new Error('bad offer'), { code: 'sdp-invalid' });
    this.#came += 1;
    this.load += 1;
    const id = `${this.#name}${this.#came}`;
    this.#viewers.set(id, '"1"');
    this.events.onJoined(id);
    return { id, answerSdp: `answer to ${offerSdp}`, etag: '"1"' };
  }

  async trickle(...args: [string, string]): Promise<void> {
    this.told.push(['trickle', ...args]);
  }

  async restartIce(viewerId: string, fragment: string): Promise<{ fragment: string; etag: string }> {
    this.#viewers.set(viewerId, '"2"');
    return { fragment: `answer to ${fragment}`, etag: '"2"' };
  }

  remove(viewerId: string): void {
    this.#viewers.delete(viewerId);
    this.load -= 1;
    this.events.onGone(viewerId);
  }

  configure = (...args: unknown[]): void => void this.told.push(['configure', ...args]);
  sendPicture = (...args: unknown[]): void => void this.told.push(['picture', ...args]);
  sendSound = (...args: unknown[]): void => void this.told.push(['sound', ...args]);
  sendSenderReports = (...args: unknown[]): void => void this.told.push(['reports', ...args]);
  cut = (): void => void this.told.push(['cut']);
  requestKeyframe = (...args: unknown[]): void => void this.told.push(['keyframe', ...args]);

  async report(listed: number): Promise<AudienceReport> {
    const sums = new ViewerTally();
    sums.soundsSent = this.#came;
    const metrics = new ViewerMetrics(() => 0);
    return {
      sums: sums.data,
      viewers: [...this.#viewers.keys()].slice(0, listed).map((id) => ({
        ...({ id, state: 'connected', summary: metrics.summary() } as const),
        ...{ histograms: metrics.histograms(), numbers: metrics.numbers() },
      })),
    };
  }

  close(): void {
    this.told.push(['close']);
    this.#viewers.clear();
  }
}
