/**
 * The soak: one runtime, as a service embeds it, in rounds until its time is over or it is told to stop.
 *
 * What it keeps true:
 * 1. What it keeps about the past is allocated when it begins.
 * 2. However it ends, the runtime is closed and its record looked at, the origin is stopped, and there is a report.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CancellationToken, Runtime } from 'millrace';
import { PAGE_BYTES } from '../../dist/protocol/arena.js';
import { startOrigin } from '../../dist/testing/index.js';
import { backToBaseline, takeBaseline } from '../kit/leaks.mjs';
import { createColumns } from './columns.mjs';
import { gauge } from './gauge.mjs';
import { Ledger } from './ledger.mjs';
import { MAX_CONNECTIONS, MEMORY_BUDGET, SMALL, keyOf, originOptions, uriOf } from './objects.mjs';
import { runRound } from './rounds.mjs';

/** Shorter than any round on any machine. */
const SHORTEST_ROUND_MS = 500;
const MAX_ROUNDS = 200_000;
const DELAY_RESOLUTION_MS = 10;
/** A store that was not used for some rounds signs with older ones, and is to be told that they have expired. */
const EXPIRED_KNOWN = 16;
const STOP_DEADLINE_MS = 15_000;
/** What a thread and the sockets of a closed runtime may take to be gone. */
const GONE_MS = 10_000;

/**
 * Credentials as a service has them that renews them by itself; `rotate` brings new ones and lets the old ones expire.
 * @param {() => import('../../dist/testing/index.js').Origin} origin
 */
function createCredentials(origin) {
  let number = 0;
  // Only credentials of a session expire; without its token a bare refusal of a HEAD would not be taken for that.
  const of = (/** @type {number} */ n) => ({
    accessKeyId: `SOAK${n}`,
    secretAccessKey: `soak-secret-${n}`,
    sessionToken: `soak-session-${n}`,
  });
  return {
    first: of(0),
    resolve: () => Promise.resolve(of(number)),
    rotate: async () => {
      const before = Array.from({ length: Math.min(number, EXPIRED_KNOWN) }, (_, i) => of(number - 1 - i));
      const expired = before.map((one) => ({ ...one, expired: true }));
      // The service has to know the new ones before anybody signs with them.
      await origin().configure({ credentials: [...expired, of(number), of(number + 1)] });
      number += 1;
      const old = { ...of(number - 1), expired: true };
      await origin().configure({ credentials: [...expired, old, of(number)] });
    },
  };
}

/**
 * @param {import('./options.mjs').SoakOptions} options
 * @param {{started: (seed: number) => void, sampled: (sample: any) => void, broken: (what: string) => void}} progress
 */
export async function soak({ minutes, seed, workers, intervalSeconds }, progress) {
  const shutdown = CancellationToken.fromSignals(['SIGTERM', 'SIGINT'], { deadlineMs: STOP_DEADLINE_MS });
  const ledger = new Ledger(progress.broken);
  /** @type {Map<string, number>} */
  const faults = new Map();
  const credentials = createCredentials(() => origin);
  const origin = await startOrigin({ ...originOptions(), credentials: [credentials.first] });
  try {
    // A pipe behind one of these is a handle from its first use on; the SDK's warnings come there too.
    for (const stream of [process.stdout, process.stderr]) stream.write('');
    const baseline = await takeBaseline();
    const runtime = await Runtime.start({
      workers,
      memoryBudget: MEMORY_BUDGET,
      maxConnections: MAX_CONNECTIONS,
      token: shutdown,
      stores: {
        s3: {
          endpoint: origin.url,
          region: origin.region,
          credentials: credentials.resolve,
          forcePathStyle: true,
        },
      },
    });
    progress.started(seed);
    const { signal } = new AbortController();
    const world = { runtime, origin, ledger, faults, signal, rotate: credentials.rotate, seed, workers };
    const timing = { endMs: minutes * 60_000, intervalMs: intervalSeconds * 1000 };
    const { rounds, samples } = await go(world, timing, shutdown, progress);
    const record = await runtime.close();
    await mustBeGone(ledger, record, baseline);
    const isCutShort = shutdown.state !== 0;
    shutdown.dispose();
    return { seed, minutes, workers, isCutShort, rounds, samples, ledger, faults, deaths: record.deaths };
  } finally {
    await origin.stop();
  }
}

/**
 * Rounds and samples, by turns. What goes wrong outside of a work is a finding, and ends them.
 * @param {import('./rounds.mjs').Soak} world @param {{endMs: number, intervalMs: number}} timing
 * @param {CancellationToken} shutdown @param {{sampled: (sample: any) => void}} progress
 */
async function go(world, timing, shutdown, progress) {
  const rounds = createColumns(Math.min(MAX_ROUNDS, Math.ceil(timing.endMs / SHORTEST_ROUND_MS) + 1));
  /** @type {any[]} */
  const samples = [];
  const keep = (/** @type {any} */ sample) => {
    samples.push(sample);
    progress.sampled(sample);
  };
  try {
    await runRounds(world, timing, shutdown, rounds, keep);
  } catch (error) {
    if (shutdown.state === 0)
      world.ledger.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return { rounds: rounds.taken(), samples };
}

/**
 * @param {import('./rounds.mjs').Soak} world @param {{endMs: number, intervalMs: number}} timing
 * @param {CancellationToken} shutdown @param {ReturnType<typeof createColumns>} rounds @param {(sample: any) => void} keep
 */
async function runRounds(world, { endMs, intervalMs }, shutdown, rounds, keep) {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  const begun = performance.now();
  let interval = freshInterval(0);
  await touchEverything(world);
  for (let round = 0; shutdown.state === 0; round += 1) {
    delay.enable();
    const cost = await runRound(world, round);
    delay.disable();
    const atMs = performance.now() - begun;
    if (shutdown.state !== 0) return;
    rounds.add({ atMs, ...cost });
    addCost(interval, cost);
    const isOver = atMs >= endMs;
    if (atMs - interval.sinceMs >= intervalMs || isOver) {
      keep({
        atMs,
        ...interval,
        loopDelayP99Ms: delay.percentile(99) / 1e6,
        broken: world.ledger.broken,
        faults: [...world.faults.values()].reduce((sum, count) => sum + count, 0),
        ...(await gauge(world)),
      });
      delay.reset();
      interval = freshInterval(performance.now() - begun);
    }
    if (isOver) return;
  }
}

/** @param {number} sinceMs */
function freshInterval(sinceMs) {
  return { sinceMs, rounds: 0, wallMs: 0, cpuMs: 0, waitMs: 0, items: 0, bytes: 0, requests: 0, retries: 0 };
}

/** @param {ReturnType<typeof freshInterval>} interval @param {import('./rounds.mjs').RoundCost} cost */
function addCost(interval, cost) {
  interval.rounds += 1;
  for (const name of /** @type {const} */ ([
    'wallMs',
    'cpuMs',
    'waitMs',
    'items',
    'bytes',
    'requests',
    'retries',
  ]))
    interval[name] += cost[name];
}

/**
 * Touches once what the runtime may ever touch: memory is mapped page by page as it is first written, and would else be seen
 * to grow for as long as no round has needed all of it, the addresses beyond the budget too.
 * @param {import('./rounds.mjs').Soak} world
 */
async function touchEverything({ runtime }) {
  const result = await runtime.get(uriOf(keyOf(SMALL, 0)));
  const words = new Int32Array(result.bytes.buffer);
  // To add nothing is to write, and changes nothing for anybody.
  for (let at = 0; at < words.length; at += PAGE_BYTES / words.BYTES_PER_ELEMENT) Atomics.add(words, at, 0);
  result.release();
}

/**
 * @param {Ledger} ledger @param {import('millrace').RuntimeRecord} record
 * @param {import('../kit/leaks.d.mts').Holdings} baseline
 */
async function mustBeGone(ledger, record, baseline) {
  const { unreleasedBytes, leaks, stuckWorkers } = record;
  ledger.expect(
    unreleasedBytes === 0 && leaks === 0 && stuckWorkers.length === 0,
    () => `close: ${JSON.stringify(record)}`,
  );
  try {
    await backToBaseline(baseline, { timeoutMs: GONE_MS });
  } catch (error) {
    ledger.fail(`close: ${/** @type {Error} */ (error).message}`);
  }
}
