/** What a result says: rows by work, ratios to millrace, numbers as text. Pure; nothing here knows of Markdown or SVG. */

/**
 * @typedef {{median: number, min: number, max: number}} Ratio
 * @typedef {{wallSeconds: number, cpuSeconds: number, objects: number, bytes: number, objectsPerSecond: number,
 *   bytesPerSecond: number, cpuSecondsPerGB: number, cpuMicrosPerObject: number, peakRssBytes: number,
 *   p50Ms: number | null, p99Ms: number | null, eventLoopDelayP99Ms: number | null}} Figures
 * @typedef {Figures & {work: string, contender: string, signed: boolean, min: Figures, max: Figures,
 *   ratios?: {cpu: Ratio | null, speed: Ratio | null}}} Row medians of the rounds; `ratios` are to millrace, of figures of
 *   the same round
 * @typedef {{work: string, contender: string, why: string}} Missing
 * @typedef {{cpu: string, cores: number, memoryBytes: number, kernel: string, node: string, nginx: string,
 *   versions: Record<string, string>}} Machine
 * @typedef {{machine: Machine, command: string, date: string, rounds: number, rows: Row[], missing: Missing[],
 *   service: Record<string, any> | null}} Results
 */

export const MILLRACE = 'millrace';
/** The same library called object by object: no rival. */
export const MILLRACE_GET = 'millrace-get';
/** The same without a look at the checksums that the service gives: no rival. */
export const MILLRACE_UNVERIFIED = 'millrace-unverified';
/** What the machine can do at all: no rival either. */
export const LIMIT = 'c-limit';
/** The same for reads past the page cache. */
export const DEVICE_LIMIT = 'fio';

const NO_RIVALS = new Set([MILLRACE, MILLRACE_GET, MILLRACE_UNVERIFIED, LIMIT, DEVICE_LIMIT]);

/** Objects of more bytes than this are told by the gigabyte, smaller ones by the object. */
const LARGE_BYTES = 2 ** 20;

/** Which ratio that a run keeps is that of a figure. */
const KEPT_RATIOS = /** @type {Partial<Record<keyof Figures, 'cpu' | 'speed'>>} */ ({
  cpuMicrosPerObject: 'cpu',
  cpuSecondsPerGB: 'cpu',
  objectsPerSecond: 'speed',
  bytesPerSecond: 'speed',
});

/** @param {Row} row */
export function isRival({ contender }) {
  return !NO_RIVALS.has(contender);
}

/** Works in the order of the run, with those that nobody could do. @param {Results} results */
export function worksOf({ rows, missing }) {
  return [...new Set([...rows, ...missing].map(({ work }) => work))];
}

/** @param {Results} results @param {string} work @param {string} contender @returns {Row | null} */
export function rowOf({ rows }, work, contender) {
  return rows.find((row) => row.work === work && row.contender === contender) ?? null;
}

/** Rows of a work, the least CPU first. @param {Results} results @param {string} work */
export function rowsOf({ rows }, work) {
  return rows
    .filter((row) => row.work === work)
    .toSorted((a, b) => a.cpuMicrosPerObject - b.cpuMicrosPerObject);
}

/** @param {Pick<Figures, 'bytes' | 'objects'>} row */
export function isLarge({ bytes, objects }) {
  return bytes / objects > LARGE_BYTES;
}

/**
 * A figure of `row` divided by that of `base`. Where the run kept the ratios of its rounds, and `base` is millrace, those;
 * else the quotient of the medians, between the least and the most that the extremes allow.
 * @param {Row} row @param {Row} base @param {keyof Figures} figure @returns {Ratio | null}
 */
export function ratioTo(row, base, figure) {
  const name = KEPT_RATIOS[figure];
  const kept = base.contender === MILLRACE && name !== undefined ? row.ratios?.[name] : undefined;
  if (kept !== undefined && kept !== null) return kept;
  const [median, min, max] = [
    [row[figure], base[figure]],
    [row.min[figure], base.max[figure]],
    [row.max[figure], base.min[figure]],
  ].map(([over, under]) => (over === null || under === null ? Number.NaN : over / under));
  return Number.isFinite(median) ? { median, min, max } : null;
}

/** The ratio the other way round. @param {Ratio | null} ratio @returns {Ratio | null} */
export function inverse(ratio) {
  return ratio === null ? null : { median: 1 / ratio.median, min: 1 / ratio.max, max: 1 / ratio.min };
}

/** Three digits that count, and a comma every thousand. @param {number} value */
export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  // Rounded first: 99.96 has three digits as 100, and none behind the point.
  const size = Math.abs(Number(value.toPrecision(3)));
  const digits = size === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)));
  const [whole, rest] = value.toFixed(Math.min(digits, 4)).split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

/** @param {number | null | undefined} value @param {string} unit a dash where there is no value */
export function quantity(value, unit) {
  if (value === null || value === undefined) return '-';
  return unit === 'x' ? `${number(value)}x` : `${number(value)} ${unit}`;
}

/** @param {number | null | undefined} bytes */
export function megabytes(bytes) {
  return bytes === null || bytes === undefined ? '-' : `${number(bytes / 1e6)} MB`;
}

/** CPU as it is told for this work: by the object, or by the gigabyte. @param {Row} row */
export function cpuText(row) {
  return isLarge(row) ? quantity(row.cpuSecondsPerGB, 's/GB') : quantity(row.cpuMicrosPerObject, 'us');
}

/** @param {Row} row */
export function rateText(row) {
  return isLarge(row)
    ? quantity(row.bytesPerSecond / 1e9, 'GB/s')
    : `${number(Math.round(row.objectsPerSecond))}/s`;
}

/** `least - median - most`. @param {Ratio | null} ratio */
export function ratioText(ratio) {
  if (ratio === null) return '-';
  const { min, median, max } = ratio;
  return `${number(min)} - **${number(median)}** - ${number(max)}`;
}
