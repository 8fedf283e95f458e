/** One triangle of a mel filter bank: `weights[i]` belongs to bin `firstBin + i`; all others are zero. */
export interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

/** Mels per factor e above 1 kHz, where the scale is logarithmic; below it is linear, 15 mels to 1 kHz. */
const LOG_STEP = Math.log(6.4) / 27;

/**
 * Triangles evenly spaced on the Slaney mel scale (Auditory Toolbox, librosa's default), each of area one: the filters
 * of Whisper's and of Wav2Lip's spectrograms. Bins lie `binHz` apart, the first at 0 Hz.
 */
export function slaneyFilters(options: {
  bands: number;
  lowHz: number;
  highHz: number;
  binHz: number;
}): MelFilter[] {
  const { bands, lowHz, highHz, binHz } = options;
  const low = toMel(lowHz);
  const step = (toMel(highHz) - low) / (bands + 1);
  const cornerHz = (corner: number): number => toHz(low + corner * step);
  return Array.from({ length: bands }, (_, band) => {
    const [from, peak, to] = [cornerHz(band), cornerHz(band + 1), cornerHz(band + 2)];
    const firstBin = Math.floor(from / binHz) + 1;
    const lastBin = Math.ceil(to / binHz - 1e-9) - 1;
    const weights = Float64Array.from({ length: Math.max(0, lastBin - firstBin + 1) }, (_, i) => {
      const hz = (firstBin + i) * binHz;
      return (Math.min((hz - from) / (peak - from), (to - hz) / (to - peak)) * 2) / (to - from);
    });
    return { firstBin, weights };
  });
}

function toMel(hz: number): number {
  return hz < 1000 ? (3 * hz) / 200 : 15 + Math.log(hz / 1000) / LOG_STEP;
}

function toHz(mel: number): number {
  return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(LOG_STEP * (mel - 15));
}
