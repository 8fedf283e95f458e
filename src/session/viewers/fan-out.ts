import { systemClock, type Clock } from '../../lib/clock.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import { frameToSamples, msToSamples } from '../../media/timeline.js';
import { splitH264 } from '../../rtp/h264-packetizer.js';
import { splitVp8 } from '../../rtp/vp8-packetizer.js';
import { KeyframeWishes } from './keyframe-wishes.js';

/** One picture in one rendition, cut for packets. */
export interface PictureParts {
  readonly rendition: RenditionName;
  readonly key: boolean;
  readonly parts: readonly Uint8Array[];
}

/** One 20 ms packet of sound; `slim` is there while a viewer on a narrow link needs it. */
export interface SoundPacket {
  readonly full: Uint8Array;
  readonly slim?: Uint8Array | undefined;
}

/** What the fan-out needs of a viewer. */
export interface FanOutPeer {
  readonly id: string;
  readonly state: 'connecting' | 'connected' | 'closed';
  /** The rendition it is sent, and the one it waits for a key picture of; the same when nothing is under way. */
  readonly rendition: RenditionName;
  readonly wanted: RenditionName;
  readonly wantsSlimSound: boolean;
  /** Share of packets that it misses, as it reports. */
  readonly lossShare: number;
  /** Repeats nothing of what was sent so far. */
  cut(): void;
  /** The renditions of one picture that are there; the peer takes one or none. */
  sendPicture(renditions: readonly PictureParts[], mediaSamples: number): void;
  sendSound(sound: SoundPacket, mediaSamples: number): void;
  sendSenderReports(mediaSamples: number, wallMs: number): void;
}

export interface FanOutOptions {
  /** Ask the encoder for a key picture; called at most once in `keyframeGapMs` for each rendition. */
  onKeyframeNeeded(rendition: RenditionName): void;
  /** A viewer threw; the others were served. */
  onPeerError?(peerId: string, error: unknown): void;
  /** Default 300. */
  keyframeGapMs?: number;
  clock?: Clock;
}

export const KEYFRAME_GAP_MS = 300;
/** A receiver needs two reports before it can line sound and picture up; the second follows the first by this. */
const SECOND_REPORT_MS = 100;
/** How long the thread may be kept by sending, before others have a turn. */
const SLICE_MS = 5;
/** Jobs that may wait: two seconds of pictures and sound. A thread further behind cannot catch up. */
const MAX_JOBS = 150;
/** Pictures since the last key picture that are kept for who comes; more would be a burst that a link chokes on. */
const MAX_RECENT = 15;

interface Viewer {
  readonly peer: FanOutPeer;
  /** Sender reports sent, as far as it matters: 0, 1, 2. */
  reports: 0 | 1 | 2;
  reportedAtMs: number;
}

/** Gives every picture and sound, coded and cut once, to all viewers of a session. */
export class FanOut {
  #options: FanOutOptions;
  #clock: Clock;
  #viewers = new Map<string, Viewer>();
  readonly #jobs: { action: (viewer: Viewer) => void; viewers: Iterator<Viewer> }[] = [];
  /** The rest of the jobs runs in the next turn of the event loop. */
  #sliced = false;
  readonly #wishes: KeyframeWishes;
  /** From a key picture on without a gap, for each rendition; absent when that was too long ago. */
  readonly #recent = new Map<
    RenditionName,
    { readonly picture: PictureParts; readonly mediaSamples: number }[]
  >();
  #reference: { mediaSamples: number; wallMs: number } | undefined;
  /** Renditions of which a picture was left out: those that follow are worthless until a key picture. */
  readonly #broken = new Set<RenditionName>();

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#wishes = new KeyframeWishes(this.#clock, options.keyframeGapMs ?? KEYFRAME_GAP_MS, (rendition) =>
      options.onKeyframeNeeded(rendition),
    );
  }

  get size(): number {
    return this.#viewers.size;
  }

  /** What connected viewers get or wait for; H.264, which is not kept warm, also for those that still connect. */
  get demand(): ReadonlySet<RenditionName> {
    const demand = new Set<RenditionName>();
    for (const { peer } of this.#viewers.values())
      if (peer.state === 'connected' || peer.wanted === 'h264') demand.add(peer.rendition).add(peer.wanted);
    return demand;
  }

  get wantsSlimSound(): boolean {
    return [...this.#viewers.values()].some(({ peer }) => peer.wantsSlimSound);
  }

  get worstLossShare(): number {
    let worst = 0;
    for (const { peer } of this.#viewers.values()) worst = Math.max(worst, peer.lossShare);
    return worst;
  }

  /** The peer itself asks for a key picture when it connects, if it has none by then. */
  add(peer: FanOutPeer): void {
    this.#viewers.set(peer.id, { peer, reports: 0, reportedAtMs: 0 });
  }

  /** True if it was there. */
  remove(peerId: string): boolean {
    return this.#viewers.delete(peerId);
  }

  /** One picture in all renditions that are there; the index is the same in each. */
  sendPicture(renditions: readonly EncodedPicture[], fps: number): void {
    const [first] = renditions;
    if (first === undefined) return;
    // Everyone who waits gets this one.
    for (const { key, rendition = 'high' } of renditions) if (key) this.#wishes.granted(rendition);
    if (this.#viewers.size === 0) {
      this.#recent.clear();
      return;
    }
    if (this.#jobs.length >= MAX_JOBS) {
      for (const { rendition = 'high' } of renditions) {
        this.#recent.delete(rendition);
        this.#broken.add(rendition);
        this.requestKeyframe(rendition);
      }
      return;
    }
    for (const { key, rendition = 'high' } of renditions) if (key) this.#broken.delete(rendition);
    const whole = renditions.filter(({ rendition = 'high' }) => !this.#broken.has(rendition));
    if (whole.length === 0) return;
    const cut = whole.map(({ rendition = 'high', key, data }) => ({
      rendition,
      key,
      parts: rendition === 'h264' ? splitH264(data) : splitVp8(data),
    }));
    const mediaSamples = frameToSamples(first.index, fps);
    for (const picture of cut) this.#remember(picture, mediaSamples);
    this.#each((viewer) => viewer.peer.sendPicture(cut, mediaSamples));
  }

  #remember(picture: PictureParts, mediaSamples: number): void {
    const { rendition, key } = picture;
    const recent = key ? [] : this.#recent.get(rendition);
    if (recent === undefined) return;
    recent.push({ picture, mediaSamples });
    if (recent.length > MAX_RECENT) this.#recent.delete(rendition);
    else this.#recent.set(rendition, recent);
  }

  /** For a viewer that has just connected: what was sent since a key picture that passed a moment ago. */
  catchUp(peer: FanOutPeer): void {
    for (const { picture, mediaSamples } of this.#recent.get(peer.wanted) ?? [])
      peer.sendPicture([picture], mediaSamples);
  }

  sendSound(sound: SoundPacket, mediaSamples: number): void {
    this.#each((viewer) => {
      viewer.peer.sendSound(sound, mediaSamples);
      if (viewer.reports < 2 && viewer.peer.state === 'connected') this.#reportEarly(viewer);
    });
  }

  /** Once a second: wall time `wallMs` (Unix ms) and media time `mediaSamples` are the same moment. */
  sendSenderReports(mediaSamples: number, wallMs: number): void {
    this.#reference = { mediaSamples, wallMs };
    this.#each((viewer) => {
      if (viewer.peer.state !== 'connected') return;
      viewer.peer.sendSenderReports(mediaSamples, wallMs);
      if (viewer.reports < 2) this.#reported(viewer);
    });
  }

  /** A new epoch: what is not sent yet is not sent at all, and what was is not repeated. A key picture follows. */
  cut(): void {
    this.#jobs.splice(0);
    this.#recent.clear();
    for (const { peer } of this.#viewers.values()) peer.cut();
  }

  requestKeyframe(rendition: RenditionName): void {
    this.#wishes.ask(rendition);
  }

  /** Forgets the viewers (closing them is their owner's work) and any pending wish. */
  close(): void {
    this.#wishes.close();
    this.#recent.clear();
    this.#viewers.clear();
  }

  /**
   * A newcomer does not wait for the next full second. The pair of times of the last report still holds, both run
   * at the same rate; moving both on makes it a second, different point of the same line.
   */
  #reportEarly(viewer: Viewer): void {
    const reference = this.#reference;
    if (reference === undefined) return;
    if (viewer.reports === 1 && this.#clock.now() - viewer.reportedAtMs < SECOND_REPORT_MS) return;
    const aheadMs = this.#clock.wall() - reference.wallMs;
    viewer.peer.sendSenderReports(reference.mediaSamples + msToSamples(aheadMs), reference.wallMs + aheadMs);
    this.#reported(viewer);
  }

  #reported(viewer: Viewer): void {
    viewer.reports = viewer.reports === 0 ? 1 : 2;
    viewer.reportedAtMs = this.#clock.now();
  }

  /** In the order of the calls for each viewer. A large audience is served in slices, so that the thread stays free. */
  #each(action: (viewer: Viewer) => void): void {
    this.#jobs.push({ action, viewers: this.#viewers.values() });
    if (!this.#sliced) this.#work();
  }

  #work(): void {
    const untilMs = this.#clock.now() + SLICE_MS;
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      for (let next = job.viewers.next(); next.done !== true; next = job.viewers.next()) {
        const viewer = next.value;
        try {
          job.action(viewer);
        } catch (error) {
          this.#options.onPeerError?.(viewer.peer.id, error);
        }
        if (this.#clock.now() >= untilMs) {
          this.#sliced = true;
          setImmediate(() => this.#work());
          return;
        }
      }
      this.#jobs.shift();
    }
    this.#sliced = false;
  }
}
