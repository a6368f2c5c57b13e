/** Robust statistics over few hundred numbers: none of them is moved far by a round that another program disturbed. */

/** Of a normal distribution, the standard deviation in median absolute deviations. */
const SIGMA_PER_MAD = 1.4826;
/** Of a normal distribution, the standard error of a median in standard errors of the mean: sqrt(pi / 2). */
const MEDIAN_ERROR = 1.2533;
/** Two-sided, 95 %. */
const Z = 1.96;
/** Pairs of a fit: (points choose 2); 2,000 points make two million, which take a second. */
const MAX_POINTS = 2000;

/** The mean of the middle two where their number is even; NaN of nothing. @param {ArrayLike<number>} values */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Slope by Theil and Sen (the median of the slopes of all pairs), with the limits of its 95 % interval from Kendall's
 * statistic (P. K. Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, 1968). The interval assumes
 * that points err independently of each other.
 * @param {readonly {x: number, y: number}[]} points
 * @returns {{slope: number, low: number, high: number} | null} null for fewer than 3 points
 */
export function theilSen(points) {
  const used = thinned(points);
  const slopes = [];
  for (let i = 0; i < used.length; i += 1) {
    for (let j = i + 1; j < used.length; j += 1) {
      const dx = used[j].x - used[i].x;
      if (dx !== 0) slopes.push((used[j].y - used[i].y) / dx);
    }
  }
  if (used.length < 3 || slopes.length === 0) return null;
  const sorted = Float64Array.from(slopes).sort();
  const n = used.length;
  const spread = Z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (/** @type {number} */ rank) =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))];
  return {
    slope: median(sorted),
    low: at((sorted.length - spread) / 2),
    high: at((sorted.length + spread) / 2),
  };
}

/** Every k-th point, so that the pairs stay few. @param {readonly {x: number, y: number}[]} points */
function thinned(points) {
  const step = Math.ceil(points.length / MAX_POINTS);
  return step <= 1 ? points : points.filter((_, i) => i % step === 0);
}

/**
 * Median of the last sixth over the median of the first sixth, with the half width of its 95 % interval.
 * @param {ArrayLike<number>} values in the order of time, all above 0
 * @returns {{first: number, last: number, ratio: number, margin: number} | null} null for fewer than 6 values
 */
export function lastOverFirst(values) {
  const size = Math.floor(values.length / 6);
  if (size === 0) return null;
  const all = Array.from(values);
  const first = all.slice(0, size);
  const last = all.slice(-size);
  const ratio = median(last) / median(first);
  const error = Math.hypot(relativeError(first), relativeError(last));
  return { first: median(first), last: median(last), ratio, margin: Z * error * ratio };
}

/**
 * Takes out of values what follows another figure of the same moments rather than the time: least squares over the
 * logarithms on that figure and on the time, so that a drift is not taken for the figure's doing.
 * @param {readonly number[]} values above 0, in the order of time @param {readonly number[]} others above 0, of the same moments
 * @returns {{values: number[], power: number, error: number}} the values as they would be at the mean of the others; the
 *   power of the others that they follow, and its standard error
 */
export function withoutInfluence(values, others) {
  const n = values.length;
  const x = centred(others.map(Math.log));
  const y = centred(values.map(Math.log));
  const t = centred(values.map((_, i) => i));
  const [xx, tt, xt, xy, ty] = [dot(x, x), dot(t, t), dot(x, t), dot(x, y), dot(t, y)];
  const determinant = xx * tt - xt * xt;
  // Where the other figure never moved, or moved as the time does, nothing can be told apart.
  if (n < 6 || determinant <= 1e-9 * xx * tt || xx === 0) return { values: [...values], power: 0, error: 0 };
  const power = (xy * tt - ty * xt) / determinant;
  const drift = (ty * xx - xy * xt) / determinant;
  const rest = y.reduce((sum, one, i) => sum + (one - power * x[i] - drift * t[i]) ** 2, 0);
  const error = Math.sqrt(((rest / (n - 3)) * tt) / determinant);
  return { values: values.map((value, i) => value * Math.exp(-power * x[i])), power, error };
}

/** @param {number[]} values */
function centred(values) {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  return values.map((one) => one - mean);
}

/** @param {number[]} a @param {number[]} b */
function dot(a, b) {
  return a.reduce((sum, one, i) => sum + one * b[i], 0);
}

/** Standard error of the median, as a share of it. @param {number[]} values */
function relativeError(values) {
  const middle = median(values);
  const deviation = SIGMA_PER_MAD * median(values.map((value) => Math.abs(value - middle)));
  // Of one or two values nothing is known about how far they stray.
  if (values.length < 3) return Infinity;
  return (MEDIAN_ERROR * deviation) / Math.sqrt(values.length) / middle;
}
