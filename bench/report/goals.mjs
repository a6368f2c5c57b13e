/** The goals, and whether a result meets them. Every verdict is computed; a goal without its figures is `not measured`. */
import {
  inverse,
  isRival,
  DEVICE_LIMIT,
  LIMIT,
  megabytes,
  MILLRACE,
  MILLRACE_UNVERIFIED,
  number,
  ratioTo,
  rowOf,
  rowsOf,
  worksOf,
} from './figures.mjs';

/**
 * @typedef {import('./figures.mjs').Results} Results
 * @typedef {{text: string, met: boolean | null}} Part `met` is null where there is no figure
 * @typedef {'met' | 'not met' | 'not measured'} Verdict
 * @typedef {{what: string, goal: string, measured: string, verdict: Verdict}} Goal
 */

const SDK = ['aws-sdk', 'aws-sdk-stream'];
const RANGES = ['8MiB-of-64MiB', '8MiB-of-1GiB'];

/** CPU of others divided by millrace's, at least; and of millrace divided by that of the limit, at most. */
const CPU_GOALS = [
  { what: '8 MiB ranges', works: RANGES.map((name) => `http-${name}`), sdk: 6, opendal: 3, limit: 1.5 },
  { what: '128 KiB objects', works: ['http-128KiB'], sdk: 12, opendal: 3, limit: 3 },
  { what: '4 KiB objects in batches of 256', works: ['http-4KiB'], sdk: 20, opendal: 2, limit: 4 },
  { what: '8 MiB ranges over https', works: RANGES.map((name) => `https-${name}`), sdk: 3 },
  { what: '128 KiB objects over https', works: ['https-128KiB'], sdk: 8 },
  { what: '4 KiB objects over https', works: ['https-4KiB'], sdk: 20 },
  { what: '4 KiB files', works: ['file-4KiB'], readFile: 5 },
];
const LEAST_OF_PREAD = 0.85;
/** The SDKs of Azure and of Google; `base` is that way to use millrace that does the same work. */
const OTHER_SDK_GOALS = [
  { work: 'az-4KiB', rival: 'azure-sdk', base: MILLRACE },
  { work: 'az-4KiB', rival: 'azure-sdk-stream', base: MILLRACE },
  { work: 'az-8MiB', rival: 'azure-sdk', base: MILLRACE },
  { work: 'az-8MiB', rival: 'azure-sdk-stream', base: MILLRACE },
  { work: 'gs-4KiB', rival: 'gcs-sdk', base: MILLRACE },
  { work: 'gs-4KiB', rival: 'gcs-sdk-stream', base: MILLRACE_UNVERIFIED },
  { work: 'gs-8MiB', rival: 'gcs-sdk', base: MILLRACE },
  { work: 'gs-8MiB', rival: 'gcs-sdk-stream', base: MILLRACE_UNVERIFIED },
  { work: 'gs-8MiB-of-64MiB', rival: 'gcs-sdk', base: MILLRACE },
  { work: 'gs-8MiB-of-64MiB', rival: 'gcs-sdk-stream', base: MILLRACE },
  { work: 'gs-8MiB-of-64MiB', rival: 'gcs-sdk-chunks', base: MILLRACE },
];
const OTHER_SDK_TIMES = 3;
/** Loads of the service figures that go over the network. */
const NETWORK = ['http-4KiB', 'http-8MiB'];
const CANCEL_P99_MS = 50;
const LOOP_P99_MS = 20;
const RSS_OVER_BUDGET = 1.25;
const FIRST_BATCH_MS = 1000;
const MANY_KEYS_RSS_BYTES = 200e6;

/** @param {Results} results @returns {Goal[]} */
export function goalsOf(results) {
  return [
    ...cpuGoals(results),
    ...OTHER_SDK_GOALS.map((goal) => otherSdkGoal(results, goal)),
    ...fileRateGoals(results),
    wallGoal(results),
    ...serviceGoals(results.service ?? {}),
  ];
}

/** @param {readonly Part[]} parts @returns {Verdict} */
export function verdictOf(parts) {
  if (parts.some(({ met }) => met === false)) return 'not met';
  return parts.length === 0 || parts.some(({ met }) => met === null) ? 'not measured' : 'met';
}

/** @param {string} what @param {string} goal @param {readonly Part[]} parts @returns {Goal} */
function goalOf(what, goal, parts) {
  const measured = parts.map(({ text }) => text).join('; ');
  return { what, goal, measured: measured === '' ? '-' : measured, verdict: verdictOf(parts) };
}

/** @param {Results} results */
function cpuGoals(results) {
  return CPU_GOALS.flatMap(({ what, works, sdk, opendal, readFile, limit }) => [
    ...(sdk === undefined ? [] : SDK.map((name) => lessCpu(results, what, works, name, sdk))),
    ...(opendal === undefined ? [] : [lessCpu(results, what, works, 'opendal', opendal)]),
    ...(readFile === undefined ? [] : [lessCpu(results, what, works, 'readFile', readFile)]),
    ...(limit === undefined ? [] : [nearLimit(results, what, works, limit)]),
  ]);
}

/** @param {Results} results @param {string} what @param {string[]} works @param {string} rival @param {number} times */
function lessCpu(results, what, works, rival, times) {
  const parts = works.map((work) =>
    ratioPart(results, work, rival, 'cpuMicrosPerObject', false, (ratio) => ratio >= times),
  );
  return goalOf(`CPU, ${what}`, `at least ${times}x less than \`${rival}\``, parts);
}

/** @param {Results} results @param {typeof OTHER_SDK_GOALS[number]} goal */
function otherSdkGoal(results, { work, rival, base }) {
  const isMet = (/** @type {number} */ ratio) => ratio >= OTHER_SDK_TIMES;
  const part = ratioPart(results, work, rival, 'cpuMicrosPerObject', false, isMet, base);
  const what = base === MILLRACE ? `CPU, \`${work}\`` : `CPU, \`${work}\`, no checksums by either`;
  return goalOf(what, `at least ${OTHER_SDK_TIMES}x less than \`${rival}\``, [part]);
}

/** @param {Results} results @param {string} what @param {string[]} works @param {number} times */
function nearLimit(results, what, works, times) {
  const parts = works.map((work) =>
    ratioPart(results, work, LIMIT, 'cpuMicrosPerObject', true, (ratio) => ratio <= times),
  );
  return goalOf(`CPU, ${what}`, `at most ${times}x that of \`${LIMIT}\``, parts);
}

/** @param {Results} results */
function fileRateGoals(results) {
  const near = (/** @type {number} */ ratio) => ratio >= LEAST_OF_PREAD;
  const rates = [
    ...['pread-sync', 'pread-window', LIMIT].map((name) => ['file of 1 GiB', 'file-1GiB', name]),
    ['file of 1 GiB past the page cache', 'direct-1GiB', DEVICE_LIMIT],
  ];
  return rates.map(([what, work, name]) => {
    const part = ratioPart(results, work, name, 'bytesPerSecond', true, near);
    return goalOf(`rate, ${what}`, `at least ${LEAST_OF_PREAD} of that of \`${name}\``, [part]);
  });
}

/**
 * A ratio of one work as text. `inverted`: millrace's figure divided by the other's. `base`: which of millrace's rows.
 * @param {Results} results @param {string} work @param {string} other @param {keyof import('./figures.mjs').Figures} figure
 * @param {boolean} inverted @param {(ratio: number) => boolean} isMet @param {string} [base] @returns {Part}
 */
function ratioPart(results, work, other, figure, inverted, isMet, base = MILLRACE) {
  const row = rowOf(results, work, other);
  const own = rowOf(results, work, base);
  const quotient = row === null || own === null ? null : ratioTo(row, own, figure);
  const ratio = inverted ? inverse(quotient) : quotient;
  if (ratio === null) return { text: `\`${work}\`: no figure`, met: null };
  const { median, min, max } = ratio;
  return { text: `\`${work}\` ${number(median)}x (${number(min)} to ${number(max)})`, met: isMet(median) };
}

/** @param {Results} results @returns {Goal} */
function wallGoal(results) {
  // Where nobody takes part but the device itself there is no place to have.
  const works = worksOf(results).filter((work) => !work.startsWith('direct-'));
  const parts = works.map((work) => wallPart(results, work));
  const first = parts.filter(({ met }) => met === true).length;
  const rest = parts.filter(({ met }) => met !== true);
  const measured = [`first in ${first} of ${works.length} works`, ...rest.map(({ text }) => text)].join('; ');
  const goal = `first among all but \`${LIMIT}\` in every work`;
  return { what: 'rate', goal, measured, verdict: verdictOf(parts) };
}

/** @param {Results} results @param {string} work @returns {Part} */
function wallPart(results, work) {
  const own = rowOf(results, work, MILLRACE);
  const [best] = rowsOf(results, work)
    .filter(isRival)
    .toSorted((a, b) => b.objectsPerSecond - a.objectsPerSecond);
  if (own === null || best === undefined) return { text: `\`${work}\`: no figure`, met: null };
  const share = own.objectsPerSecond / best.objectsPerSecond;
  return {
    text: `in \`${work}\` behind \`${best.contender}\`, at ${number(share)} of its rate`,
    met: share >= 1,
  };
}

/** @param {Record<string, any>} service @returns {Goal[]} */
function serviceGoals(service) {
  const { cancel, eventLoopDelay, memory, hundredMillionKeys: keys } = service;
  const ms = (/** @type {number} */ value) => `${number(value)} ms`;
  return [
    goalOf(
      'cancel until nothing is in flight, p99',
      `at most ${CANCEL_P99_MS} ms`,
      perLoad(NETWORK, cancel, ({ idleMs }) => idleMs?.p99, CANCEL_P99_MS, ms),
    ),
    goalOf(
      'event-loop delay of the service, p99',
      `at most ${LOOP_P99_MS} ms`,
      perLoad(
        [...NETWORK, 'file-4KiB', 'million-keys'],
        eventLoopDelay,
        ({ p99Ms }) => p99Ms,
        LOOP_P99_MS,
        ms,
      ),
    ),
    goalOf(
      'RSS over idle',
      `at most ${RSS_OVER_BUDGET}x the memory budget`,
      perLoad(
        NETWORK,
        memory,
        ({ growthOverBudget }) => growthOverBudget,
        RSS_OVER_BUDGET,
        (ratio) => `${number(ratio)}x`,
      ),
    ),
    goalOf('first batch of 100 million keys, shuffled', `at most ${FIRST_BATCH_MS / 1000} s`, [
      atMost(keys?.firstBatchMs, FIRST_BATCH_MS, ms),
    ]),
    goalOf('RSS with 100 million keys, shuffled', `at most ${MANY_KEYS_RSS_BYTES / 1e6} MB`, [
      atMost(keys?.peakRssBytes, MANY_KEYS_RSS_BYTES, megabytes),
    ]),
  ];
}

/**
 * A load whose measurement failed is a part without a figure, so that the goal is not met by leaving it out.
 * @param {readonly string[]} loads @param {Record<string, any> | undefined} byLoad @param {(figures: any) => number | undefined} pick
 * @param {number} most @param {(value: number) => string} show @returns {Part[]}
 */
function perLoad(loads, byLoad, pick, most, show) {
  return loads.map((load) => {
    const { text, met } = atMost(pick(byLoad?.[load] ?? {}), most, show);
    return { text: `\`${load}\` ${text}`, met };
  });
}

/** @param {number | undefined} value @param {number} most @param {(value: number) => string} show @returns {Part} */
function atMost(value, most, show) {
  if (value === undefined || value === null) return { text: 'no figure', met: null };
  return { text: show(value), met: value <= most };
}
