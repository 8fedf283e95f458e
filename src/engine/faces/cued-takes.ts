import type { RgbImage } from '../../media/frame.js';
import type { Take } from '../engine.js';

/** Pictures over which a take's own place in the footage is dissolved into where the footage stands. */
const DISSOLVE_PICTURES = 8;
/** Pictures over which the face of interrupted speech gives way to the footage's: half of it is there in the first. */
export const FADE_PICTURES = 2;

/** What a picture shows. */
export interface Place {
  /** Where the footage stands. */
  readonly step: number;
  /** How much of a take's face is shown, 0..1; undefined where no take plays. */
  readonly strength: number | undefined;
  /** The take's face, valid until the next place is asked for one. */
  face(): RgbImage | undefined;
}

/** From picture `at` on the footage stands at `index + shift`, and shows the faces of a take until that is over. */
interface Stretch {
  readonly at: number;
  /** The first picture that is drawn of it: later than `at` when the take came late. */
  readonly from: number;
  readonly shift: number;
  take: Take | undefined;
  cutAt: number;
}

/**
 * The takes that were cued for one stream, in the order of the cues; each begins at its own picture and not before,
 * and the one before it plays on until then. Owns the takes.
 */
export class CuedTakes {
  /** The first is what the stream shows until the second begins. */
  readonly #stretches: Stretch[] = [
    { at: -Infinity, from: -Infinity, shift: 0, take: undefined, cutAt: Infinity },
  ];

  /** The take's first face belongs to picture `at`. @param next the next picture to be drawn */
  cue(take: Take, at: number, next: number): void {
    if (at < next && at + take.pictureCount <= next) {
      take.close();
      return;
    }
    const replaced = this.#stretches.findIndex((stretch, k) => k > 0 && stretch.at >= at);
    if (replaced > 0) this.#drop(this.#stretches.splice(replaced));
    this.#stretches.push({ at, from: Math.max(at, next), shift: -at, take, cutAt: Infinity });
  }

  /** From picture `next` on what plays fades out, and what was to follow does not come. */
  cut(next: number): void {
    const first = this.#stretches.findIndex(({ at }, k) => k > 0 && at >= next);
    if (first > 0) this.#drop(this.#stretches.splice(first));
    for (const stretch of this.#stretches) stretch.cutAt = Math.min(stretch.cutAt, next);
  }

  at(index: number): Place {
    return placeOf(this.#stretches[this.#current(index)]!, index);
  }

  /** What picture `index` would show but for the latest take, and how much of the latter it shows already (0..1). */
  leaving(index: number): { readonly place: Place; readonly share: number } | undefined {
    const current = this.#current(index);
    const before = this.#stretches[current - 1];
    const since = index - this.#stretches[current]!.from;
    if (before === undefined || since >= DISSOLVE_PICTURES) return undefined;
    return { place: placeOf(before, index), share: (since + 1) / (DISSOLVE_PICTURES + 1) };
  }

  /** Picture `index` was drawn: closes the takes that are over. */
  drawn(index: number): void {
    const next = index + 1;
    for (const stretch of this.#stretches) {
      const { at, take, cutAt } = stretch;
      if (take !== undefined && (next >= at + take.pictureCount || remaining(cutAt, next) === 0))
        this.#drop([stretch]);
    }
    while (this.#stretches[1] !== undefined && next >= this.#stretches[1].from + DISSOLVE_PICTURES)
      this.#drop([this.#stretches.shift()!]);
  }

  close(): void {
    this.#drop(this.#stretches);
  }

  #current(index: number): number {
    return Math.max(
      0,
      this.#stretches.findLastIndex(({ at }) => at <= index),
    );
  }

  #drop(stretches: readonly Stretch[]): void {
    for (const stretch of stretches) {
      stretch.take?.close();
      stretch.take = undefined;
    }
  }
}

function placeOf({ at, shift, take, cutAt }: Stretch, index: number): Place {
  const step = index + shift;
  const k = index - at;
  if (take === undefined || k >= take.pictureCount)
    return { step, strength: undefined, face: () => undefined };
  const strength = take.strength(k) * remaining(cutAt, index);
  return { step, strength, face: () => (strength > 0 ? take.face(k) : undefined) };
}

/** How much picture `index` shows of a take that was cut at picture `cutAt`. */
function remaining(cutAt: number, index: number): number {
  return Math.min(1, Math.max(0, 1 - (index - cutAt + 1) / FADE_PICTURES));
}
