import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';
import { SpeechThreshold } from '../speech-threshold.js';

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

// From the threshold to this much above it the sound counts in part: breath and handling noise are not quite silence.
const SPEECH_RAMP_DB = 4;
// The mouth may stay open this long after the last loud frame (a stop inside a word is silent, too) and then fades.
const HOLD_FRAMES = 4;
const FADE_FRAMES = 5;

/**
 * Rules between the network and the lips, one frame of 10 ms after another: contrast, true closure in silence, no
 * flutter on low noise, no jump faster than a jaw. In silence of 120 ms and more the opening is exactly 0.
 */
export class MouthCurves {
  readonly #speech = new SpeechThreshold();
  #held = 0;
  #sinceHeld = 0;
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
      tongue: this.#form('tongue', raw, voice),
    };
    return this.#last;
  }

  #form(name: 'spread' | 'round' | 'tuck' | 'tongue', raw: MouthShape, voice: number): number {
    const heard = name === 'tuck' ? (raw.tuck - TUCK_OFFSET) * TUCK_GAIN : raw[name];
    const wanted = REST_MOUTH[name] + (Math.min(1, Math.max(0, heard)) - REST_MOUTH[name]) * voice;
    return limit(this.#last[name], wanted, FORM_STEP, FORM_STEP);
  }

  /** 1 around speech, 0 in silence, with a short fade between. */
  #voice(levelsDb: Float32Array): number {
    const threshold = this.#speech.next(levelsDb[0]!);
    const speech = (levelDb: number): number =>
      Math.min(1, Math.max(0, (levelDb - threshold) / SPEECH_RAMP_DB));
    const now = speech(levelsDb[0]!);
    if (now >= this.#held) {
      this.#held = now;
      this.#sinceHeld = 0;
    } else if (++this.#sinceHeld > HOLD_FRAMES) {
      this.#held = Math.max(now, this.#held - 1 / FADE_FRAMES);
    }
    let voice = this.#held;
    for (let i = 1; i < levelsDb.length; i++) {
      voice = Math.max(voice, speech(levelsDb[i]!) * (1 - i / levelsDb.length));
    }
    return voice;
  }
}

function limit(from: number, to: number, upStep: number, downStep: number): number {
  return Math.min(from + upStep, Math.max(from - downStep, to));
}
