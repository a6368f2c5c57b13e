/** Writes, and reads of what was written: by one request and in parts, copied, refused where they must be, deleted. */
import { MillraceError } from 'millrace';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { SCRATCH_BUCKET } from '../objects.mjs';
import { between, isLive, mustFail } from './kit.mjs';

/** @typedef {import('./kit.mjs').Work} Work */

const MIB = 2 ** 20;
const STREAM_BYTES = 11 * MIB;
/** What S3 has parts be at least. */
const PART_BYTES = 5 * MIB;
const CHUNK_BYTES = 700_001;
/** Everything that is written is a piece of this; the seed says which. Made once: the soak must not grow by its own buffers. */
const SOURCE_KEY = 'source';
const SOURCE = patternBytes(objectIdOf(SOURCE_KEY), STREAM_BYTES + MIB);

/** @param {Work} work */
export async function writes(work) {
  const { runtime, ledger, random, token, slot } = work;
  const base = `s3://${SCRATCH_BUCKET}/${slot}/`;
  for (let i = 0; i < 4; i += 1) await putAndGet(work, `${base}small/${i}`, between(random, 0, 70_000));
  await streamAndGet(work, `${base}stream`);
  const copied = await runtime.copy(`${base}stream`, `${base}copy`, { token });
  ledger.expect(copied.size === STREAM_BYTES, () => `writes: the copy has ${copied.size} bytes`);
  await mustFail(work, 'written twice', ['AlreadyExists'], () =>
    runtime.put(`${base}copy`, 'x', { token, ifAbsent: true }),
  );
  await runtime.delete(`${base}stream`, { token });
  await mustFail(work, 'deleted', ['NotFound'], () => runtime.head(`${base}stream`, { token }));
  await givenUp(work, `${base}half`);
  await swept(work, base);
}

/** @param {Work} work @param {string} uri @param {number} size */
async function putAndGet({ runtime, ledger, random, token }, uri, size) {
  const offset = between(random, 0, MIB);
  await runtime.put(uri, SOURCE.subarray(offset, offset + size), { token });
  const result = await runtime.get(uri, { token });
  ledger.take(SOURCE_KEY, result.bytes, size, offset);
  result.release();
}

/** @param {number} offset @param {number} [failAt] */
function* chunksFrom(offset, failAt = Infinity) {
  for (let at = 0; at < STREAM_BYTES; at += CHUNK_BYTES) {
    if (at >= failAt) throw new Error('the source of the stream ended early');
    yield SOURCE.subarray(offset + at, offset + Math.min(at + CHUNK_BYTES, STREAM_BYTES));
  }
}

/** @param {Work} work @param {string} uri */
async function streamAndGet({ runtime, ledger, random, token }, uri) {
  const offset = between(random, 0, MIB);
  await runtime.putStream(uri, chunksFrom(offset), { token, partBytes: PART_BYTES, maxPartsInFlight: 2 });
  const result = await runtime.get(uri, { token });
  ledger.take(SOURCE_KEY, result.bytes, STREAM_BYTES, offset);
  result.release();
}

/** A source that throws: nothing becomes visible. @param {Work} work @param {string} uri */
async function givenUp(work, uri) {
  const { runtime, token } = work;
  const options = { token, partBytes: PART_BYTES, maxPartsInFlight: 2 };
  await mustFail(work, 'given up', ['InvalidArgument'], () =>
    runtime.putStream(uri, chunksFrom(0, 8 * MIB), options),
  );
  await mustFail(work, 'given up, head', ['NotFound'], () => runtime.head(uri, { token }));
}

/** Everything below the prefix goes, and no part of an upload stays. @param {Work} work @param {string} base */
async function swept(work, base) {
  const { runtime, ledger, token } = work;
  for await (const { uri, action, error } of runtime.deletePrefix(base, { token }))
    ledger.expect(
      action === 'deleted',
      () => `swept: ${uri} ${action}: ${error instanceof MillraceError ? error.message : ''}`,
    );
  let left = 0;
  for await (const _ of runtime.uploads(base, { token })) left += 1;
  if (isLive(work)) ledger.expect(left === 0, () => `swept: ${left} uploads are left below ${base}`);
}
