/**
 * What crosses threads, and the pure cores beneath it: errors, packed tables and key pages arrive as they were sent;
 * checksums, near ranges, retries and the cursor agree with a plain way of doing the same.
 */
import * as fc from 'fast-check';
import { CursorTrack } from '../../../dist/actors/supervisor/cursor.js';
import { newRetryState, nextStep, RETRY_AFTER_CAP_MS } from '../../../dist/actors/worker/retry.js';
import { planCoalesced } from '../../../dist/loader/coalesce.js';
import { combineCrc } from '../../../dist/protocol/checksums/combine.js';
import { crcOf } from '../../../dist/protocol/checksums/crc.js';
import { digestOf, startChecksum } from '../../../dist/protocol/checksums/digest.js';
import {
  foldingCrc32c,
  foldingCrc64Nvme,
  nativeCrc32c,
  slicingCrc32c,
  slicingCrc64Nvme,
} from '../../../dist/protocol/checksums/engines.js';
import { asMillraceError, ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { createKeyPageBuilder } from '../../../dist/protocol/key-page.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { TableBuilder } from '../../../dist/protocol/tables.js';
import { attempt, claim, same } from '../lib/claims.mjs';

const codes = fc.constantFrom(...Object.values(ErrorCode));
const context = fc.record(
  {
    phase: fc.constantFrom('configure', 'head', 'body', 'write'),
    uri: fc.string({ unit: 'binary', maxLength: 20 }),
    range: fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()),
    attempt: fc.nat(),
    status: fc.nat(999),
    serviceCode: fc.string(),
    requestId: fc.string(),
    worker: fc.string(),
    retryable: fc.boolean(),
  },
  { requiredKeys: [] },
);

const boom = () => {
  throw new TypeError('boom');
};
/** What user code throws, on a bad day. Made anew each time: some of it is written to. */
const THROWN = [
  () => null,
  () => undefined,
  () => 0,
  () => 'text',
  () => 5n,
  () => Symbol('s'),
  () => ({}),
  () => Object.create(null),
  () => new Error('plain'),
  () => new TypeError('typed', { cause: new Error('below') }),
  () => Object.assign(new Error('coded'), { code: 'ECONNRESET' }),
  () => Object.assign(new Error('odd code'), { code: () => 1 }),
  () => Object.assign(new Error('x'), { message: () => 1 }),
  () => Object.assign(new Error('x'), { message: Symbol('m') }),
  () => Object.assign(new Error('x'), { name: { deep: boom } }),
  () => Object.assign(new Error('x'), { message: Object.create(null) }),
  () => Object.assign(new Error('x'), { stack: 5 }),
  () => Object.defineProperty(new Error('x'), 'message', { get: boom }),
  () => Object.defineProperty(new Error('x'), 'cause', { get: boom }),
  () => Object.defineProperty(new Error('x'), 'code', { get: boom }),
  () => ({ toString: boom }),
  () => ({
    get code() {
      return boom();
    },
  }),
  () => new Proxy(new Error('proxied'), {}),
  () => new Proxy({}, { get: boom, has: boom }),
  () => new AggregateError([new Error('a')], 'many'),
  () => () => 1,
  () => {
    const error = new Error('round');
    error.cause = error;
    return error;
  },
  () => {
    let error = new Error('deepest');
    for (let i = 0; i < 40; i += 1) error = new Error(`level ${i}`, { cause: error });
    return error;
  },
  () => new DOMException('aborted', 'AbortError'),
  () => Object.setPrototypeOf(new Error('bare'), null),
  () => [1, 2],
  () => new Date(Number.NaN),
  () => Object.freeze(new Error('frozen')),
];
const thrown = fc
  .nat(THROWN.length - 1)
  .map((at) => ({ make: /** @type {() => unknown} */ (THROWN[at]), at }));

const errors = claim(
  'an error crosses threads whole',
  fc.tuple(codes, fc.string({ unit: 'binary' }), fc.array(context, { minLength: 1, maxLength: 5 })),
  ([code, message, contexts]) => {
    const sent = contexts.reduce(
      (/** @type {MillraceError | undefined} */ cause, each) =>
        new MillraceError(
          code,
          message,
          /** @type {any} */ ({ ...each, ...(cause === undefined ? {} : { cause }) }),
        ),
      undefined,
    );
    const wire = /** @type {MillraceError} */ (sent).toWire();
    const got = MillraceError.fromWire(structuredClone(wire));
    if (JSON.stringify(got.toWire()) !== JSON.stringify(wire))
      return `it arrives as ${JSON.stringify(got.toWire())}`;
    return got instanceof MillraceError && got.retryable === sent?.retryable
      ? null
      : 'another class, or another verdict';
  },
);

const anything = claim(
  'whatever is thrown becomes an error that crosses threads',
  fc.tuple(thrown, codes, context, fc.boolean()),
  ([{ make, at }, code, about, isCause]) => {
    const error = isCause
      ? new MillraceError(code, 'with a cause', /** @type {any} */ ({ ...about, cause: make() }))
      : asMillraceError(make(), code, /** @type {any} */ (about));
    if (typeof error.message !== 'string') return `the message of ${at} is no text`;
    const got = MillraceError.fromWire(structuredClone(error.toWire()));
    return got.code === error.code && got.message === error.message
      ? null
      : `${at} arrives as ${got.code}: ${got.message}`;
  },
);

const row = fc.tuple(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fc.double({ noNaN: true }), { minLength: 5, maxLength: 5 }),
);
const tables = claim(
  'a packed table has the rows that were put into it, the second time too',
  fc.array(fc.array(row, { maxLength: 20 }), { minLength: 1, maxLength: 3 }),
  (batches) => {
    const builder = new TableBuilder(5, 1, 1);
    for (const rows of batches) {
      const starts = rows.map(([bytes, text, cells]) => {
        const base = builder.addRow();
        cells.forEach((cell, i) => i < 4 && builder.set(base + i, cell));
        const start = builder.addBytes(bytes);
        builder.addText(text);
        return [start, builder.blobLength];
      });
      const table = builder.take();
      if (table.count !== rows.length || table.cells.length !== rows.length * 5)
        return 'another number of rows';
      for (const [at, [bytes, text, cells]] of rows.entries()) {
        const [start = 0, end = 0] = starts[at] ?? [];
        if (!same(table.blob.subarray(start, start + bytes.length), bytes)) return 'other bytes';
        if (!same(table.blob.subarray(start + bytes.length, end), Buffer.from(text, 'utf8')))
          return 'another text';
        for (let i = 0; i < 5; i += 1)
          if (!Object.is(table.cells[at * 5 + i], i < 4 ? cells[i] : 0)) return `cell ${i}`;
      }
    }
    return null;
  },
);

const keyRow = fc.tuple(
  fc.uint8Array({ maxLength: 2000 }),
  fc.maxSafeNat(),
  fc.option(fc.string({ unit: 'binary', minLength: 1, maxLength: 900, size: 'max' }), { nil: null }),
  fc.option(fc.nat(), { nil: null }),
);
const pages = claim(
  'a key page has the rows that were put into it',
  fc.array(keyRow, { maxLength: 30 }),
  (rows) => {
    const builder = createKeyPageBuilder();
    for (const [key, size, version, modified] of rows) builder.add(key, size, version, modified);
    const page = builder.finish(['p'], null);
    if (page.count !== rows.length) return 'another number of rows';
    for (const [at, [key, size, version, modified]] of rows.entries()) {
      if (!same(page.keys.subarray(page.keyEnds[at - 1] ?? 0, page.keyEnds[at]), key)) return `key ${at}`;
      if (
        !same(
          page.versions.subarray(page.versionEnds[at - 1] ?? 0, page.versionEnds[at]),
          Buffer.from(version ?? ''),
        )
      )
        return `version ${at}`;
      if (page.sizes[at] !== size || !Object.is(page.modified[at], modified ?? Number.NaN))
        return `numbers ${at}`;
    }
    return page.keys.buffer.byteLength === page.keys.length ? null : 'slack goes with it';
  },
);

/** The reversed polynomials, and a CRC as a textbook has it: bit by bit. */
const POLYNOMIALS = { crc32: 0xedb88320n, crc32c: 0x82f63b78n, crc64nvme: 0x9a6c9329ac4bc9b5n };
/** @param {keyof typeof POLYNOMIALS} algorithm @param {Uint8Array} bytes */
function plainCrc(algorithm, bytes) {
  const mask = algorithm === 'crc64nvme' ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  let register = mask;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1)
      register = (register >> 1n) ^ (register & 1n ? POLYNOMIALS[algorithm] : 0n);
  }
  return register ^ mask;
}
const CRCS = /** @type {(keyof typeof POLYNOMIALS)[]} */ (Object.keys(POLYNOMIALS));
const ENGINES = { native: nativeCrc32c(), folding: foldingCrc32c(), slicing: slicingCrc32c() };
const ENGINES_64 = { folding: foldingCrc64Nvme(), slicing: slicingCrc64Nvme() };

const checksums = claim(
  'a CRC is that of the textbook, in pieces, by each engine, and combined',
  fc.tuple(
    fc.constantFrom(...CRCS),
    fc.uint8Array({ maxLength: 160 }),
    fc.array(fc.nat(160), { maxLength: 4 }),
  ),
  ([algorithm, bytes, places]) => {
    const expected = plainCrc(algorithm, bytes);
    const got = BigInt(/** @type {any} */ (crcOf(algorithm, bytes)));
    if (got !== expected) return `${algorithm} is ${got}`;
    const cuts = [
      0,
      ...places.map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b),
      bytes.length,
    ];
    const running = startChecksum(algorithm);
    let combined = /** @type {any} */ (algorithm === 'crc64nvme' ? 0n : 0);
    for (let i = 1; i < cuts.length; i += 1) {
      const piece = bytes.subarray(cuts[i - 1], cuts[i]);
      running.update(piece);
      combined = combineCrc(algorithm, combined, /** @type {any} */ (crcOf(algorithm, piece)), piece.length);
    }
    if (!same(running.digest(), digestOf(algorithm, bytes))) return `${algorithm} in pieces`;
    return BigInt(combined) === expected ? null : `${algorithm} combined is ${combined}`;
  },
);

const long = claim(
  'the engines of a CRC agree on long and odd pieces',
  fc.tuple(fc.nat(3000), fc.nat(64), fc.nat(), fc.nat(0xffff_ffff)),
  ([length, offset, salt, before]) => {
    const all = new Uint8Array(length + offset);
    for (let i = 0; i < all.length; i += 1) all[i] = Math.imul(i + salt, 0x9e3779b1) >>> 24;
    const bytes = all.subarray(offset);
    const expected = ENGINES.slicing(bytes, before);
    for (const [name, engine] of Object.entries(ENGINES))
      if (engine !== null && engine(bytes, before) !== expected) return `crc32c, ${name}`;
    const expected64 = ENGINES_64.slicing(bytes, BigInt(before));
    for (const [name, engine] of Object.entries(ENGINES_64))
      if (engine !== null && engine(bytes, BigInt(before)) !== expected64) return `crc64nvme, ${name}`;
    return null;
  },
);

const form = fc.oneof(
  fc.record({ start: fc.nat(300), length: fc.integer({ min: 1, max: 80 }) }),
  fc.record({ start: fc.nat(300), length: fc.constant(-1) }),
  fc.record({ start: fc.integer({ min: -80, max: -1 }), length: fc.constant(-1) }),
);
const coalescing = claim(
  'reads cover every range once, and no more than may be',
  fc.tuple(fc.array(form, { minLength: 1, maxLength: 12 }), fc.nat(320), fc.nat(40), fc.nat(120)),
  ([forms, size, coalesceBytes, maxCoalescedBytes]) => {
    const got = attempt(
      () => planCoalesced(forms, size, { coalesceBytes, maxCoalescedBytes }),
      ['RangeRejected'],
    );
    const outside = forms.some(({ start }) => start > 0 && start >= size);
    if ('refusal' in got) return outside ? null : got.refusal.message;
    if (outside) return 'a range behind the end';
    const { reads, places, gapBytes } = got.value;
    let wanted = 0;
    const need = new Uint8Array(size);
    for (const [at, { start, length }] of forms.entries()) {
      const first = start < 0 ? Math.max(0, size + start) : start;
      const bytes = Math.min(length < 0 ? Infinity : length, size - first);
      need.fill(1, first, first + bytes);
      const place = places[at];
      const read = reads[place?.read ?? -1];
      if (place === undefined || read === undefined) return `range ${at} has no place`;
      if (read.start + place.offset !== first || place.length !== bytes || place.offset + bytes > read.length)
        return `range ${at} is elsewhere`;
    }
    let end = -1;
    let read = 0;
    for (const each of reads) {
      if (each.start < end || each.start + each.length > size)
        return 'reads that overlap, or reach beyond the end';
      end = each.start + each.length;
      read += each.length;
    }
    for (const byte of need) wanted += byte;
    return read - wanted === gapBytes ? null : `${gapBytes} bytes of gaps, ${read - wanted} were read`;
  },
);

const outcomes = fc.constantFrom(...Object.values(Outcome));
const retries = claim(
  'attempts at one job come to an end, and no wait is longer than allowed',
  fc.tuple(
    fc.integer({ min: 1, max: 20 }),
    fc.array(fc.tuple(outcomes, fc.oneof(fc.constant(0), fc.double({ min: 0, noNaN: true })), fc.boolean()), {
      minLength: 1,
      maxLength: 30,
    }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  ),
  ([maxAttempts, script, luck]) => {
    const state = newRetryState(maxAttempts);
    for (let step = 0; step < 64 + maxAttempts + 8; step += 1) {
      const [outcome, retryAfterMs, hasBudget] = /** @type {typeof script[number]} */ (
        script[step % script.length]
      );
      const next = nextStep(
        state,
        { outcome, error: null, retryAfterMs },
        { nowMs: step, random: () => luck, spend: () => hasBudget },
      );
      if (next.kind === 'fail')
        return next.error instanceof MillraceError && next.error.attempt === state.attempts
          ? null
          : 'an end without its error';
      if (next.kind === 'again' && !(next.delayMs >= 0 && next.delayMs <= RETRY_AFTER_CAP_MS))
        return `a wait of ${next.delayMs} ms`;
    }
    return 'it goes on for ever';
  },
);

const cursor = claim(
  'the cursor is behind what was acknowledged without a gap',
  fc.tuple(
    fc.integer({ min: 1, max: 12 }),
    fc.array(fc.tuple(fc.nat(11), fc.nat(2)), { maxLength: 40 }),
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 12, maxLength: 12 }),
  ),
  ([count, order, items]) => {
    const track = new CursorTrack();
    /** Items of each object that are acknowledged; an object of no items is settled by itself. */
    const done = Array.from({ length: count }, () => new Set());
    const settled = new Set();
    const position = () => {
      let objects = 0;
      while (objects < count && settled.has(objects)) objects += 1;
      return objects;
    };
    for (const [at, nth] of order) {
      const sequence = at % count;
      const total = items[sequence] ?? 0;
      if (settled.has(sequence)) continue;
      if (total === 0) {
        track.settle(sequence);
        settled.add(sequence);
      } else {
        const index = nth % total;
        if (done[sequence]?.has(index)) continue;
        done[sequence]?.add(index);
        track.acknowledge({ sequence, index, last: index === total - 1 });
        if (done[sequence]?.size === total) settled.add(sequence);
      }
      const objects = position();
      let first = 0;
      while (objects < count && done[objects]?.has(first)) first += 1;
      const { value } = track;
      if (value.objects !== objects || value.items !== (objects < count ? first : 0))
        return `at ${value.objects}.${value.items}, expected ${objects}.${first}`;
    }
    return null;
  },
);

/** @type {import('../lib/claims.mjs').Claim<any>[]} */
export const wire = [errors, anything, tables, pages, checksums, long, coalescing, retries, cursor];
