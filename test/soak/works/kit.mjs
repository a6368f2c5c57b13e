/** What the works share: an epoch gone through with every item looked at, and errors that are meant to come. */
import { ErrorCode, MillraceError, ObjectDataset } from 'millrace';
import { Ledger } from '../ledger.mjs';
import { SMALL, keyOf, numberOf, sizeOf, uriOf } from '../objects.mjs';

/**
 * @typedef {{
 *   runtime: import('millrace').Runtime, origin: import('../../../dist/testing/index.js').Origin, ledger: Ledger,
 *   faults: Map<string, number>, token: import('millrace').CancellationToken, signal: AbortSignal,
 *   rotate: () => Promise<void>, random: () => number, round: number, slot: number,
 * }} Work what a work is given: `token` is the round's, `signal` lives as long as the run, `random` and `slot` are its own
 */

/** What a call may end with because the soak was told to stop. @type {Set<string>} */
export const STOPS = new Set([ErrorCode.Draining, ErrorCode.Cancelled, ErrorCode.DeadlineExceeded]);

/** Whether the round goes on: what is cut short by a stop of the soak is not expected to be complete. @param {Work} work */
export function isLive({ token }) {
  return token.state === 0;
}

export const SMALL_DATASET = ObjectDataset.fromPrefix(uriOf(SMALL.prefix));
/** Small objects by number. */
export const SMALL_MAP = { length: SMALL.count, at: (/** @type {number} */ i) => uriOf(keyOf(SMALL, i)) };

/** @param {() => number} random @param {number} from @param {number} to a whole number in [from, to] */
export function between(random, from, to) {
  return from + Math.floor(random() * (to - from + 1));
}

/**
 * Marks the objects of a family as they come. @param {import('../objects.mjs').Family} family @param {Ledger} ledger
 * @param {string} name
 */
export function createRoll(family, ledger, name) {
  const seen = new Uint8Array(family.count);
  let count = 0;
  return {
    get count() {
      return count;
    },
    /** @param {string} key */
    mark(key) {
      const i = numberOf(key);
      ledger.expect(seen[i] === 0, () => `${name}: ${key} came twice`);
      seen[i] = 1;
      count += 1;
    },
  };
}

/** @param {Work} work @param {import('../objects.mjs').Family} family @param {import('millrace').Item} item */
export function takeItem({ ledger }, family, item) {
  ledger.take(item.key, item.bytes, sizeOf(family, numberOf(item.key)));
}

/**
 * One epoch to its end: every object once, with its own bytes, and a record that says so.
 * @param {Work} work @param {string} name @param {import('../objects.mjs').Family} family
 * @param {import('millrace').DatasetLike} dataset @param {import('millrace').LoaderOptions} options
 */
export async function wholeEpoch(work, name, family, dataset, options) {
  const { runtime, ledger, token } = work;
  const loader = runtime.loader(dataset, { token, ...options });
  const roll = createRoll(family, ledger, name);
  for await (const batch of loader) {
    for (const item of batch) {
      takeItem(work, family, item);
      roll.mark(item.key);
    }
  }
  ledger.addsUp(name, loader.report);
  if (!isLive(work)) return;
  const delivered = loader.report?.delivered;
  ledger.expect(
    roll.count === family.count && delivered === family.count,
    () => `${name}: ${roll.count} objects came and ${delivered} are reported, of ${family.count}`,
  );
}

/**
 * A call that is to fail, with one of these codes.
 * @param {Work} work @param {string} name @param {readonly string[]} codes @param {() => Promise<unknown>} call
 */
export async function mustFail(work, name, codes, call) {
  const { ledger } = work;
  try {
    await call();
    if (isLive(work)) ledger.fail(`${name}: nothing was wrong, where ${codes.join(' or ')} was to come`);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    if (!isLive(work) && STOPS.has(error.code)) return;
    Ledger.count(ledger.errors, error.code);
    ledger.expect(
      codes.includes(error.code),
      () => `${name}: ${error.code} instead of ${codes.join(' or ')}: ${error.message}`,
    );
  }
}
