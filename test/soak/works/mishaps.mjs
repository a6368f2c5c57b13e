/** A worker that dies, credentials that expire, connections that the server closes. */
import { ObjectDataset } from 'millrace';
import { Ledger } from '../ledger.mjs';
import { IDLE_CLOSED } from '../faults.mjs';
import { SMALL, keyOf, uriOf } from '../objects.mjs';
import { between, createRoll, isLive, takeItem } from './kit.mjs';

/** @typedef {import('./kit.mjs').Work} Work */

const DEADLY = new URL('../../e2e/modules/deadly.mjs', import.meta.url);
/** Ways to die that `deadly.mjs` knows; a full heap is left out, since it takes seconds of everybody's CPU. */
const WAYS = ['throw', 'reject', 'exit', 'late'];
const OBJECTS = 128;
/** The first two words of `deadly.mjs` are its counters, the others the visits of each object. */
const WORDS = 2 + SMALL.count;

/** @param {Work} work */
export async function crash(work) {
  const { runtime, ledger, random, token } = work;
  const words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const kills = new Map([[between(random, 1, OBJECTS), WAYS[between(random, 0, WAYS.length - 1)]]]);
  const uris = Array.from({ length: OBJECTS }, (_, i) => uriOf(keyOf(SMALL, i)));
  const loader = runtime.loader(ObjectDataset.fromUris(uris), {
    token,
    batchSize: 16,
    transform: { url: DEADLY, options: { words, kills, poison: null } },
  });
  const roll = createRoll(SMALL, ledger, 'crash');
  for await (const batch of loader) {
    for (const item of batch) {
      takeItem(work, SMALL, item);
      roll.mark(item.key);
    }
  }
  ledger.addsUp('crash', loader.report);
  if (isLive(work)) ledger.expect(roll.count === OBJECTS, () => `crash: ${roll.count} objects came`);
}

/** New credentials are there, and the old ones expire under whoever signs with them. @param {Work} work */
export function rotation({ rotate }) {
  return rotate();
}

/** The server closes what idles, by turns with FIN and RST, while requests are under way. @param {Work} work */
export async function closing({ origin, faults, round }) {
  Ledger.count(faults, IDLE_CLOSED, await origin.closeIdle(round % 2 === 0 ? 'reset' : undefined));
}
