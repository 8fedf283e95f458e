import { systemClock, type Clock } from '../lib/clock.js';
import type { EncodedPicture } from '../media/frame.js';
import { frameToSamples, msToSamples } from '../media/timeline.js';
import { splitVp8 } from '../rtp/vp8-packetizer.js';

/** What the fan-out needs of a viewer. */
export interface FanOutPeer {
  readonly id: string;
  readonly state: 'connecting' | 'connected' | 'closed';
  sendVideo(parts: readonly Uint8Array[], mediaSamples: number, key: boolean): void;
  sendAudio(opus: Uint8Array, mediaSamples: number): void;
  sendSenderReports(mediaSamples: number, wallMs: number): void;
}

export interface FanOutOptions {
  /** Ask the encoder for a key picture; called at most once in `keyframeGapMs`. */
  onKeyframeNeeded(): void;
  /** A viewer threw; the others were served. */
  onPeerError?(peerId: string, error: unknown): void;
  /** Default 300. */
  keyframeGapMs?: number;
  clock?: Clock;
}

const DEFAULT_KEYFRAME_GAP_MS = 300;
/** A receiver needs two reports before it can line sound and picture up; the second follows the first by this. */
const SECOND_REPORT_MS = 100;
/** How long the thread may be kept by sending, before others have a turn. */
const SLICE_MS = 5;

interface Viewer {
  readonly peer: FanOutPeer;
  /** Sender reports sent, as far as it matters: 0, 1, 2. */
  reports: 0 | 1 | 2;
  reportedAtMs: number;
}

/** Gives every picture and sound, coded and packetized once, to all viewers of a session. */
export class FanOut {
  #options: FanOutOptions;
  #clock: Clock;
  #gapMs: number;
  #viewers = new Map<string, Viewer>();
  readonly #jobs: { action: (viewer: Viewer) => void; viewers: Iterator<Viewer> }[] = [];
  /** The rest of the jobs runs in the next turn of the event loop. */
  #sliced = false;
  #lastAskedMs = -Infinity;
  #cancelPending: (() => void) | undefined;
  #reference: { mediaSamples: number; wallMs: number } | undefined;
  #pictures = 0;
  #keyPictures = 0;
  #sounds = 0;
  #keyframesAsked = 0;

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#gapMs = options.keyframeGapMs ?? DEFAULT_KEYFRAME_GAP_MS;
  }

  get size(): number {
    return this.#viewers.size;
  }

  get peers(): readonly FanOutPeer[] {
    return [...this.#viewers.values()].map((viewer) => viewer.peer);
  }

  get(peerId: string): FanOutPeer | undefined {
    return this.#viewers.get(peerId)?.peer;
  }

  /** The peer itself asks for a key picture when it connects. */
  add(peer: FanOutPeer): void {
    this.#viewers.set(peer.id, { peer, reports: 0, reportedAtMs: 0 });
  }

  /** True if it was there. */
  remove(peerId: string): boolean {
    return this.#viewers.delete(peerId);
  }

  sendPicture(picture: EncodedPicture, fps: number): void {
    this.#pictures += 1;
    if (picture.key) {
      this.#keyPictures += 1;
      // Everyone who waits gets this one.
      this.#cancelPending?.();
      this.#cancelPending = undefined;
    }
    if (this.#viewers.size === 0) return;
    const parts = splitVp8(picture.data);
    const mediaSamples = frameToSamples(picture.index, fps);
    this.#each((viewer) => viewer.peer.sendVideo(parts, mediaSamples, picture.key));
  }

  sendSound(opus: Uint8Array, mediaSamples: number): void {
    this.#sounds += 1;
    this.#each((viewer) => {
      viewer.peer.sendAudio(opus, mediaSamples);
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

  /** Any number of wishes become one call in `keyframeGapMs`; one made inside the gap is answered at its end. */
  requestKeyframe(): void {
    if (this.#cancelPending !== undefined) return;
    const waitMs = this.#lastAskedMs + this.#gapMs - this.#clock.now();
    if (waitMs <= 0) this.#ask();
    else {
      this.#cancelPending = this.#clock.after(waitMs, () => {
        this.#cancelPending = undefined;
        this.#ask();
      });
    }
  }

  stats(): {
    viewers: number;
    pictures: number;
    keyPictures: number;
    sounds: number;
    keyframesAsked: number;
  } {
    return {
      viewers: this.#viewers.size,
      pictures: this.#pictures,
      keyPictures: this.#keyPictures,
      sounds: this.#sounds,
      keyframesAsked: this.#keyframesAsked,
    };
  }

  /** Forgets the viewers (closing them is their owner's work) and any pending wish. */
  close(): void {
    this.#cancelPending?.();
    this.#cancelPending = undefined;
    this.#viewers.clear();
  }

  #ask(): void {
    this.#lastAskedMs = this.#clock.now();
    this.#keyframesAsked += 1;
    this.#options.onKeyframeNeeded();
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
