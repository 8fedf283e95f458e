import { RealDft } from '../../../media/real-dft.js';
import { slaneyFilters } from '../../../media/slaney-filters.js';

/**
 * The log-mel picture that Whisper's encoder reads, as Hugging Face's WhisperFeatureExtractor makes it: 80 Slaney
 * bands, 25 ms periodic Hann windows every 10 ms, log10 of the power, all relative to the loudest value of 30 s.
 */

export const SAMPLE_RATE_HZ = 16_000;
export const MEL_BANDS = 80;
export const FRAME_HOP_SAMPLES = 160;
export const FRAME_SAMPLES = 400;
export const HALF_FRAME_SAMPLES = FRAME_SAMPLES / 2;
/** What one run of the encoder hears: 30 s. */
export const SEGMENT_SAMPLES = 480_000;
/** Frame k of a segment has its middle at sample 160 k; the frame at the segment's very end is left out. */
export const SEGMENT_FRAMES = SEGMENT_SAMPLES / FRAME_HOP_SAMPLES;
/** log10 of the least power that counts. */
const SILENCE_LOG = -10;

const BINS = FRAME_SAMPLES / 2 + 1;
const BIN_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES;
/** How far below the loudest value of the segment, in powers of ten, everything else is lifted to. */
const DYNAMIC_RANGE = 8;

/** 80 triangles from 0 to 8000 Hz. */
export const MEL_FILTERS = slaneyFilters({
  bands: MEL_BANDS,
  lowHz: 0,
  highHz: SAMPLE_RATE_HZ / 2,
  binHz: BIN_HZ,
});

/** log10 band powers of single frames. Holds scratch memory: one for each place that computes. */
export class MelFrames {
  readonly #dft = new RealDft(FRAME_SAMPLES);
  readonly #window = Float64Array.from(
    { length: FRAME_SAMPLES },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME_SAMPLES),
  );
  readonly #values = new Float64Array(FRAME_SAMPLES);
  readonly #power = new Float64Array(BINS);

  /**
   * Writes the 80 values of frame `index` of a segment to `target` from `at` on: log10 of the power, at least -10.
   * `sample(i)` is the segment's sample i, 0 <= i < 480 000, zero behind the sound. The segment is mirrored at both
   * ends, the end sample itself not repeated.
   */
  compute(sample: (i: number) => number, index: number, target: Float32Array, at: number): void {
    const first = index * FRAME_HOP_SAMPLES - HALF_FRAME_SAMPLES;
    for (let i = 0; i < FRAME_SAMPLES; i++) {
      let position = Math.abs(first + i);
      if (position >= SEGMENT_SAMPLES) position = 2 * (SEGMENT_SAMPLES - 1) - position;
      this.#values[i] = sample(position) * this.#window[i]!;
    }
    this.#dft.power(this.#values, this.#power);
    for (let band = 0; band < MEL_BANDS; band++) {
      const { firstBin, weights } = MEL_FILTERS[band]!;
      let power = 0;
      for (let i = 0; i < weights.length; i++) power += weights[i]! * this.#power[firstBin + i]!;
      target[at + band] = Math.log10(Math.max(power, 1e-10));
    }
  }
}

/** How many frames of a segment hold at least one of its first `samples` samples; all others are silence. */
export function framesTouched(samples: number): number {
  if (samples === 0) return 0;
  return Math.min(SEGMENT_FRAMES, Math.floor((samples - 1 + HALF_FRAME_SAMPLES) / FRAME_HOP_SAMPLES) + 1);
}

/**
 * Turns log10 band powers into the encoder's input, [80, 3000] band by band, about -1.5 to 2. The 80 values of frame k
 * stand in `logs` from `place(k)` on; frames from `frames` on are silence.
 */
export function finishLogMel(
  logs: Float32Array,
  place: (frame: number) => number,
  frames: number,
  target: Float32Array,
): void {
  let loudest = SILENCE_LOG;
  for (let frame = 0; frame < frames; frame++) {
    const at = place(frame);
    for (let band = 0; band < MEL_BANDS; band++) loudest = Math.max(loudest, logs[at + band]!);
  }
  const floor = loudest - DYNAMIC_RANGE;
  target.fill((Math.max(SILENCE_LOG, floor) + 4) / 4);
  for (let frame = 0; frame < frames; frame++) {
    const at = place(frame);
    for (let band = 0; band < MEL_BANDS; band++) {
      target[band * SEGMENT_FRAMES + frame] = (Math.max(logs[at + band]!, floor) + 4) / 4;
    }
  }
}

/**
 * The encoder's input for one segment: at most 480 000 samples (16 kHz mono, -1..1), zeros behind.
 * @throws RangeError when the segment is longer
 */
export function logMel(segment: Float32Array, frames: MelFrames = new MelFrames()): Float32Array {
  if (segment.length > SEGMENT_SAMPLES)
    throw new RangeError(`a segment of ${segment.length} samples is too long`);
  const touched = framesTouched(segment.length);
  const logs = new Float32Array(touched * MEL_BANDS);
  const sample = (i: number): number => (i < segment.length ? segment[i]! : 0);
  for (let frame = 0; frame < touched; frame++) frames.compute(sample, frame, logs, frame * MEL_BANDS);
  const target = new Float32Array(MEL_BANDS * SEGMENT_FRAMES);
  finishLogMel(logs, (frame) => frame * MEL_BANDS, touched, target);
  return target;
}
