/** Writes: what is sent for each, and what the answers mean that no server gives on demand. */
import { describe, expect, it } from 'vitest';
import { createAzureScheme } from '../../../dist/backends/azure/scheme.js';
import type { ErrorCode } from '../../../dist/protocol/errors.js';
import type { Outcome } from '../../../dist/protocol/store.js';
import type { WriteRequest } from '../../../dist/protocol/writes.js';
import {
  AUTHS,
  data,
  exchange,
  headersOf,
  NO_CONDITION,
  NOW,
  prepared,
  put,
  refusal,
  SAS,
  text,
  utf8,
} from './kit.js';

const UPLOAD = '0123456789abcdef0123456789abcdef';
const part = (index: number, upload = UPLOAD): WriteRequest => ({
  kind: 'part',
  key: utf8('k'),
  upload,
  index,
  start: 0,
  body: utf8('x'),
  last: false,
});
const copy = (changes: object = {}): WriteRequest => ({
  kind: 'copy',
  key: utf8('to'),
  sourceStore: 'az://myaccount/other',
  sourceKey: utf8('from +'),
  sourceVersion: null,
  ifAbsent: false,
  ifVersion: null,
  ...changes,
});

describe('an upload', () => {
  it('begins without a request, each with a name of its own', () => {
    const begin = { kind: 'begin', key: utf8('k'), size: -1, ...NO_CONDITION } as const;
    const names = [0, 1].map(() => {
      const answer = data().prepareWrite(begin, NOW);
      if (!('outcome' in answer)) throw new Error('a request was made');
      return answer.value?.upload;
    });
    expect(names[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(names[1]).not.toBe(names[0]);
  });

  it('has block ids of one length, which its list names in order', () => {
    const store = data();
    const ids = [0, 7, 49_999].map((index) => {
      const made = prepared(store, part(index));
      const id = new URLSearchParams(made.target.split('?')[1]).get('blockid')!;
      expect(store.writeAnswer(part(index), exchange(201), NOW).value?.part).toBe(id);
      expect(Buffer.from(id, 'base64').length).toBeLessThanOrEqual(64);
      return id;
    });
    expect(new Set(ids.map((id) => id.length)).size).toBe(1);
    expect(new Set(ids).size).toBe(3);
    const list = prepared(store, {
      kind: 'complete',
      key: utf8('k'),
      upload: UPLOAD,
      parts: ids,
      size: 3,
      ...NO_CONDITION,
    });
    expect([...text(list.body!).matchAll(/<Latest>(.*?)<\/Latest>/g)].map((match) => match[1])).toEqual(ids);
  });

  it.each([
    () => part(0, 'another service'),
    (): WriteRequest => ({ kind: 'abort', key: utf8('k'), upload: '../x' }),
    (): WriteRequest => ({
      kind: 'complete',
      key: utf8('k'),
      upload: UPLOAD,
      parts: ['<x>'],
      size: 1,
      ...NO_CONDITION,
    }),
  ])('refuses names that it has not given', (make) => {
    expect(() => data().prepareWrite(make(), NOW)).toThrow(/that this store/);
  });

  it('can be given up by what a listing of uploads calls it', () => {
    const answer = data().prepareWrite({ kind: 'abort', key: utf8('k'), upload: '*' }, NOW);
    expect(answer).toMatchObject({ outcome: 'complete' });
  });

  it('is refused at once for a name that cannot be written', () => {
    const begin = { kind: 'begin', key: utf8('a/../k'), size: 1, ...NO_CONDITION } as const;
    expect(() => data().prepareWrite(begin, NOW)).toThrow(/about another blob/);
  });
});

describe('a copy', () => {
  it('is granted the right to read its source: by a signature of the key, the own signature, or the token', () => {
    const source = (auth: keyof typeof AUTHS): Record<string, string> =>
      headersOf(prepared(data({ auth: AUTHS[auth] }), copy()));
    expect(source('key')['x-ms-copy-source']).toMatch(
      /^https:\/\/myaccount\.blob\.core\.windows\.net\/other\/from%20%2B\?sv=2020-12-06&se=.*&sr=b&sp=r&sig=/,
    );
    expect(source('sas')['x-ms-copy-source']).toBe(
      `https://myaccount.blob.core.windows.net/other/from%20%2B?${SAS}`,
    );
    expect(source('token')['x-ms-copy-source']).not.toContain('?');
    expect(source('token')['x-ms-copy-source-authorization']).toMatch(/^Bearer /);
  });

  it('is not made from another account', () => {
    const answer = data().prepareWrite(copy({ sourceStore: 'az://otheraccount/logs' }), NOW);
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
  });

  it('is a success only when it is done', () => {
    const judged = (status: number, headers = {}) =>
      data().writeAnswer(copy(), exchange(status, headers), NOW).outcome;
    expect(judged(201, { etag: '"1"' })).toBe('complete');
    expect(judged(202, { 'x-ms-copy-status': 'success' })).toBe('complete');
    expect(judged(202, { 'x-ms-copy-status': 'pending' })).toBe('refused');
  });

  it.each<[number, string, Record<string, string>, ErrorCode]>([
    [404, 'CannotVerifyCopySource', {}, 'NotFound'],
    [403, 'CannotVerifyCopySource', {}, 'Unsupported'],
    [400, 'CannotVerifyCopySource', { 'x-ms-copy-source-status-code': '412' }, 'VersionChanged'],
    [409, 'CannotVerifyCopySource', {}, 'Unsupported'],
    [412, 'SourceConditionNotMet', {}, 'VersionChanged'],
    [413, 'RequestBodyTooLarge', {}, 'Unsupported'],
  ])('refused with %i %s %j is %s', (status, code, headers, expected) => {
    expect(data().writeAnswer(copy(), refusal(status, code, headers), NOW).error?.code).toBe(expected);
  });
});

describe('refusals of a write', () => {
  it.each<[number, string, object, Outcome, ErrorCode]>([
    [409, 'BlobAlreadyExists', { ifAbsent: true }, 'refused', 'AlreadyExists'],
    [412, 'ConditionNotMet', { ifAbsent: true }, 'refused', 'AlreadyExists'],
    [412, 'ConditionNotMet', { ifVersion: '"1"' }, 'version-changed', 'VersionChanged'],
    [400, 'Md5Mismatch', {}, 'transient', 'ChecksumMismatch'],
    [400, 'Crc64Mismatch', {}, 'transient', 'ChecksumMismatch'],
    [412, 'LeaseIdMissing', {}, 'refused', 'AccessDenied'],
    [409, 'BlobImmutableDueToPolicy', {}, 'refused', 'AccessDenied'],
    [409, 'InvalidBlobType', {}, 'refused', 'Unsupported'],
    [400, 'InvalidBlockList', {}, 'refused', 'NotFound'],
    [413, 'RequestBodyTooLarge', {}, 'refused', 'InvalidArgument'],
    [200, '', {}, 'refused', 'ProtocolViolation'],
  ])('%i %s %j is %s (%s)', (status, code, changes, outcome, expected) => {
    const answer = data().writeAnswer(put(changes), refusal(status, code), NOW);
    expect(answer).toMatchObject({ outcome, value: null });
    expect(answer.error).toMatchObject({ code: expected, phase: 'write', uri: 'az://myaccount/logs/a/key' });
  });

  it('refuses two conditions at once', () => {
    expect(() => prepared(data(), put({ ifAbsent: true, ifVersion: '"1"' }))).toThrow(/give one condition/);
  });
});

describe('a deletion', () => {
  const deletion: WriteRequest = { kind: 'delete', keys: [utf8('k')], ifVersion: null };
  it('of what is not there is a success, and of a container that is not there none', () => {
    const judged = (code: string) => data().writeAnswer(deletion, refusal(404, code), NOW);
    expect(judged('BlobNotFound').outcome).toBe('complete');
    expect(judged('ContainerNotFound')).toMatchObject({ outcome: 'refused', error: { code: 'NotFound' } });
  });

  it('keeps a blob that has snapshots, and is of one blob', () => {
    const answer = data().writeAnswer(deletion, refusal(409, 'SnapshotsPresent'), NOW);
    expect(answer.error?.code).toBe('Unsupported');
    expect(() => prepared(data(), { ...deletion, keys: [utf8('a'), utf8('b')] })).toThrow(/one blob, not 2/);
  });
});

it('the limits of the scheme hold together', () => {
  const { writes, defaults } = createAzureScheme();
  expect(writes!.maxObjectBytes).toBe(writes!.maxParts * writes!.maxPartBytes);
  expect(writes!.multipartThreshold).toBeGreaterThan(writes!.partBytes);
  expect(defaults.splitThreshold).toBe(8 * 1024 * 1024);
});
