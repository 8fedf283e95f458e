import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';

const STEP_MS = 10;
/** A picture shows the mean of the shapes this close to its moment. */
const HALF_WINDOW_MS = STEP_MS;
/** A closure this long before the moment is still shown: at 25 pictures a second each shape is within one picture's reach. */
const CLOSURE_BACK_MS = 20;
/** After the last motion of the mouth speech is held this long, then fades over FADE_MS. */
const HOLD_MS = 300;
const ATTACK_MS = 60;
const FADE_MS = 300;

export interface TimelineMoment {
  mouth: MouthShape;
  /** 0..1: somebody is speaking, as far as the mouth shows. */
  speaking: number;
}

/** Mouth shapes at 100 Hz in, the shape of any moment out. Shapes before the newest asked moment are forgotten. */
export class MouthTimeline {
  #shapes: MouthShape[] = [];
  #speaking: number[] = [];
  /** Index of the first shape held. */
  #first = 0;
  #level = 0;
  #stillMs = Infinity;
  #moment: TimelineMoment = { mouth: { ...REST_MOUTH }, speaking: 0 };
  /** How far behind its moment a picture reads shapes, ms. */
  readonly lookaheadMs: number;

  /** @param options.instant shows what is known at the moment itself and waits for nothing after it */
  constructor({ instant = false }: { instant?: boolean } = {}) {
    this.lookaheadMs = instant ? 0 : HALF_WINDOW_MS;
  }

  /** The shapes that follow the ones appended before; the k-th of all belongs to k * 10 ms. */
  append(shapes: readonly MouthShape[]): void {
    for (const shape of shapes) {
      this.#stillMs = moves(shape) ? 0 : this.#stillMs + STEP_MS;
      const up = this.#stillMs === 0;
      if (up) this.#level = Math.min(1, this.#level + STEP_MS / ATTACK_MS);
      else if (this.#stillMs > HOLD_MS) this.#level = Math.max(0, this.#level - STEP_MS / FADE_MS);
      this.#shapes.push(shape);
      this.#speaking.push(this.#level);
    }
  }

  /** True when everything that `at(timeMs)` needs has been appended. */
  covers(timeMs: number): boolean {
    return this.#first + this.#shapes.length > Math.floor((timeMs + this.lookaheadMs) / STEP_MS);
  }

  /**
   * The mouth at `timeMs`: a weighted mean (triangle) of the shapes around it. A closure since the picture before is not
   * averaged away, because the eye misses it at once. Moments must not go backwards. The object is reused.
   */
  at(timeMs: number): Readonly<TimelineMoment> {
    const from = Math.max(0, Math.ceil((timeMs - CLOSURE_BACK_MS) / STEP_MS));
    const to = Math.floor((timeMs + this.lookaheadMs) / STEP_MS);
    this.#forgetBefore(from);
    const { mouth } = this.#moment;
    let total = 0;
    let open = 0;
    let spread = 0;
    let round = 0;
    let tuck = 0;
    let tongue = 0;
    let speaking = 0;
    let least = 1;
    for (let k = from; k <= to; k += 1) {
      const shape = this.#shapes[k - this.#first];
      if (shape === undefined) continue;
      least = Math.min(least, shape.open);
      const weight = HALF_WINDOW_MS + STEP_MS / 2 - Math.abs(k * STEP_MS - timeMs);
      if (weight <= 0) continue;
      total += weight;
      open += weight * shape.open;
      spread += weight * shape.spread;
      round += weight * shape.round;
      tuck += weight * shape.tuck;
      tongue += weight * shape.tongue;
      speaking += weight * this.#speaking[k - this.#first]!;
    }
    if (total === 0) {
      Object.assign(mouth, REST_MOUTH);
      this.#moment.speaking = 0;
      return this.#moment;
    }
    mouth.open = clamp01(open / total);
    // Fully shut in the window pulls the mean most of the way down; above a tenth nothing changes.
    if (least < 0.1) mouth.open -= (mouth.open - least) * 0.75 * (1 - least / 0.1);
    mouth.spread = clamp01(spread / total);
    mouth.round = clamp01(round / total);
    mouth.tuck = clamp01(tuck / total);
    mouth.tongue = clamp01(tongue / total);
    this.#moment.speaking = clamp01(speaking / total);
    return this.#moment;
  }

  /** From now on as if it had been given what `other` was given. */
  follow(other: MouthTimeline): void {
    this.#shapes = other.#shapes.slice();
    this.#speaking = other.#speaking.slice();
    this.#first = other.#first;
    this.#level = other.#level;
    this.#stillMs = other.#stillMs;
  }

  #forgetBefore(index: number): void {
    const surplus = index - this.#first;
    // In large steps: removing from the front of a list costs its length.
    if (surplus < 200) return;
    this.#shapes.splice(0, surplus);
    this.#speaking.splice(0, surplus);
    this.#first = index;
  }
}

function moves(shape: MouthShape): boolean {
  return (
    shape.open > 0.04 ||
    shape.round > 0.12 ||
    shape.tuck > 0.12 ||
    Math.abs(shape.spread - REST_MOUTH.spread) > 0.12
  );
}

function clamp01(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
