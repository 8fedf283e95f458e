import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';

/** How many frames of 10 ms after the one it is about to draw the rules look at; the network looks as far anyway. */
export const CURVE_LOOKAHEAD_FRAMES = 8;

// The network hedges: its openings crowd in the middle. Stretched so that closures close and open vowels open.
const OPEN_OFFSET = 0.1;
const OPEN_GAIN = 1.45;
// Labio-dentals are rare and short, so the network is shy of them.
const TUCK_OFFSET = 0.06;
const TUCK_GAIN = 1.6;
// Below this the lips touch: a slit of less than a pixel would only flicker.
const OPEN_SHUT_BELOW = 0.04;
// Largest change of the opening in 10 ms. Jaws close faster than they open.
const OPENING_STEP = 0.1;
const CLOSING_STEP = 0.14;
const FORM_STEP = 0.09;

// Sound counts as speech this far above the noise floor, not too far below the loudest of late, and never below an
// absolute level.
const SPEECH_ABOVE_FLOOR_DB = 8;
const SPEECH_BELOW_PEAK_DB = 38;
const SPEECH_MIN_DB = -58;
// Per frame of 10 ms. The floor falls at once and rises slowly, the peak the other way round.
const FLOOR_RISE_DB = 0.08;
const FLOOR_MIN_DB = -75;
const FLOOR_MAX_DB = -46;
const PEAK_FALL_DB = 0.03;
// The mouth may stay open this long after the last loud frame (a stop inside a word is silent, too) and then fades.
const HOLD_FRAMES = 4;
const FADE_FRAMES = 5;

/**
 * Rules between the network and the lips, one frame of 10 ms after another: contrast, true closure in silence, no
 * flutter on low noise, no jump faster than a jaw. In silence of 120 ms and more the opening is exactly 0.
 */
export class MouthCurves {
  #floorDb = FLOOR_MAX_DB;
  #peakDb = SPEECH_MIN_DB;
  #sinceLoud = Number.MAX_SAFE_INTEGER;
  #last: MouthShape = REST_MOUTH;

  /**
   * @param raw the network's shape of this frame
   * @param levelsDb level of this frame first, then of the CURVE_LOOKAHEAD_FRAMES after it: lips part before the sound
   */
  next(raw: MouthShape, levelsDb: Float32Array): MouthShape {
    const voice = this.#voice(levelsDb);
    const stretched = Math.min(1, Math.max(0, (raw.open - OPEN_OFFSET) * OPEN_GAIN)) * voice;
    const open = limit(
      this.#last.open,
      stretched < OPEN_SHUT_BELOW ? 0 : stretched,
      OPENING_STEP,
      CLOSING_STEP,
    );
    this.#last = {
      open,
      spread: this.#form('spread', raw, voice),
      round: this.#form('round', raw, voice),
      tuck: this.#form('tuck', raw, voice),
    };
    return this.#last;
  }

  #form(name: 'spread' | 'round' | 'tuck', raw: MouthShape, voice: number): number {
    const heard = name === 'tuck' ? (raw.tuck - TUCK_OFFSET) * TUCK_GAIN : raw[name];
    const wanted = REST_MOUTH[name] + (Math.min(1, Math.max(0, heard)) - REST_MOUTH[name]) * voice;
    return limit(this.#last[name], wanted, FORM_STEP, FORM_STEP);
  }

  /** 1 around speech, 0 in silence, with a short fade between. */
  #voice(levelsDb: Float32Array): number {
    const nowDb = levelsDb[0]!;
    this.#floorDb = Math.min(nowDb, this.#floorDb + FLOOR_RISE_DB, FLOOR_MAX_DB);
    this.#floorDb = Math.max(this.#floorDb, FLOOR_MIN_DB);
    this.#peakDb = Math.max(nowDb, this.#peakDb - PEAK_FALL_DB, SPEECH_MIN_DB);
    const threshold = Math.max(
      SPEECH_MIN_DB,
      this.#floorDb + SPEECH_ABOVE_FLOOR_DB,
      this.#peakDb - SPEECH_BELOW_PEAK_DB,
    );
    if (nowDb > threshold) this.#sinceLoud = 0;
    else this.#sinceLoud++;
    if (this.#sinceLoud <= HOLD_FRAMES) return 1;
    let ahead = 1;
    while (ahead < levelsDb.length && levelsDb[ahead]! <= threshold) ahead++;
    const before = 1 - (this.#sinceLoud - HOLD_FRAMES) / FADE_FRAMES;
    const after = ahead < levelsDb.length ? 1 - ahead / levelsDb.length : 0;
    return Math.max(0, before, after);
  }
}

function limit(from: number, to: number, upStep: number, downStep: number): number {
  return Math.min(from + upStep, Math.max(from - downStep, to));
}
