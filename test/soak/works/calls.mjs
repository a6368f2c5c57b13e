/** One object at a time: get, getRange, getRanges, head, list; and calls that are refused. */
import { ObjectDataset } from 'millrace';
import {
  FORBIDDEN_ONES,
  LARGE,
  MIDDLE,
  SCRATCH_BUCKET,
  SMALL,
  keyOf,
  numberOf,
  sizeOf,
  uriOf,
} from '../objects.mjs';
import { between, isLive, mustFail } from './kit.mjs';

/** @typedef {import('./kit.mjs').Work} Work */

const GETS = 24;
const RANGES = 8;
const HEADS = 8;
const MISSING_EVERY = 8;
const NAMED = 64;

/** @param {Work} work */
export async function calls(work) {
  const { random } = work;
  for (let i = 0; i < GETS; i += 1) await get(work, SMALL, between(random, 0, SMALL.count - 1));
  await get(work, MIDDLE, between(random, 0, MIDDLE.count - 1));
  for (let i = 0; i < RANGES; i += 1) await getRange(work, i % 2 === 0 ? LARGE : MIDDLE);
  await getRanges(work);
  await Promise.all(
    Array.from({ length: HEADS }, () => head(work, SMALL, between(random, 0, SMALL.count - 1))),
  );
  await list(work);
}

/** @param {Work} work @param {import('../objects.mjs').Family} family @param {number} i */
async function get({ runtime, ledger, token }, family, i) {
  const key = keyOf(family, i);
  const result = await runtime.get(uriOf(key), { token });
  ledger.take(key, result.bytes, sizeOf(family, i));
  result.release();
}

/** @param {Work} work @param {import('../objects.mjs').Family} family */
async function getRange({ runtime, ledger, random, token }, family) {
  const i = between(random, 0, family.count - 1);
  const key = keyOf(family, i);
  const size = sizeOf(family, i);
  const start = between(random, 0, size - 1);
  const length = Math.min(size - start, between(random, 1, 300_000));
  const result = await runtime.getRange(uriOf(key), { start, length }, { token });
  ledger.take(key, result.bytes, length, start);
  result.release();
}

/** @param {Work} work */
async function getRanges({ runtime, ledger, random, token }) {
  const i = between(random, 0, LARGE.count - 1);
  const key = keyOf(LARGE, i);
  const ranges = Array.from({ length: 12 }, () => ({
    start: between(random, 0, sizeOf(LARGE, i) - 20_000),
    length: between(random, 1, 20_000),
  }));
  const result = await runtime.getRanges(uriOf(key), ranges, { token, coalesceBytes: 65_536 });
  for (const [r, { start, length }] of ranges.entries())
    ledger.take(key, result.ranges[r].bytes, length, start);
  result.release();
}

/** @param {Work} work @param {import('../objects.mjs').Family} family @param {number} i */
async function head({ runtime, ledger, token }, family, i) {
  const { size } = await runtime.head(uriOf(keyOf(family, i)), { token });
  ledger.expect(size === sizeOf(family, i), () => `head: ${keyOf(family, i)} has ${size} bytes`);
}

/** @param {Work} work */
async function list({ runtime, ledger, token }) {
  let rows = 0;
  for await (const entry of runtime.list(uriOf(MIDDLE.prefix), { token })) {
    if (entry.kind !== 'object') continue;
    ledger.expect(entry.key === keyOf(MIDDLE, rows), () => `list: ${entry.key} is row ${rows}`);
    rows += 1;
  }
  ledger.expect(rows === MIDDLE.count, () => `list: ${rows} rows`);
}

/** What a service says no to, and what cannot work: a code each, and nothing else is hurt. @param {Work} work */
export async function refused(work) {
  const { runtime, token } = work;
  const missing = uriOf('missing/one');
  const denied = uriOf(keyOf(FORBIDDEN_ONES, 1));
  const small = uriOf(keyOf(SMALL, 0));
  await mustFail(work, 'missing', ['NotFound'], () => runtime.get(missing, { token }));
  await mustFail(work, 'missing head', ['NotFound'], () => runtime.head(missing, { token }));
  await mustFail(work, 'forbidden', ['AccessDenied'], () => runtime.get(denied, { token }));
  await mustFail(work, 'behind the end', ['RangeRejected'], () =>
    runtime.getRange(small, { start: 1_000_000 }, { token }),
  );
  await mustFail(work, 'another version', ['VersionChanged'], () =>
    runtime.get(small, { token, version: '"0"' }),
  );
  await mustFail(work, 'no bucket', ['NotFound'], () => runtime.get('s3://nowhere/one', { token }));
  await mustFail(work, 'copy of nothing', ['NotFound'], () =>
    runtime.copy(missing, `s3://${SCRATCH_BUCKET}/never`, { token }),
  );
  await skipped(work);
}

/** A load over objects of which some are missing, and which leaves those out. @param {Work} work */
async function skipped(work) {
  const { runtime, ledger, token } = work;
  const uris = Array.from({ length: NAMED }, (_, i) =>
    uriOf(i % MISSING_EVERY === 0 ? `missing/${i}` : keyOf(SMALL, i)),
  );
  const loader = runtime.loader(ObjectDataset.fromUris(uris), { token, onError: 'skip', batchSize: 10 });
  for await (const batch of loader) {
    for (const item of batch) ledger.take(item.key, item.bytes, sizeOf(SMALL, numberOf(item.key)));
  }
  ledger.addsUp('skipped', loader.report);
  const failed = loader.report?.failed;
  if (isLive(work))
    ledger.expect(failed === NAMED / MISSING_EVERY, () => `skipped: ${failed} failed: not as many as lack`);
}
