import {
  FRAME_HOP_SAMPLES,
  HALF_FRAME_SAMPLES,
  MEL_BANDS,
  MelFrames,
  SEGMENT_SAMPLES,
  finishLogMel,
  framesTouched,
} from './whisper-mel.js';

/** Frames of a segment that are not the stream's own: two mirrored at its start, at most three cut off at its end. */
const EDGE_SLOTS = 6;

/**
 * The last seconds of a live stream, from which any part becomes the encoder's input: the very numbers that logMel
 * gives for the same samples. Storing costs a copy; a frame is transformed once, when it is first read.
 */
export class MelRing {
  readonly #capacity: number;
  readonly #samples: Float32Array;
  readonly #slots: number;
  /** 80 log powers a slot; the edge slots lie behind the ring's. */
  readonly #logs: Float32Array;
  /** Which frame of the stream a slot holds. */
  readonly #held: Float64Array;
  readonly #frames = new MelFrames();
  #pushed = 0;

  /** @param seconds whole seconds of sound that are kept; at most 30 */
  constructor(seconds: number) {
    this.#capacity = seconds * 16_000;
    this.#samples = new Float32Array(this.#capacity);
    this.#slots = this.#capacity / FRAME_HOP_SAMPLES;
    this.#logs = new Float32Array((this.#slots + EDGE_SLOTS) * MEL_BANDS);
    this.#held = new Float64Array(this.#slots).fill(-1);
  }

  /** How many samples were pushed since the stream began. */
  get pushed(): number {
    return this.#pushed;
  }

  /** The first sample that is still kept. */
  get oldest(): number {
    return Math.max(0, this.#pushed - this.#capacity);
  }

  push(pcm: Float32Array): void {
    // Of more than the ring holds only the end is kept.
    let read = Math.max(0, pcm.length - this.#capacity);
    this.#pushed += read;
    while (read < pcm.length) {
      const at = this.#pushed % this.#capacity;
      const count = Math.min(pcm.length - read, this.#capacity - at);
      this.#samples.set(pcm.subarray(read, read + count), at);
      this.#pushed += count;
      read += count;
    }
  }

  /**
   * Writes the encoder's input, [80, 3000], of the segment that begins at sample `origin` (a multiple of 160, not
   * older than `oldest`) and ends with the last sample pushed; zeros fill it up to 30 s.
   */
  read(origin: number, target: Float32Array): void {
    const length = this.#pushed - origin;
    if (origin % FRAME_HOP_SAMPLES !== 0 || origin < this.oldest || length < 0 || length > SEGMENT_SAMPLES) {
      throw new RangeError(`no segment begins at ${origin}: ${this.oldest} to ${this.#pushed} are kept`);
    }
    const frames = framesTouched(length);
    const places = new Uint32Array(frames);
    let edges = 0;
    const sample = (i: number): number => (i < length ? this.#samples[(origin + i) % this.#capacity]! : 0);
    for (let frame = 0; frame < frames; frame++) {
      const middle = frame * FRAME_HOP_SAMPLES;
      if (middle >= HALF_FRAME_SAMPLES && middle + HALF_FRAME_SAMPLES <= length) {
        const ofStream = origin / FRAME_HOP_SAMPLES + frame;
        const slot = ofStream % this.#slots;
        places[frame] = slot * MEL_BANDS;
        if (this.#held[slot] === ofStream) continue;
        this.#held[slot] = ofStream;
      } else {
        places[frame] = (this.#slots + edges) * MEL_BANDS;
        edges += 1;
      }
      this.#frames.compute(sample, frame, this.#logs, places[frame]!);
    }
    finishLogMel(this.#logs, (frame) => places[frame]!, frames, target);
  }
}
