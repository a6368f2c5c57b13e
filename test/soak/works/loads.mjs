/** Loaders that go to their end: in order, shuffled, as they come, in parts, transformed, with batches that are kept. */
import { crc32 } from 'node:zlib';
import { ObjectDataset } from 'millrace';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { LARGE, MIDDLE, PART_BYTES, SMALL, keyOf, numberOf, sizeOf, uriOf } from '../objects.mjs';
import { SMALL_DATASET, SMALL_MAP, between, createRoll, isLive, takeItem, wholeEpoch } from './kit.mjs';

/** @typedef {import('./kit.mjs').Work} Work */

const DIGEST = new URL('../transforms/digest.mjs', import.meta.url);
const RETAINED_BATCHES = 4;

/** @param {Work} work */
export function prefix(work) {
  return wholeEpoch(work, 'prefix', SMALL, SMALL_DATASET, { batchSize: between(work.random, 16, 128) });
}

/** @param {Work} work */
export function shuffled(work) {
  const seed = between(work.random, 0, 2 ** 31);
  return wholeEpoch(work, 'shuffled', SMALL, SMALL_MAP, { shuffle: true, seed });
}

/** @param {Work} work */
export function completion(work) {
  const shuffle = { buffer: between(work.random, 2, 300) };
  return wholeEpoch(work, 'completion', SMALL, SMALL_DATASET, { order: 'completion', shuffle });
}

/** @param {Work} work */
export function middle(work) {
  return wholeEpoch(work, 'middle', MIDDLE, ObjectDataset.fromPrefix(uriOf(MIDDLE.prefix)), { batchSize: 8 });
}

/** @param {Work} work */
export function large(work) {
  const ranges = { partBytes: PART_BYTES, splitThreshold: PART_BYTES, maxPerObject: 8 };
  return wholeEpoch(work, 'large', LARGE, ObjectDataset.fromPrefix(uriOf(LARGE.prefix)), {
    batchSize: 1,
    prefetchBatches: 1,
    ranges,
  });
}

/** Half of the batches are kept while others come, and looked at again when they go back, in another order. @param {Work} work */
export async function retained(work) {
  const { runtime, ledger, random, token } = work;
  const loader = runtime.loader(SMALL_DATASET, { token, batchSize: 50 });
  const roll = createRoll(SMALL, ledger, 'retained');
  /** @type {import('millrace').Batch[]} */
  const kept = [];
  const giveBack = () => {
    const [batch] = kept.splice(between(random, 0, kept.length - 1), 1);
    for (const item of batch) takeItem(work, SMALL, item);
    batch.release();
  };
  try {
    for await (const batch of loader) {
      for (const item of batch) roll.mark(item.key);
      if (random() < 0.5) kept.push(batch.retain());
      else for (const item of batch) takeItem(work, SMALL, item);
      if (kept.length > RETAINED_BATCHES) giveBack();
    }
  } finally {
    while (kept.length > 0) giveBack();
  }
  ledger.addsUp('retained', loader.report);
  if (isLive(work)) ledger.expect(roll.count === SMALL.count, () => `retained: ${roll.count} objects came`);
}

/** What `transforms/digest.mjs` makes of each object, by its number modulo 8; computed once. */
const CRCS = Array.from({ length: SMALL.count }, (_, i) =>
  i % 2 === 1 ? crc32(patternBytes(objectIdOf(keyOf(SMALL, i)), sizeOf(SMALL, i))) : 0,
);
const FILTERED = Math.ceil(SMALL.count / 8);

/** @param {Work} work @param {import('millrace').Item} item */
function takeTransformed({ ledger }, item) {
  const number = numberOf(item.key);
  const size = sizeOf(SMALL, number);
  const half = size >>> 1;
  if (number % 8 === 2) {
    const [length, offset] = item.index === 0 ? [half, 0] : [size - half, half];
    ledger.take(item.key, item.bytes, length, offset);
  } else if (number % 8 === 4) ledger.take(item.key, item.bytes, half);
  else if (number % 8 === 6) ledger.take(item.key, item.bytes, size);
  else {
    const { key, length, crc } = /** @type {{key: string, length: number, crc: number}} */ (item.value);
    ledger.items += 1;
    ledger.expect(
      key === item.key && length === size && crc === CRCS[number],
      () => `transformed: ${item.key} became ${JSON.stringify(item.value)}`,
    );
  }
}

/** @param {Work} work */
export async function transformed(work) {
  const { runtime, ledger, token } = work;
  const loader = runtime.loader(SMALL_DATASET, { token, transform: DIGEST, batchSize: 64 });
  for await (const batch of loader) for (const item of batch) takeTransformed(work, item);
  ledger.addsUp('transformed', loader.report);
  const { filtered, delivered } = loader.report ?? {};
  if (isLive(work))
    ledger.expect(
      filtered === FILTERED && delivered === SMALL.count - FILTERED,
      () => `transformed: ${delivered} delivered and ${filtered} filtered`,
    );
}
