/** To the nearest integer, a half to the even one (C's rint), which is how OpenCV and NumPy round. */
export function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
