/** docs/benchmarks.md out of a result. Pure: the same result gives the same page. */
import { behindOf } from './behind.mjs';
import { barChart } from './chart.mjs';
import {
  cpuText,
  DEVICE_LIMIT,
  isLarge,
  LIMIT,
  megabytes,
  MILLRACE,
  MILLRACE_GET,
  MILLRACE_UNVERIFIED,
  number,
  quantity,
  rateText,
  ratioText,
  ratioTo,
  rowOf,
  rowsOf,
  worksOf,
} from './figures.mjs';
import { goalsOf } from './goals.mjs';
import { CONTENDERS, INTRODUCTION, METHOD, REPEAT } from './prose.mjs';
import { serviceSection } from './service.mjs';
import { table } from './table.mjs';

/** @typedef {import('./figures.mjs').Results} Results */
/** @typedef {import('./figures.mjs').Row} Row */

/** Where the charts lie, seen from the page. */
export const CHARTS = 'benchmarks';

/** @param {Results} results @returns {string} the whole page */
export function page(results) {
  const { service } = results;
  return `${[
    INTRODUCTION,
    machineSection(results),
    METHOD,
    contenderSection(results),
    REPEAT,
    goalSection(results),
    ...worksOf(results).map((work) => workSection(results, work)),
    service === null ? '## As a service feels it\n\nNot measured in this run.' : serviceSection(service),
    behindSection(results),
  ].join('\n\n')}\n`;
}

/** Charts by file name: one for each work that somebody could do. @param {Results} results */
export function charts(results) {
  const drawn = worksOf(results).filter((work) => rowsOf(results, work).length > 0);
  return new Map(drawn.map((work) => [`${work}.svg`, chartOf(results, work)]));
}

/** @param {Results} results @param {string} work */
function chartOf(results, work) {
  const rows = rowsOf(results, work);
  const large = isLarge(rows[0]);
  const figure = large ? 'cpuSecondsPerGB' : 'cpuMicrosPerObject';
  const title = `${work}: CPU ${large ? 'seconds per GB' : 'microseconds per object'}, less is better`;
  const kinds = /** @type {Record<string, 'own' | 'limit'>} */ ({
    [MILLRACE]: 'own',
    [MILLRACE_GET]: 'own',
    [MILLRACE_UNVERIFIED]: 'own',
    [LIMIT]: 'limit',
    [DEVICE_LIMIT]: 'limit',
  });
  const bars = rows.map((row) => ({
    label: row.contender,
    value: row[figure],
    min: row.min[figure],
    max: row.max[figure],
    text: cpuText(row),
    kind: kinds[row.contender] ?? 'other',
  }));
  const description = 'Horizontal bars from zero; a thin line is from the least to the most of the rounds.';
  return barChart({ title, description, bars });
}

/** @param {Results} results */
function machineSection({ machine, command, date, rounds }) {
  const { cpu, cores, memoryBytes, kernel, node, nginx, versions } = machine;
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    '## The run',
    table(
      ['', ''],
      [
        ['machine', `${cpu}, ${cores} cores, ${number(memoryBytes / 2 ** 30)} GiB, kernel ${kernel}`],
        ['versions', [`Node.js ${node}`, `nginx ${nginx}`, ...named].join(', ')],
        ['run', `\`${command}\`, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${date.slice(0, 10)}`],
      ],
    ),
  ].join('\n\n');
}

/** @param {Results} results */
function contenderSection({ rows, missing }) {
  const taking = [...new Set([...rows, ...missing].map(({ contender }) => contender))];
  return [
    '## Contenders',
    table(
      ['contender', 'is'],
      taking.map((name) => [`\`${name}\``, CONTENDERS[name] ?? '-']),
    ),
  ].join('\n\n');
}

/** @param {Results} results */
function goalSection(results) {
  const goals = goalsOf(results);
  const counts = /** @type {const} */ (['met', 'not met', 'not measured']).map(
    (verdict) => `${goals.filter((goal) => goal.verdict === verdict).length} ${verdict}`,
  );
  const rows = goals.map(({ what, goal, measured, verdict }) => [
    what,
    goal,
    measured,
    verdict === 'met' ? verdict : `**${verdict}**`,
  ]);
  const about = `Ratios are medians, with the least and the most of the rounds; the median decides. ${counts.join(', ')}.`;
  return ['## Goals', about, table(['figure', 'goal', 'measured', 'verdict'], rows)].join('\n\n');
}

const ROW_HEAD = [
  'contender',
  'signed',
  'CPU',
  'CPU / millrace',
  'rate',
  'rate / millrace',
  'peak RSS',
  'p50 / p99',
  'event loop p99',
];

/** @param {Results} results @param {string} work */
function workSection(results, work) {
  const rows = rowsOf(results, work);
  const own = rowOf(results, work, MILLRACE);
  const absent = results.missing.filter((missing) => missing.work === work);
  const image = rows.length === 0 ? [] : [`![CPU of ${work}, by contender](${CHARTS}/${work}.svg)`];
  const cells = [
    ...rows.map((row) => rowCells(row, own)),
    ...absent.map(({ contender, why }) => [
      `\`${contender}\``,
      `not measured: ${why}`,
      ...ROW_HEAD.slice(2).map(() => ''),
    ]),
  ];
  return [`## \`${work}\``, ...image, table(ROW_HEAD, cells), standing(results, work)]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** @param {Row} row @param {Row | null} own */
function rowCells(row, own) {
  const { contender, signed, p50Ms, p99Ms, eventLoopDelayP99Ms, peakRssBytes } = row;
  const versus = (/** @type {keyof import('./figures.mjs').Figures} */ figure) =>
    own === null || own === row ? '-' : ratioText(ratioTo(row, own, figure));
  const name = `\`${contender}\``;
  return [
    contender === MILLRACE ? `**${name}**` : name,
    signed ? 'yes' : 'no',
    cpuText(row),
    versus('cpuMicrosPerObject'),
    rateText(row),
    versus('objectsPerSecond'),
    megabytes(peakRssBytes),
    p99Ms === null ? '-' : `${quantity(p50Ms, '')}/ ${quantity(p99Ms, 'ms')}`,
    quantity(eventLoopDelayP99Ms, 'ms'),
  ];
}

/** Says it where millrace is not first in CPU or rate, the limit aside. @param {Results} results @param {string} work */
function standing(results, work) {
  const ahead = behindOf(results).filter(
    (behind) => behind.work === work && (behind.figure === 'CPU' || behind.figure === 'rate'),
  );
  if (ahead.length === 0) return '';
  const told = ahead.map(
    ({ figure, contender, times }) => `\`${contender}\` in ${figure} (${number(times)}x better)`,
  );
  return `millrace is not first here: ${told.join(', ')}.`;
}

/** @param {Results} results */
function behindSection(results) {
  const heading = '## Where millrace is not ahead';
  const about = `Every contender and figure of this run that is better than millrace's; \`${LIMIT}\` and \`${DEVICE_LIMIT}\` are left out, being limits.`;
  const found = behindOf(results);
  const own = results.rows.some(({ contender }) => contender === MILLRACE);
  if (!own) return `${heading}\n\nmillrace was not measured in this run.`;
  if (found.length === 0) return `${heading}\n\n${about} There is none.`;
  const rows = found.map(({ work, figure, contender, theirs, ours, times, clear }) => [
    `\`${work}\``,
    figure,
    `\`${contender}\``,
    theirs,
    ours,
    `${number(times)}x`,
    clear ? 'yes' : 'no',
  ]);
  const head = ['work', 'figure', 'contender', 'theirs', "millrace's", 'better by', 'in every round'];
  return [heading, about, table(head, rows)].join('\n\n');
}
