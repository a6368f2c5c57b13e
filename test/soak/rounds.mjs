/**
 * One round: the works of the mix on a few lanes, with faults among their requests, and then nothing left of it.
 *
 * What it keeps true:
 * 1. A round ends. One that does not within its limit is a broken promise that names its works, and is cancelled.
 * 2. When it has ended nothing is held: no stream, no byte of the budget, no listener on a signal that goes on.
 * 3. What a round costs is told in CPU time, ours and the origin's, and in time that threads waited for a CPU: on a
 *    machine with other load the clock on the wall tells little.
 */
import { getEventListeners } from 'node:events';
import { MillraceError } from 'millrace';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { diceOf } from './dice.mjs';
import { EXPIRED_TOKEN, addHits, rulesOf } from './faults.mjs';
import { scheduled } from './gauge.mjs';
import { Ledger } from './ledger.mjs';
import { planRound } from './works/mix.mjs';
import { STOPS, isLive } from './works/kit.mjs';

const LANES = 4;
/** Some fifty times as long as a round takes. */
const ROUND_LIMIT_MS = 180_000;
/** After a cancel; what is not over then will never be. */
const CANCEL_LIMIT_MS = 30_000;

/** Work that never changes: how much CPU it takes tells how fast the machine is at the moment. */
const REFERENCE_ID = objectIdOf('reference');
const REFERENCE = patternBytes(REFERENCE_ID, 4 * 2 ** 20);
const REFERENCE_TURNS = 5;

/** CPU milliseconds of the reference work: the least of a few turns, since others can only add to it. */
function referenceMs() {
  let least = Infinity;
  for (let turn = 0; turn < REFERENCE_TURNS; turn += 1) {
    const before = process.cpuUsage();
    verifyPattern(REFERENCE_ID, 0, REFERENCE);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e3);
  }
  return least;
}

/**
 * @typedef {{runtime: import('millrace').Runtime, origin: import('../../dist/testing/index.js').Origin, ledger: Ledger,
 *   faults: Map<string, number>, signal: AbortSignal, rotate: () => Promise<void>, seed: number, workers: number}} Soak
 * @typedef {{wallMs: number, cpuMs: number, originCpuMs: number, waitMs: number, referenceMs: number, items: number,
 *   bytes: number, requests: number, retries: number}} RoundCost
 */

/** @param {Soak} soak @param {import('millrace').CancellationToken} token @param {number} round @param {() => number} random */
async function runLanes(soak, token, round, random) {
  const plan = planRound(random, round);
  const { ledger } = soak;
  /** @type {Set<string>} */
  const underWay = new Set();
  let next = 0;
  const lane = async () => {
    while (next < plan.length) {
      const index = next;
      const { name, run, slot } = plan[index];
      next += 1;
      const label = `${name} #${slot}`;
      underWay.add(label);
      const work = { ...soak, token, round, slot, random: diceOf(soak.seed, round, index + 1) };
      if (!isLive(work)) return;
      try {
        await run(work);
        Ledger.count(ledger.works, name);
      } catch (error) {
        if (isLive(work) || !(error instanceof MillraceError && STOPS.has(error.code)))
          ledger.fail(`round ${round}, ${label}: ${error instanceof Error ? error.stack : String(error)}`);
      }
      underWay.delete(label);
    }
  };
  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  if (await settledWithin(lanes, ROUND_LIMIT_MS)) return;
  ledger.fail(`round ${round}: not over after ${ROUND_LIMIT_MS / 1000} s: ${[...underWay].join(', ')}`);
  token.cancel('the round takes too long');
  if (!(await settledWithin(lanes, CANCEL_LIMIT_MS)))
    throw new Error(`round ${round} does not end when it is cancelled: ${[...underWay].join(', ')}`);
}

/** @param {Promise<unknown>} promise @param {number} ms */
async function settledWithin(promise, ms) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const settled = promise.then(() => true);
  return await Promise.race([settled, late]).finally(() => clearTimeout(timer));
}

/**
 * @param {Soak} soak @param {number} round from 0
 * @returns {Promise<RoundCost>}
 */
export async function runRound(soak, round) {
  const { runtime, origin, ledger, faults, seed } = soak;
  const random = diceOf(seed, round, 0);
  await origin.script(...rulesOf(random));
  const token = runtime.token.child();
  const reference = referenceMs();
  const before = {
    origin: await origin.stats(),
    items: ledger.items,
    bytes: ledger.bytes,
    retries: ledger.retries,
  };
  const ours = scheduled('self');
  const theirs = scheduled(origin.pid);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await runLanes(soak, token, round, random);
  const wallMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  const oursAfter = scheduled('self');
  const theirsAfter = scheduled(origin.pid);
  const after = await origin.stats();
  addHits(faults, after.fired);
  Ledger.count(faults, EXPIRED_TOKEN, (after.byStatus['400'] ?? 0) - (before.origin.byStatus['400'] ?? 0));
  await mustBeIdle(soak, round);
  return {
    wallMs,
    cpuMs: (user + system) / 1e3,
    originCpuMs: theirsAfter.runMs - theirs.runMs,
    // The thread of a worker that died takes its share with it.
    waitMs: Math.max(0, oursAfter.waitMs - ours.waitMs) + theirsAfter.waitMs - theirs.waitMs,
    referenceMs: Math.min(reference, referenceMs()),
    items: ledger.items - before.items,
    bytes: ledger.bytes - before.bytes,
    requests: after.requests - before.origin.requests,
    retries: ledger.retries - before.retries,
  };
}

/** @param {Soak} soak @param {number} round */
async function mustBeIdle({ runtime, ledger, signal }, round) {
  const { arena, streams } = await runtime.stats();
  const { usedBytes, chargedBytes, quarantinedBytes, extents, peakBytes, budgetBytes } = arena;
  ledger.expect(
    streams === 0 && usedBytes === 0 && chargedBytes === 0 && quarantinedBytes === 0 && extents === 0,
    () => `round ${round}: ${streams} streams are left, and of the arena ${JSON.stringify(arena)}`,
  );
  ledger.expect(
    peakBytes <= budgetBytes,
    () => `round ${round}: ${peakBytes} bytes in use, over the budget of ${budgetBytes}`,
  );
  const listeners = getEventListeners(signal, 'abort').length;
  ledger.expect(listeners === 0, () => `round ${round}: ${listeners} listeners are left on a signal`);
}
