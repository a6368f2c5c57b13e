import { digestOf } from '../../../dist/protocol/checksums/digest.js';
import { toBase64 } from '../../../dist/protocol/checksums/values.js';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../dist/protocol/http.js';
import { MillraceError, type ErrorCode } from '../../../dist/protocol/errors.js';
import type { ReadAnswer, ReadRequest } from '../../../dist/protocol/store.js';
import { NOW, data, exchange, random, request, utf8 } from './kit.js';

function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  const next = random(length);
  for (let i = 0; i < length; i++) bytes[i] = Math.floor(next() * 256);
  return bytes;
}

function read(
  changes: Partial<ReadRequest>,
  answer: Exchange,
  target: Uint8Array = new Uint8Array(2000),
): ReadAnswer {
  return data().readAnswer(request(changes), answer, target, NOW);
}

const partial = (
  range: string,
  landed: number,
  more: Record<string, string> = {},
  changes: Partial<Exchange> = {},
): Exchange =>
  exchange(
    206,
    { 'content-range': `bytes ${range}`, 'content-length': `${landed}`, etag: '"v1"', ...more },
    { landed, ...changes },
  );
const full = (length: number, more: Record<string, string> = {}, changes: Partial<Exchange> = {}): Exchange =>
  exchange(200, { 'content-length': `${length}`, etag: '"v1"', ...more }, { landed: length, ...changes });
const broken = (code: ErrorCode): MillraceError =>
  new MillraceError(code, 'said the transport', { phase: 'body' });

describe('a read is complete', () => {
  it('when the range came, and tells size and version of the whole object', () => {
    const answer = read({ start: 100, length: 100 }, partial('100-199/1000', 100));
    expect(answer).toEqual({
      outcome: 'complete',
      landed: 100,
      size: 1000,
      version: '"v1"',
      error: null,
      retryAfterMs: 0,
      verified: null,
    });
  });

  it('when the object ends inside the range', () => {
    expect(read({ start: 100, length: 100 }, partial('100-149/150', 50))).toMatchObject({
      outcome: 'complete',
      landed: 50,
      size: 150,
    });
  });

  it('when the whole object has exactly the length that was believed', () => {
    expect(read({ whole: true, length: 100 }, full(100))).toMatchObject({
      outcome: 'complete',
      landed: 100,
      size: 100,
    });
    expect(read({ whole: true, length: 0 }, full(0))).toMatchObject({
      outcome: 'complete',
      landed: 0,
      size: 0,
    });
  });

  it('when a range from the first byte was answered with a whole object that fits', () => {
    expect(read({ length: 100 }, full(40))).toMatchObject({ outcome: 'complete', landed: 40, size: 40 });
  });

  it('when 416 says that the object is empty, which it does for any range of one', () => {
    const empty = { outcome: 'complete', landed: 0, size: 0, error: null };
    const document = '<Error><Code>InvalidRange</Code><ActualObjectSize>0</ActualObjectSize></Error>';
    expect(read({}, exchange(416, {}, { body: utf8(document) }))).toMatchObject(empty);
    expect(read({}, exchange(416, { 'content-range': 'bytes */0', etag: '"e"' }))).toMatchObject({
      ...empty,
      version: '"e"',
    });
  });

  it('when only quotes make the version another one', () => {
    expect(read({ version: 'v1' }, partial('0-99/100', 100))).toMatchObject({ outcome: 'complete' });
  });
});

describe('a read is not complete', () => {
  const cases: [string, Partial<ReadRequest>, Exchange, Partial<ReadAnswer>, ErrorCode][] = [
    [
      'another size than believed',
      { whole: true },
      full(60),
      { outcome: 'size-changed', size: 60, landed: 0 },
      'VersionChanged',
    ],
    [
      'a target larger than the belief does not hide a longer object',
      { whole: true },
      full(160),
      { outcome: 'size-changed', size: 160, landed: 0 },
      'VersionChanged',
    ],
    [
      'an object too long for the target',
      { whole: true },
      full(9000, {}, { outcome: 'too-long', landed: 0 }),
      { outcome: 'size-changed', size: 9000 },
      'VersionChanged',
    ],
    [
      'a shorter object that broke off',
      { whole: true },
      full(60, {}, { outcome: 'interrupted', landed: 20, error: broken('ShortBody') }),
      { outcome: 'size-changed', size: 60, landed: 0 },
      'VersionChanged',
    ],
    [
      'another version though If-Match was sent',
      { version: '"v0"' },
      partial('0-99/100', 100),
      { outcome: 'version-changed', version: '"v1"' },
      'VersionChanged',
    ],
    [
      'another version whose body broke off',
      { version: '"v0"' },
      partial('0-99/100', 100, {}, { outcome: 'interrupted', landed: 9 }),
      { outcome: 'version-changed', landed: 0 },
      'VersionChanged',
    ],
    [
      'a body that broke off',
      {},
      partial('0-99/1000', 100, {}, { outcome: 'interrupted', landed: 30, error: broken('TimedOut') }),
      { outcome: 'interrupted', landed: 30, size: 1000, version: '"v1"' },
      'TimedOut',
    ],
    [
      'a range shorter than it could be',
      { length: 100 },
      partial('0-49/1000', 50),
      { outcome: 'interrupted', landed: 50, size: 1000 },
      'ShortBody',
    ],
    [
      'fewer bytes than the range says',
      {},
      partial('0-99/1000', 60),
      { outcome: 'interrupted', landed: 60 },
      'ShortBody',
    ],
    [
      'another range',
      { start: 10 },
      partial('0-99/1000', 100),
      { outcome: 'refused', landed: 0 },
      'RangeRejected',
    ],
    [
      'a range that is too long',
      { length: 50 },
      partial('0-99/1000', 100),
      { outcome: 'refused', landed: 0 },
      'RangeRejected',
    ],
    ['a 206 without a range', {}, partial('?', 100), { outcome: 'refused' }, 'RangeRejected'],
    [
      'a Content-Range that contradicts itself',
      {},
      partial('0-99/50', 100),
      { outcome: 'refused' },
      'RangeRejected',
    ],
    [
      'a 206 for a whole object',
      { whole: true },
      partial('0-99/100', 100),
      { outcome: 'refused' },
      'ProtocolViolation',
    ],
    [
      'a Range header that was ignored',
      { start: 10 },
      full(1000),
      { outcome: 'refused', landed: 0 },
      'RangeRejected',
    ],
    [
      'a Range header that was ignored for a long object',
      {},
      full(9000, {}, { outcome: 'too-long', landed: 0 }),
      { outcome: 'refused' },
      'RangeRejected',
    ],
    [
      '416 behind the end',
      { start: 500 },
      exchange(416, { 'content-range': 'bytes */400' }),
      { outcome: 'refused', size: 400 },
      'RangeRejected',
    ],
    [
      '416 from the first byte of an object that is not empty',
      {},
      exchange(416, { 'content-range': 'bytes */400' }),
      { outcome: 'refused', size: 400 },
      'RangeRejected',
    ],
    [
      '416 from the first byte of an object whose size is not told',
      {},
      exchange(416),
      { outcome: 'refused', size: -1 },
      'RangeRejected',
    ],
    [
      'no connection',
      {},
      exchange(0, {}, { outcome: 'failed', error: broken('ConnectionFailed') }),
      { outcome: 'transient' },
      'ConnectionFailed',
    ],
    [
      'a dead kept connection',
      {},
      exchange(0, {}, { outcome: 'stale-connection', error: broken('ConnectionFailed') }),
      { outcome: 'stale-connection' },
      'ConnectionFailed',
    ],
    [
      'a head that breaks HTTP',
      {},
      exchange(0, {}, { outcome: 'refused', error: broken('ProtocolViolation') }),
      { outcome: 'transient' },
      'ProtocolViolation',
    ],
    [
      'a range that the transport refused',
      {},
      exchange(206, {}, { outcome: 'refused', error: broken('RangeRejected') }),
      { outcome: 'refused' },
      'RangeRejected',
    ],
    [
      'a refusal whose document broke off',
      {},
      exchange(503, {}, { outcome: 'interrupted', error: broken('ShortBody') }),
      { outcome: 'throttled' },
      'Throttled',
    ],
  ];
  for (const [name, changes, answered, expected, code] of cases) {
    it(`with ${name}`, () => {
      const answer = read(changes, answered);
      expect(answer).toMatchObject(expected);
      expect(answer.error).toMatchObject({ code, uri: 's3://logs/a/key' });
    });
  }

  it('and without an error when it was cancelled', () => {
    expect(read({}, exchange(0, {}, { outcome: 'cancelled', landed: 7 }))).toMatchObject({
      outcome: 'cancelled',
      landed: 7,
      error: null,
    });
  });

  it('and its error tells status, request id and range', () => {
    const answer = read({ start: 10, length: 5 }, full(1000, { 'x-amz-request-id': 'R7' }));
    expect(answer.error).toMatchObject({ status: 200, requestId: 'R7', range: [10, 14], phase: 'head' });
  });
});

describe('verification', () => {
  const bytes = bytesOf(1000);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(bytes));
  const digest = (algorithm: string, encoding: 'hex' | 'base64'): string =>
    createHash(algorithm).update(bytes).digest(encoding);
  const md5 = { etag: `"${digest('md5', 'hex')}"` };
  const wrongMd5 = { etag: `"${'0'.repeat(32)}"` };
  const whole = { whole: true, length: 1000, verify: 'always' as const };
  const verified = (headers: Record<string, string>, changes: Partial<ReadRequest> = {}): ReadAnswer =>
    read({ ...whole, ...changes }, full(1000, headers), bytes);

  const sums: [string, string, string][] = [
    ['x-amz-checksum-crc32', crc.toString('base64'), 'crc32'],
    ['x-amz-checksum-sha1', digest('sha1', 'base64'), 'sha1'],
    ['x-amz-checksum-sha256', digest('sha256', 'base64'), 'sha256'],
    ['etag', md5.etag, 'md5'],
  ];
  for (const [header, right, kind] of sums) {
    it(`accepts the right ${kind} and sends a wrong one back to the start`, () => {
      expect(verified({ [header]: right })).toMatchObject({
        outcome: 'complete',
        landed: 1000,
        verified: kind,
      });
      const wrong =
        header === 'etag' ? wrongMd5.etag : Buffer.from(right, 'base64').fill(1).toString('base64');
      const answer = verified({ [header]: wrong });
      expect(answer).toMatchObject({
        outcome: 'transient',
        landed: 0,
        error: { code: 'ChecksumMismatch', phase: 'verify' },
      });
      expect(answer.error!.message).toContain(kind);
    });
  }

  it('sees one flipped bit', () => {
    bytes[777]! ^= 1;
    expect(verified(md5)).toMatchObject({ outcome: 'transient', landed: 0 });
    bytes[777]! ^= 1;
    expect(verified(md5)).toMatchObject({ outcome: 'complete' });
  });

  it('compares the checksum of an object of several parts, where it is one of all bytes', () => {
    const crc64 = toBase64(digestOf('crc64nvme', bytes));
    const headers = { etag: '"v1-3"', 'x-amz-checksum-type': 'FULL_OBJECT' };
    const right = verified({ ...headers, 'x-amz-checksum-crc64nvme': crc64 }, { verify: 'auto' });
    expect(right).toMatchObject({ outcome: 'complete', verified: 'crc64nvme' });
    const wrong = verified({ ...headers, 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }, { verify: 'auto' });
    expect(wrong).toMatchObject({ outcome: 'transient', landed: 0 });
  });

  it('leaves the costly ones out where only cheap ones are asked for', () => {
    expect(verified(wrongMd5, { verify: 'auto' })).toMatchObject({ outcome: 'complete', verified: null });
  });

  it('looks at nothing when it was not asked for', () => {
    expect(verified(wrongMd5, { verify: 'never' as const })).toMatchObject({ outcome: 'complete' });
  });

  it('compares no checksum of parts, and no ETag that is not an MD5 of the bytes', () => {
    const passes: Record<string, string>[] = [
      { etag: '"0123456789abcdef0123456789abcdef-3"' },
      { etag: '"v1"', 'x-amz-checksum-sha256': `${digest('md5', 'base64')}-3` },
      { etag: '"v1"', 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-type': 'COMPOSITE' },
      { ...wrongMd5, 'x-amz-server-side-encryption': 'aws:kms' },
      { ...wrongMd5, 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
    ];
    for (const headers of passes)
      expect(verified(headers)).toMatchObject({ outcome: 'complete', verified: null });
    expect(verified({ ...wrongMd5, 'x-amz-server-side-encryption': 'AES256' })).toMatchObject({
      outcome: 'transient',
    });
    const directory = data({ service: 's3express' }).readAnswer(
      request(whole),
      full(1000, wrongMd5),
      bytes,
      NOW,
    );
    expect(directory).toMatchObject({ outcome: 'complete' });
  });

  it('covers a first range that turns out to be the whole object, and no other range', () => {
    const ranged = { length: 2000, verify: 'always' as const };
    expect(read(ranged, partial('0-999/1000', 1000, wrongMd5), bytes)).toMatchObject({
      outcome: 'transient',
    });
    expect(read(ranged, partial('0-999/1000', 1000, md5), bytes)).toMatchObject({ outcome: 'complete' });
    expect(read({ ...ranged, length: 1000 }, partial('0-999/5000', 1000, wrongMd5), bytes)).toMatchObject({
      outcome: 'complete',
    });
  });
});
