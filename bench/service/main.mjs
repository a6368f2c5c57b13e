/**
 * Figures about a service that embeds millrace, rather than about throughput: how soon it begins, how soon it stops, how
 * long its event loop waits, what memory it takes, what keys cost.
 *
 * Each is measured in a process of its own, one after the other; one that fails is named in `missing`, with its reason.
 */
import { spread } from './figures.mjs';
import { LOADS, NETWORK } from './objects.mjs';
import { withOwnOrigin } from './origin.mjs';
import { measure } from './spawn.mjs';

const LIMIT_MS = 90_000;
const BUDGET = '64MiB';
const MILLION = 1_000_000;
const HUNDRED_MILLION = 100_000_000;

/** How much of everything. At least 100 cancels make a 99th percentile; a quick run shows that it works. */
const FULL = {
  coldStarts: 5,
  warmTurns: 30,
  cancels: 200,
  drains: 50,
  loopMs: 5000,
  memoryMs: 6000,
  batches: 400,
};
const QUICK = {
  coldStarts: 1,
  warmTurns: 10,
  cancels: 100,
  drains: 10,
  loopMs: 1500,
  memoryMs: 2000,
  batches: 100,
};

/** @typedef {import('./objects.mjs').Origin} Origin */

/**
 * @param {{quick?: boolean, progress?: (line: string) => void, origin?: Origin}} [options] `progress` is told what is
 *   measured next; without an `origin` one is started, over data written for it
 * @returns {Promise<Record<string, any>>} JSON; the figures are described in docs/benchmarks.md
 */
export async function measureService({ quick = false, progress = () => {}, origin } = {}) {
  const over = (/** @type {Origin} */ found) => measureOver(found, quick, progress);
  return origin === undefined ? await withOwnOrigin(over) : await over(origin);
}

/** @param {Origin} origin @param {boolean} quick @param {(line: string) => void} progress */
async function measureOver(origin, quick, progress) {
  const amount = quick ? QUICK : FULL;
  /** @type {{figure: string, why: string}[]} */
  const missing = [];
  /** @param {string} figure @param {() => Promise<any>} run */
  const attempt = async (figure, run) => {
    progress(`service: ${figure}`);
    try {
      return await run();
    } catch (error) {
      const why = /** @type {Error} */ (error).message;
      progress(`service: ${figure} is left out: ${why}`);
      missing.push({ figure, why });
      return null;
    }
  };
  /** @param {string} figure @param {readonly string[]} loads @param {(load: string) => Promise<any>} run */
  const perLoad = async (figure, loads, run) => {
    /** @type {Record<string, any>} */
    const found = {};
    for (const load of loads) {
      const figures = await attempt(`${figure}, ${load}`, () => run(load));
      if (figures !== null) found[load] = figures;
    }
    return found;
  };
  /** @param {string} script @param {object} given */
  const child = (script, given) => measure(script, { origin, ...given }, { limitMs: LIMIT_MS });

  const firstBatch = await perLoad('time to first batch', NETWORK, (load) =>
    measureFirstBatch(child, load, amount),
  );
  const cancel = await perLoad('cancel', NETWORK, (load) =>
    child('cancel.mjs', { load, turns: amount.cancels, seed: 1 }),
  );
  const drain = await perLoad('drain', NETWORK, (load) =>
    child('drain.mjs', { load, turns: amount.drains, seed: 2 }),
  );
  const eventLoopDelay = await perLoad('event-loop delay', LOADS, (load) =>
    child('loop-delay.mjs', { load, ms: amount.loopMs }),
  );
  const memory = await perLoad('memory', NETWORK, (load) =>
    child('memory.mjs', { load, ms: amount.memoryMs, memoryBudget: BUDGET }),
  );
  const millionKeys = await attempt('an epoch of a million keys', () =>
    child('many-keys.mjs', { keys: MILLION, shuffle: false }),
  );
  if (millionKeys !== null) eventLoopDelay['million-keys'] = millionKeys.eventLoopDelay;
  const hundredMillionKeys = await attempt('100 million keys, shuffled', () =>
    child('many-keys.mjs', { keys: HUNDRED_MILLION, shuffle: true, batches: amount.batches }),
  );
  return { firstBatch, cancel, drain, eventLoopDelay, memory, millionKeys, hundredMillionKeys, missing };
}

/**
 * A runtime is cold once: each cold start is a process of its own.
 * @param {(script: string, given: object) => Promise<any>} child @param {string} load @param {typeof FULL} amount
 */
async function measureFirstBatch(child, load, { coldStarts, warmTurns }) {
  const runs = [];
  for (let start = 0; start < coldStarts; start += 1) {
    runs.push(await child('first-batch.mjs', { load, warmTurns }));
  }
  return {
    coldMs: spread(runs.map(({ coldMs }) => coldMs)),
    warmMs: spread(runs.flatMap(({ warmMs }) => warmMs)),
  };
}
