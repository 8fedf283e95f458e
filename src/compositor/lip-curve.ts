/**
 * A smooth curve v(u) through the 11 points of an inner lip, sampled at every pixel column of the mouth's own axes
 * (u across, v down, in pixels from an origin). Monotone cubic: no overshoot, so the lips never cross between points.
 */
export class LipCurve {
  #u = new Float64Array(11);
  #v = new Float64Array(11);
  #slope = new Float64Array(11);

  /** Left and right end, valid after `set`. */
  get left(): number {
    return this.#u[0]!;
  }
  get right(): number {
    return this.#u[10]!;
  }

  set(
    xy: Float32Array,
    points: readonly number[],
    originX: number,
    originY: number,
    acrossX: number,
    acrossY: number,
  ): void {
    for (let i = 0; i < 11; i += 1) {
      const dx = xy[points[i]! * 2]! - originX;
      const dy = xy[points[i]! * 2 + 1]! - originY;
      const u = dx * acrossX + dy * acrossY;
      // A turned head can fold the far corner back; the curve must stay a function of u.
      this.#u[i] = i > 0 ? Math.max(u, this.#u[i - 1]! + 0.05) : u;
      this.#v[i] = dy * acrossX - dx * acrossY;
    }
    const secant = (i: number): number => (this.#v[i + 1]! - this.#v[i]!) / (this.#u[i + 1]! - this.#u[i]!);
    this.#slope[0] = secant(0);
    this.#slope[10] = secant(9);
    for (let i = 1; i < 10; i += 1) {
      const before = secant(i - 1);
      const after = secant(i);
      this.#slope[i] = before * after <= 0 ? 0 : (2 * before * after) / (before + after);
    }
  }

  /** Fills target[k] with v at u = firstU + k; outside the ends the end's value. */
  sample(firstU: number, count: number, target: Float32Array): void {
    let segment = 0;
    for (let k = 0; k < count; k += 1) {
      const u = firstU + k;
      if (u <= this.#u[0]!) {
        target[k] = this.#v[0]!;
        continue;
      }
      if (u >= this.#u[10]!) {
        target[k] = this.#v[10]!;
        continue;
      }
      while (segment < 9 && u > this.#u[segment + 1]!) segment += 1;
      const h = this.#u[segment + 1]! - this.#u[segment]!;
      const t = (u - this.#u[segment]!) / h;
      const t2 = t * t;
      const t3 = t2 * t;
      target[k] =
        this.#v[segment]! * (2 * t3 - 3 * t2 + 1) +
        this.#slope[segment]! * h * (t3 - 2 * t2 + t) +
        this.#v[segment + 1]! * (3 * t2 - 2 * t3) +
        this.#slope[segment + 1]! * h * (t3 - t2);
    }
  }
}
