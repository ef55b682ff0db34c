/**
 * Whether figures grow.
 *
 * @module
 */

/** A straight line through points, by least squares. */
export interface Slope {
  /** Growth per unit of x. */
  readonly slope: number;
  /** How far the slope may be off, by chance: its standard error. */
  readonly error: number;
}

/** @param points At least three, not all with the same x. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let [xx, xy] = [0, 0];
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  const slope = xy / xx;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (points.length - 2) / xx) };
}
