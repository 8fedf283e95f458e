import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';

/** What the network says of 10 ms. */
export interface HeardMouth extends MouthShape {
  /** Probability that the lips touch: p, b, m. */
  shut: number;
  /** Probability that somebody speaks. */
  voice: number;
}

// The network hedges: its openings crowd in the middle. Stretched so that closures close and open vowels open.
const OPEN_OFFSET = 0.05;
const OPEN_GAIN = 1.25;
// Labio-dentals are rare and short, so the network is shy of them.
const TUCK_OFFSET = 0.06;
const TUCK_GAIN = 1.6;
// Lips begin to meet at the lower and are shut at the upper probability.
const SHUT_FROM = 0.2;
const SHUT_AT = 0.5;
// Below this the lips touch: a slit of less than a pixel would only flicker.
const OPEN_SHUT_BELOW = 0.04;
// Largest change of the opening in 10 ms. Jaws close faster than they open.
const OPENING_STEP = 0.1;
const CLOSING_STEP = 0.16;
const FORM_STEP = 0.09;

// The mouth is at rest below the lower and free above the upper probability of a voice.
const VOICE_FROM = 0.3;
const VOICE_AT = 0.6;
// A sound this far below the loudest of late is quiet at the lower end and speech at the upper: rooms, breath, far voices.
const QUIET_BELOW_PEAK_DB = 27;
const SPEECH_BELOW_PEAK_DB = 22;
const PEAK_FALL_DB = 0.03;
const PEAK_LEAST_DB = -45;
// It may stay open this long after the voice (a stop inside a word is silent, too) and then fades.
const HOLD_FRAMES = 2;
const FADE_FRAMES = 4;

/**
 * Rules between the network and the lips, one shape of 10 ms after another: contrast, true closure at p, b, m and wherever
 * nobody speaks, no jump faster than a jaw. 120 ms after the last frame with a voice the opening is exactly 0.
 */
export class MouthCurves {
  #peakDb = PEAK_LEAST_DB;
  #held = 0;
  #sinceHeld = 0;
  #last: MouthShape = REST_MOUTH;

  /** @param levelDb the loudest of this frame and of those after it that are known already (dB, see log-mel.ts) */
  next(heard: HeardMouth, levelDb: number): MouthShape {
    this.#peakDb = Math.max(levelDb, this.#peakDb - PEAK_FALL_DB, PEAK_LEAST_DB);
    const loud = ramp(levelDb - this.#peakDb, -QUIET_BELOW_PEAK_DB, -SPEECH_BELOW_PEAK_DB);
    const voice = this.#voice(Math.min(loud, ramp(heard.voice, VOICE_FROM, VOICE_AT)));
    const free = voice * (1 - ramp(heard.shut, SHUT_FROM, SHUT_AT));
    const stretched = clamp01((heard.open - OPEN_OFFSET) * OPEN_GAIN) * free;
    const open = limit(
      this.#last.open,
      stretched < OPEN_SHUT_BELOW ? 0 : stretched,
      OPENING_STEP,
      CLOSING_STEP,
    );
    this.#last = {
      open,
      spread: this.#form('spread', heard.spread, voice),
      round: this.#form('round', heard.round, voice),
      tuck: this.#form('tuck', (heard.tuck - TUCK_OFFSET) * TUCK_GAIN, voice),
      tongue: this.#form('tongue', heard.tongue, voice),
    };
    return this.#last;
  }

  /** From now on as if it had been given what `other` was given. */
  follow(other: MouthCurves): void {
    this.#peakDb = other.#peakDb;
    this.#held = other.#held;
    this.#sinceHeld = other.#sinceHeld;
    this.#last = other.#last;
  }

  #form(name: 'spread' | 'round' | 'tuck' | 'tongue', heard: number, voice: number): number {
    const wanted = REST_MOUTH[name] + (clamp01(heard) - REST_MOUTH[name]) * voice;
    return limit(this.#last[name], wanted, FORM_STEP, FORM_STEP);
  }

  /** 1 while somebody speaks, 0 in silence, noise and music, with a short fade between. */
  #voice(now: number): number {
    if (now >= this.#held) {
      this.#held = now;
      this.#sinceHeld = 0;
    } else if (++this.#sinceHeld > HOLD_FRAMES) {
      this.#held = Math.max(now, this.#held - 1 / FADE_FRAMES);
    }
    return this.#held;
  }
}

function ramp(value: number, from: number, to: number): number {
  return clamp01((value - from) / (to - from));
}

function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function limit(from: number, to: number, upStep: number, downStep: number): number {
  return Math.min(from + upStep, Math.max(from - downStep, to));
}
