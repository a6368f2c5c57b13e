/** Where somebody else is better: every contender, work and figure, out of the rows and nothing else. */
import {
  cpuText,
  isRival,
  megabytes,
  MILLRACE,
  MILLRACE_GET,
  quantity,
  rateText,
  rowOf,
  rowsOf,
  worksOf,
} from './figures.mjs';

/**
 * @typedef {import('./figures.mjs').Row} Row
 * @typedef {{work: string, figure: string, contender: string, theirs: string, ours: string, times: number,
 *   clear: boolean}} Behind `times`: how much better; `clear`: their worst round is better than our best one
 */

/** @type {readonly {name: string, key: keyof import('./figures.mjs').Figures, more: boolean, show: (row: Row) => string}[]} */
const FIGURES = [
  { name: 'CPU', key: 'cpuMicrosPerObject', more: false, show: cpuText },
  { name: 'rate', key: 'objectsPerSecond', more: true, show: rateText },
  { name: 'peak RSS', key: 'peakRssBytes', more: false, show: ({ peakRssBytes }) => megabytes(peakRssBytes) },
  { name: 'p99', key: 'p99Ms', more: false, show: ({ p99Ms }) => quantity(p99Ms, 'ms') },
];

/** @param {import('./figures.mjs').Results} results @returns {Behind[]} */
export function behindOf(results) {
  return worksOf(results).flatMap((work) =>
    FIGURES.flatMap((figure) => {
      const ours = ownRow(results, work, figure.key);
      if (ours === null) return [];
      const found = rowsOf(results, work)
        .filter(isRival)
        .flatMap((theirs) => compare(figure, ours, theirs));
      return found.toSorted((a, b) => b.times - a.times);
    }),
  );
}

/**
 * The row of millrace that has this figure: of the loader, or, for the time of one object, of `millrace-get`.
 * @param {import('./figures.mjs').Results} results @param {string} work @param {keyof import('./figures.mjs').Figures} key
 */
function ownRow(results, work, key) {
  const rows = [MILLRACE, MILLRACE_GET].map((name) => rowOf(results, work, name));
  return rows.find((row) => row !== null && row[key] !== null) ?? null;
}

/** @param {typeof FIGURES[number]} figure @param {Row} ours @param {Row} theirs @returns {Behind[]} */
function compare({ name, key, more, show }, ours, theirs) {
  const [own, other] = [ours[key], theirs[key]];
  if (own === null || other === null) return [];
  const times = more ? other / own : own / other;
  if (!(times > 1)) return [];
  const clear = more
    ? Number(theirs.min[key]) > Number(ours.max[key])
    : Number(theirs.max[key]) < Number(ours.min[key]);
  const figure = ours.contender === MILLRACE ? name : `${name}, \`${ours.contender}\``;
  const { work, contender } = theirs;
  return [{ work, figure, contender, theirs: show(theirs), ours: show(ours), times, clear }];
}
