/** The straight line through points by least squares; undefined for fewer than two different x. */
export function fitLine(
  points: readonly { readonly x: number; readonly y: number }[],
): { slope: number; intercept: number } | undefined {
  const mean = (of: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const spread = mean((point) => (point.x - x) ** 2);
  if (points.length < 2 || spread === 0) return undefined;
  const slope = mean((point) => (point.x - x) * (point.y - y)) / spread;
  return { slope, intercept: y - slope * x };
}
