/**
 * What the figures of a run say of each promise. Pure.
 *
 * The first part of a run is warm-up and not looked at: code is compiled, heaps find their size, each thread its stacks.
 *
 * Throughput is judged by objects per second of CPU, in units of a reference work that was measured beside each round, and
 * without what follows the share of time that threads stood in line for a CPU: a thread that is interrupted more often finds
 * its caches cold, and fewer messages at each wake-up; rounds under load 30 were measured to cost half as much again.
 * Objects per second of the wall say how much the rest of the machine left to us; so they are judged only where the
 * time that threads stood in line for a CPU did not change, which is when a change is ours: waits that became longer.
 */
import { FAULT_KINDS } from './faults.mjs';
import { lastOverFirst, median, theilSen, withoutInfluence } from './statistics.mjs';

export const MAX_SLOPE_MB_PER_HOUR = 1;
export const MAX_DROP = 0.05;
const WARM_UP_SHARE = 0.15;
const MAX_WARM_UP_MS = 5 * 60_000;
/** Before that code is still being compiled, and heaps find their size: it was measured to take some minutes. */
const SETTLED_MS = 8 * 60_000;
/** Before that the interval of a slope is wider than what is promised: only one that is surely too steep counts. */
const TELLING_MS = 30 * 60_000;
/** Rounds in which every kind of fault has surely come. */
const MIN_ROUNDS_FOR_KINDS = 3;
/** Of the time: below that nothing is disturbed. */
const LEAST_IN_LINE = 0.01;
const MB = 1e6;
const HOUR_MS = 3_600_000;

/** @param {number} totalMs */
export function warmUpMs(totalMs) {
  return Math.min(MAX_WARM_UP_MS, totalMs * WARM_UP_SHARE);
}

/**
 * @typedef {{promise: string, kept: boolean | null, why: string}} Finding `kept` is null where the run was too short to tell
 * @typedef {{atMs: number, rss: number, resident: Record<string, number>, threads: number,
 *   descriptors: Record<string, number>, handles: Record<string, number>} & Record<string, any>} Sample
 * @typedef {Record<string, Float64Array> & {length: number}} Rounds
 */

/**
 * @param {{rounds: Rounds, samples: readonly Sample[], faults: ReadonlyMap<string, number>,
 *   ledger: {broken: number, first: readonly string[]}}} run
 * @returns {{findings: Finding[], slopes: Record<string, any>, throughput: any}}
 */
export function judge({ rounds, samples, faults, ledger }) {
  const totalMs = rounds.length === 0 ? 0 : rounds.atMs[rounds.length - 1];
  const from = warmUpMs(totalMs);
  const warm = samples.filter(({ atMs }) => atMs > from);
  const slopes = slopesOf(warm);
  const throughput = throughputOf(rounds, from);
  const findings = [
    {
      promise: 'every byte and every record is right, and nothing is left behind',
      kept: ledger.broken === 0,
      why: ledger.broken === 0 ? 'nothing was found wrong' : `${ledger.broken} findings, the first below`,
    },
    slopeFinding(slopes.rss, totalMs),
    ...throughputFindings(throughput),
    constantFinding(warm, 'threads', (sample) => ({ threads: sample.threads })),
    constantFinding(warm, 'descriptors', (sample) => sample.descriptors),
    constantFinding(warm, 'handles', (sample) => sample.handles),
    kindsFinding(faults, rounds.length),
  ];
  return { findings, slopes, throughput };
}

/** MB per hour of all that is resident, and of each part of it. @param {readonly Sample[]} samples */
function slopesOf(samples) {
  const of = (/** @type {(sample: Sample) => number} */ value) =>
    theilSen(samples.map((sample) => ({ x: sample.atMs / HOUR_MS, y: value(sample) / MB })));
  const parts = Object.keys(samples[0]?.resident ?? {});
  return {
    rss: of(({ rss }) => rss),
    ...Object.fromEntries(parts.map((part) => [part, of(({ resident }) => resident[part])])),
    heapUsed: of(({ heapUsed }) => heapUsed),
    external: of(({ external }) => external),
    workerHeaps: of((sample) => sample.workers?.heapUsed ?? 0),
  };
}

/** @param {ReturnType<typeof theilSen>} fit @param {number} totalMs @returns {Finding} */
function slopeFinding(fit, totalMs) {
  const promise = `resident memory grows by less than ${MAX_SLOPE_MB_PER_HOUR} MB/h`;
  if (fit === null) return { promise, kept: null, why: 'too few samples' };
  const { slope, low, high } = fit;
  const why = `${slope.toFixed(2)} MB/h (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
  if (slope < MAX_SLOPE_MB_PER_HOUR) return { promise, kept: true, why };
  const isSure = totalMs >= TELLING_MS ? low > 0 : low >= MAX_SLOPE_MB_PER_HOUR && totalMs >= SETTLED_MS;
  if (isSure) return { promise, kept: false, why };
  return { promise, kept: null, why: `${why}: not to be told from noise in a run as short or disturbed` };
}

/** @param {Rounds} rounds @param {number} from */
export function throughputOf(rounds, from) {
  const indexes = Array.from({ length: rounds.length }, (_, i) => i).filter((i) => rounds.atMs[i] > from);
  const of = (/** @type {(i: number) => number} */ value) => lastOverFirst(indexes.map(value));
  return {
    rounds: indexes.length,
    cpu: cpuThroughputOf(rounds, indexes),
    plainCpu: of((i) => (rounds.items[i] / rounds.cpuMs[i]) * 1000),
    wall: of((i) => (rounds.items[i] / rounds.wallMs[i]) * 1000),
    reference: of((i) => rounds.referenceMs[i]),
    /** Of what a round took, how long threads stood in line; a little is added so that nothing is divided by 0. */
    waiting: of((i) => LEAST_IN_LINE + rounds.waitMs[i] / rounds.wallMs[i]),
    roundMs: indexes.length === 0 ? NaN : median(indexes.map((i) => rounds.wallMs[i])),
  };
}

/**
 * Objects per CPU time of the reference work, as if threads had always stood in line for the same share of the time.
 * @param {Rounds} rounds @param {number[]} indexes
 */
function cpuThroughputOf(rounds, indexes) {
  const inLine = indexes.map((i) => LEAST_IN_LINE + rounds.waitMs[i] / rounds.wallMs[i]);
  const plain = indexes.map((i) => (rounds.items[i] / rounds.cpuMs[i]) * rounds.referenceMs[i]);
  const adjusted = withoutInfluence(plain, inLine);
  const found = lastOverFirst(adjusted.values);
  const moved = lastOverFirst(inLine);
  if (found === null || moved === null) return null;
  // What was taken out is known no better than the power is.
  const doubt = 1.96 * adjusted.error * Math.abs(Math.log(moved.ratio)) * found.ratio;
  return { ...found, margin: Math.hypot(found.margin, doubt) };
}

/** @param {ReturnType<typeof throughputOf>} throughput @returns {Finding[]} */
function throughputFindings({ cpu, wall, waiting }) {
  const promise = `objects per second of CPU at the end are within ${MAX_DROP * 100} % of those at the begin`;
  const wallPromise = 'so are objects per second, unless the machine was busier';
  if (cpu === null || wall === null || waiting === null)
    return [
      { promise, kept: null, why: 'too few rounds' },
      { promise: wallPromise, kept: null, why: 'too few rounds' },
    ];
  const byCpu = dropFinding(promise, cpu);
  const byWall = dropFinding(wallPromise, wall);
  if (byWall.kept === false && waiting.ratio > 1 + MAX_DROP) {
    const why = `${byWall.why}; threads stood in line ${percent(waiting.ratio)} longer: noise`;
    return [byCpu, { promise: wallPromise, kept: null, why }];
  }
  return [byCpu, byWall];
}

/** @param {string} promise @param {NonNullable<ReturnType<typeof lastOverFirst>>} found @returns {Finding} */
function dropFinding(promise, { ratio, margin }) {
  if (!Number.isFinite(margin)) return { promise, kept: null, why: `${percent(ratio)}: too few rounds` };
  const why = `${percent(ratio)} (+-${(margin * 100).toFixed(1)} %)`;
  if (ratio >= 1 - MAX_DROP) return { promise, kept: true, why };
  if (ratio + margin < 1 - MAX_DROP) return { promise, kept: false, why };
  return { promise, kept: null, why: `${why}: within the noise` };
}

/** @param {number} ratio */
function percent(ratio) {
  const change = (ratio - 1) * 100;
  return `${change < 0 ? '' : '+'}${change.toFixed(1)} %`;
}

/**
 * No more at the end than after the warm-up, of any kind. What came and went in between is shown.
 * @param {readonly Sample[]} samples @param {string} name @param {(sample: Sample) => Record<string, number>} countsOf
 * @returns {Finding}
 */
function constantFinding(samples, name, countsOf) {
  const promise = `${name} stay as many as they were`;
  if (samples.length < 2) return { promise, kept: null, why: 'too few samples' };
  const kinds = new Set(samples.flatMap((sample) => Object.keys(countsOf(sample))));
  const grown = [];
  for (const kind of kinds) {
    const counts = samples.map((sample) => countsOf(sample)[kind] ?? 0);
    const last = counts[counts.length - 1];
    if (last > counts[0]) grown.push(`${kind} ${counts[0]} to ${last} (most: ${Math.max(...counts)})`);
  }
  const why = grown.length === 0 ? JSON.stringify(countsOf(samples[samples.length - 1])) : grown.join(', ');
  return { promise, kept: grown.length === 0, why };
}

/** @param {ReadonlyMap<string, number>} faults @param {number} rounds @returns {Finding} */
function kindsFinding(faults, rounds) {
  const promise = 'every kind of fault came';
  const missing = FAULT_KINDS.filter((kind) => (faults.get(kind) ?? 0) === 0);
  if (missing.length === 0) return { promise, kept: true, why: `${FAULT_KINDS.length} kinds` };
  const why = `none of: ${missing.join(', ')}`;
  return { promise, kept: rounds < MIN_ROUNDS_FOR_KINDS ? null : false, why };
}
