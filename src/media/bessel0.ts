/** For Kaiser windows: the modified Bessel function of the first kind, order zero, by its power series. */
export function bessel0(x: number): number {
  let term = 1;
  let total = 1;
  for (let k = 1; term > total * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    total += term;
  }
  return total;
}
