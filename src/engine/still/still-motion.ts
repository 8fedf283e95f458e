import type { HeadTurn } from '../../compositor/head-turn.js';
import { Blinks } from './blinks.js';
import { seededRandom } from './seeded-random.js';
import { SpeechStress } from './speech-stress.js';

const RAD = Math.PI / 180;

/** The greatest turns of a posture that the head takes up and holds for a while, in silence and in speech. */
const IDLE_TURN = { yawRad: 1.3 * RAD, pitchRad: 0.7 * RAD, rollRad: 0.45 * RAD };
const SPEECH_TURN = { yawRad: 2.4 * RAD, pitchRad: 1 * RAD, rollRad: 0.9 * RAD };
const HELD_IDLE_MS = { least: 2500, most: 5500 };
const HELD_SPEECH_MS = { least: 900, most: 2200 };
/** How fast the head goes to a new posture: the time constant of a spring that does not swing. */
const TURNING_MS = 260;

/** A living head is never quite still: periods (s) that never line up, and the greatest motion each adds. */
const TREMBLE = {
  yawRad: [
    [5.3, 0.35 * RAD],
    [3.1, 0.12 * RAD],
  ],
  pitchRad: [
    [4.1, 0.25 * RAD],
    [2.3, 0.08 * RAD],
  ],
  rollRad: [
    [6.7, 0.2 * RAD],
    [3.7, 0.07 * RAD],
  ],
} as const;
/** The head's weight shifts with its turn, in inter-ocular distances a radian. */
const SHIFT_IOD = 0.22;
const FADE_IN_MS = 1500;

const NOD_RAD = 1.9 * RAD;
const NOD = { downMs: 160, backMs: 480 };
/** Brows go up with some of the nods. */
const BROWS_SHARE = 0.5;
const BROWS = { upMs: 140, heldMs: 180, downMs: 420 };
const STEP_MS = 10;
/** What happened longer ago than this no longer shows in the head's position. */
const MEMORY_MS = 2000;

export interface StillPose {
  readonly blink: number;
  readonly turn: Readonly<HeadTurn>;
}

type Axis = 'yawRad' | 'pitchRad' | 'rollRad';
const AXES: readonly Axis[] = ['yawRad', 'pitchRad', 'rollRad'];

/**
 * Life for a photo: it blinks, holds its head this way and that, and nods and raises its brows at stressed syllables.
 * The same seed and the same speech give the same life. Time must not run backwards.
 */
export class StillMotion {
  #random: () => number;
  #blinks: Blinks;
  #stress = new SpeechStress();
  #iodPx: number;
  #phases: number[];
  #timeMs = 0;
  #nextPostureMs = 0;
  #nodAtMs = -Infinity;
  #nodRad = 0;
  #browsAtMs = -Infinity;
  #wanted: Record<Axis, number> = { yawRad: 0, pitchRad: 0, rollRad: 0 };
  #held: Record<Axis, number> = { yawRad: 0, pitchRad: 0, rollRad: 0 };
  #speed: Record<Axis, number> = { yawRad: 0, pitchRad: 0, rollRad: 0 };
  #turn: HeadTurn = { yawRad: 0, pitchRad: 0, rollRad: 0, dxPx: 0, dyPx: 0, brows: 0 };
  #pose = { blink: 0, turn: this.#turn };

  constructor(options: { seed: number; iodPx: number }) {
    this.#random = seededRandom(options.seed);
    this.#iodPx = options.iodPx;
    this.#blinks = new Blinks(this.#random);
    this.#phases = Array.from({ length: 6 }, () => this.#random() * 2 * Math.PI);
  }

  /**
   * The pose at `timeMs`; starts from rest. `open` is the mouth's opening (0..1) at that time and `speaking` (0..1)
   * whether it speaks, both 0 where nothing is known. The object is reused.
   */
  at(timeMs: number, open = 0, speaking = 0): StillPose {
    const elapsedMs = timeMs - this.#timeMs;
    this.#timeMs = timeMs;
    this.#stress.step(open, elapsedMs);
    if (this.#stress.phraseEnded) this.#blinks.phraseEnded(timeMs);
    if (this.#stress.stressed) this.#nod(timeMs);
    if (timeMs >= this.#nextPostureMs) this.#takePosture(timeMs, speaking);
    for (let left = Math.min(elapsedMs, MEMORY_MS); left > 0; left -= STEP_MS)
      this.#follow(Math.min(left, STEP_MS));

    const fade = ease(timeMs / FADE_IN_MS);
    AXES.forEach((axis, i) => {
      const [[slowS, slow], [fastS, fast]] = TREMBLE[axis];
      this.#turn[axis] =
        this.#held[axis] +
        fade *
          (slow * wave(timeMs, slowS, this.#phases[2 * i]!) +
            fast * wave(timeMs, fastS, this.#phases[2 * i + 1]!));
    });
    const nod = this.#nodRad * bump(timeMs - this.#nodAtMs, NOD.downMs, 0, NOD.backMs);
    this.#turn.pitchRad += nod;
    this.#turn.dxPx = SHIFT_IOD * this.#iodPx * this.#turn.yawRad;
    this.#turn.dyPx = SHIFT_IOD * this.#iodPx * this.#turn.pitchRad;
    this.#turn.brows = bump(timeMs - this.#browsAtMs, BROWS.upMs, BROWS.heldMs, BROWS.downMs);
    this.#pose.blink = this.#blinks.at(timeMs);
    return this.#pose;
  }

  #nod(timeMs: number): void {
    if (timeMs - this.#nodAtMs < NOD.downMs + NOD.backMs) return;
    this.#nodAtMs = timeMs;
    this.#nodRad = NOD_RAD * (0.35 + 0.65 * this.#stress.strength * this.#random());
    if (this.#random() < BROWS_SHARE && timeMs - this.#browsAtMs > 1500) this.#browsAtMs = timeMs;
  }

  #takePosture(timeMs: number, speaking: number): void {
    const most = speaking > 0.5 ? SPEECH_TURN : IDLE_TURN;
    const held = speaking > 0.5 ? HELD_SPEECH_MS : HELD_IDLE_MS;
    for (const axis of AXES) this.#wanted[axis] = most[axis] * (2 * this.#random() - 1);
    this.#nextPostureMs = timeMs + held.least + this.#random() * (held.most - held.least);
  }

  /** A critically damped spring: no jump in place or speed, and no overshoot. */
  #follow(stepMs: number): void {
    const rate = 1 / TURNING_MS;
    for (const axis of AXES) {
      const pull = rate * rate * (this.#wanted[axis] - this.#held[axis]) - 2 * rate * this.#speed[axis];
      this.#speed[axis] += pull * stepMs;
      this.#held[axis] += this.#speed[axis] * stepMs;
    }
  }
}

function wave(timeMs: number, periodS: number, phase: number): number {
  return Math.sin((2 * Math.PI * timeMs) / (periodS * 1000) + phase);
}

/** Rises from 0 to 1, stays, and falls to 0, from `sinceMs` 0 on. */
function bump(sinceMs: number, upMs: number, heldMs: number, downMs: number): number {
  if (sinceMs < upMs) return ease(sinceMs / upMs);
  return 1 - ease((sinceMs - upMs - heldMs) / downMs);
}

function ease(t: number): number {
  return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}
