// Sound counts as speech this far above the noise floor, not too far below the loudest of late, and never below an
// absolute level.
const SPEECH_ABOVE_FLOOR_DB = 7;
const SPEECH_BELOW_PEAK_DB = 38;
const SPEECH_MIN_DB = -58;
// Per frame of 10 ms. The floor falls at once and rises slowly, the peak the other way round.
const FLOOR_RISE_DB = 0.08;
const FLOOR_MIN_DB = -66;
const FLOOR_MAX_DB = -52;
const PEAK_FALL_DB = 0.03;
// Below this there is no room at all, only zeros between two sounds: it says nothing about the next one's noise.
const DIGITAL_SILENCE_DB = -72;
// Frames after zeros that still hold some of them.
const SETTLE_FRAMES = 3;
const FLOOR_SMOOTHING = 0.3;

/**
 * Tells speech from the room, one frame of 10 ms after another. Levels are those of log-mel.ts: dB between 60 and
 * 7600 Hz, where a full-scale sine has about -6.
 */
export class SpeechThreshold {
  #floorDb = FLOOR_MAX_DB;
  #peakDb = SPEECH_MIN_DB;
  #smoothDb = FLOOR_MAX_DB;
  #settling = SETTLE_FRAMES;

  /** The level above which the frame of level `nowDb`, the next in order, is speech. */
  next(nowDb: number): number {
    if (nowDb < DIGITAL_SILENCE_DB) {
      this.#settling = SETTLE_FRAMES;
      this.#floorDb = FLOOR_MAX_DB;
    } else if (this.#settling > 0) {
      this.#settling--;
      this.#smoothDb = nowDb;
    } else {
      this.#smoothDb += (nowDb - this.#smoothDb) * FLOOR_SMOOTHING;
      this.#floorDb = Math.min(this.#smoothDb, this.#floorDb + FLOOR_RISE_DB, FLOOR_MAX_DB);
      this.#floorDb = Math.max(this.#floorDb, FLOOR_MIN_DB);
    }
    this.#peakDb = Math.max(nowDb, this.#peakDb - PEAK_FALL_DB, SPEECH_MIN_DB);
    return Math.max(
      SPEECH_MIN_DB,
      this.#floorDb + SPEECH_ABOVE_FLOOR_DB,
      this.#peakDb - SPEECH_BELOW_PEAK_DB,
    );
  }
}
