import { CLOSING_MS } from '../../engine/engine.js';
import type { EncodedPicture } from '../../media/frame.js';
import { frameToSamples, msToSamples } from '../../media/timeline.js';
import { Playout, type PlayoutMeter, type PlayoutSinks } from './playout.js';
import type { SessionSound } from './session-sound.js';
import type { SoundPacket } from '../viewers/fan-out.js';
import { fadedOut, silentPiece, type SoundPiece } from '../speech/sound-piece.js';
import { StopMeasure, type Stopped } from './stop-measure.js';

/** Pictures that are due sooner than this are not drawn again after a cut: they would be late. */
const REDRAW_MS = 15;
/** Of the two pictures in which a mouth shuts, the second begins so long after the first at the earliest. */
const SHUT_SAMPLES = msToSamples(CLOSING_MS / 2);

export interface SessionOutputOptions {
  readonly fps: number;
  readonly sound: SessionSound;
  readonly sinks: PlayoutSinks<SoundPacket>;
  readonly meter: PlayoutMeter;
  nowMs(): number;
}

/** A cut: media times from which on it is silent, pictures are to be drawn again, and the mouth is shut. */
export interface OutputCut {
  readonly epoch: number;
  readonly stopSamples: number;
  readonly fromSamples: number;
  readonly shutSamples: number;
}

/** What leaves a session, each thing in its time: sound is coded as it goes, and all of it belongs to an epoch. */
export class SessionOutput {
  readonly #options: SessionOutputOptions;
  readonly #playout: Playout<SoundPiece>;
  readonly #stops: StopMeasure;
  /** Counts the cuts; what belongs to an earlier one never leaves. */
  #epoch = 0;

  constructor(options: SessionOutputOptions) {
    this.#options = options;
    const { fps, sound, sinks, meter } = options;
    this.#stops = new StopMeasure(() => options.nowMs());
    this.#playout = new Playout(
      fps,
      { ...sinks, sound: ({ pcm }, mediaSamples) => sinks.sound(sound.encode(pcm), mediaSamples) },
      {
        soundLeaves: (mediaSamples, ...queued) => {
          meter.soundLeaves(mediaSamples, ...queued);
          this.#stops.soundLeaves(mediaSamples);
        },
        pictureLeaves: (mediaSamples) => {
          meter.pictureLeaves(mediaSamples);
          this.#stops.pictureLeaves(mediaSamples);
        },
      },
    );
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Media time of the first sound that has not left; undefined if none waits. */
  get nextSamples(): number | undefined {
    return this.#playout.nextSamples;
  }

  get counts() {
    const { playedPictures, latePictures, droppedPictures, stalePictures, queuedPictures } = this.#playout;
    return { playedPictures, latePictures, droppedPictures, stalePictures, queuedPictures };
  }

  /** 20 ms; takes ownership of `pcm`. */
  pushSound(pcm: Int16Array, mediaSamples: number): void {
    this.#playout.pushSound({ pcm, epoch: this.#epoch }, mediaSamples);
  }

  /** See Playout.pushPicture. */
  pushPicture(picture: EncodedPicture): boolean {
    return this.#playout.pushPicture(picture);
  }

  pushJpeg(picture: EncodedPicture): void {
    this.#playout.pushJpeg(picture);
  }

  advance(nowSamples: number): void {
    this.#playout.advance(nowSamples);
    this.#stops.tick();
  }

  /** A new epoch: what waits of the one before fades out within the next piece of sound, or never leaves. */
  cut(nowSamples: number, fedSamples: number): OutputCut {
    const epoch = (this.#epoch += 1);
    const { soundSamples = fedSamples, lastPicture, waiting } = this.#playout.cut(epoch);
    for (const [index, one] of waiting.entries())
      one.sound = index === 0 ? fadedOut(one.sound, epoch) : silentPiece(one.sound.pcm.length, epoch);
    const fromSamples = Math.max(
      nowSamples + msToSamples(REDRAW_MS),
      frameToSamples(lastPicture + 1, this.#options.fps),
    );
    return { epoch, stopSamples: soundSamples, fromSamples, shutSamples: fromSamples + SHUT_SAMPLES };
  }

  /** Resolves when a cut that was asked for at `startedMs` has left: half a second later at most. */
  stopped(startedMs: number, { stopSamples, shutSamples }: OutputCut): Promise<Stopped> {
    return this.#stops.start(startedMs, stopSamples, shutSamples);
  }

  close(): void {
    this.#stops.close();
    this.#options.sound.close();
  }
}
