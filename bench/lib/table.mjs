/** The results as text, one table for each work. */
import { BASE } from '../contenders/index.mjs';

const COLUMNS = [
  'contender',
  'CPU/object',
  'CPU/GB',
  'objects/s',
  'MB/s',
  'peak RSS',
  'p50',
  'p99',
  'loop delay p99',
  `CPU, ${BASE} = 1`,
  `speed, ${BASE} = 1`,
];

/**
 * @param {string} work
 * @param {object[]} rows with `ratios` beside the figures
 * @param {{ contender: string, why: string }[]} missing
 */
export function workTable(work, rows, missing) {
  const cells = rows.map((row) => [
    row.signed === false ? `${row.contender} (unsigned)` : row.contender,
    `${digits(row.cpuMicrosPerObject)} us`,
    `${digits(row.cpuSecondsPerGB)} s`,
    digits(row.objectsPerSecond),
    digits(row.bytesPerSecond / 1e6),
    `${digits(row.peakRssBytes / 1e6)} MB`,
    row.p50Ms === null ? '-' : `${digits(row.p50Ms)} ms`,
    row.p99Ms === null ? '-' : `${digits(row.p99Ms)} ms`,
    row.eventLoopDelayP99Ms === null ? '-' : `${digits(row.eventLoopDelayP99Ms)} ms`,
    spread(row.ratios.cpu),
    spread(row.ratios.speed),
  ]);
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i].length)));
  const line = (row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  const absent = missing.map(({ contender, why }) => `${contender}: not here: ${why}`);
  return [work, line(COLUMNS), ...cells.map(line), ...absent].join('\n');
}

function spread(ratio) {
  if (ratio === null) return '-';
  const { median, min, max } = ratio;
  return min === max ? digits(median) : `${digits(median)} (${digits(min)}-${digits(max)})`;
}

/** Three digits that count. */
function digits(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  if (value === 0) return '0';
  return value.toPrecision(value < 0.001 ? 1 : 3);
}
