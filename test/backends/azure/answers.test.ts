/** What answers of the service mean: refusals by code, the clock, versions, checksums. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AzureAuth } from '../../../dist/backends/azure/config.js';
import { digestOf } from '../../../dist/protocol/checksums/digest.js';
import { toAzureCrc64 } from '../../../dist/protocol/checksums/values.js';
import type { ErrorCode } from '../../../dist/protocol/errors.js';
import type { Exchange } from '../../../dist/protocol/http.js';
import type { Outcome, ReadAnswer } from '../../../dist/protocol/store.js';
import {
  AUTHS,
  data,
  exchange,
  headersOf,
  KEY,
  NOW,
  prepared,
  put,
  refusal,
  request,
  SAS,
  SIGNATURE,
  TOKEN,
  utf8,
} from './kit.js';

const target = new Uint8Array(200);
const read = (
  answer: Exchange,
  auth: AzureAuth['kind'] = 'key',
  expiresAtMs: number | null = null,
): ReadAnswer => data({ auth: AUTHS[auth] }, expiresAtMs).readAnswer(request(), answer, target, NOW);

describe('refusals of a read', () => {
  const table: [number, string, AzureAuth['kind'], Outcome, ErrorCode, RegExp][] = [
    [404, 'BlobNotFound', 'key', 'refused', 'NotFound', /no such blob/],
    [404, 'ContainerNotFound', 'key', 'refused', 'NotFound', /no container "logs" in account "myaccount"/],
    [404, 'ResourceNotFound', 'anonymous', 'refused', 'NotFound', /no such blob/],
    [
      403,
      'AuthenticationFailed',
      'key',
      'refused',
      'Unauthenticated',
      /key is not one of account "myaccount"/,
    ],
    [403, 'AuthenticationFailed', 'sas', 'refused', 'Unauthenticated', /signature is not accepted/],
    [401, 'InvalidAuthenticationInfo', 'token', 'stale-credentials', 'Unauthenticated', /access token/],
    [401, 'NoAuthenticationInformation', 'anonymous', 'refused', 'Unauthenticated', /leave out `anonymous`/],
    [403, 'AuthorizationPermissionMismatch', 'token', 'refused', 'AccessDenied', /Storage Blob Data Reader/],
    [403, 'AuthorizationPermissionMismatch', 'sas', 'refused', 'AccessDenied', /permissions \(sp\)/],
    [403, 'AuthorizationFailure', 'key', 'refused', 'AccessDenied', /network rules/],
    [403, 'KeyBasedAuthenticationNotPermitted', 'key', 'refused', 'AccessDenied', /Shared Key/],
    [409, 'PublicAccessNotPermitted', 'anonymous', 'refused', 'AccessDenied', /anonymous/],
    [412, 'ConditionNotMet', 'key', 'version-changed', 'VersionChanged', /replaced/],
    [409, 'BlobArchived', 'key', 'refused', 'Unsupported', /rehydrate/],
    [503, 'ServerBusy', 'key', 'throttled', 'Throttled', /slow down/],
    [429, 'TooManyRequests', 'key', 'throttled', 'Throttled', /slow down/],
    [500, 'InternalError', 'key', 'transient', 'ServiceUnavailable', /500 InternalError/],
    [500, 'OperationTimedOut', 'key', 'transient', 'ServiceUnavailable', /OperationTimedOut/],
    [501, 'APINotImplemented', 'key', 'refused', 'Unsupported', /does not implement/],
    [
      400,
      'InvalidHeaderValue',
      'key',
      'refused',
      'InvalidArgument',
      /400 InvalidHeaderValue: Said the service\.$/,
    ],
    [400, 'constructor', 'key', 'refused', 'InvalidArgument', /constructor/],
  ];
  for (const [status, service, auth, outcome, code, message] of table) {
    it(`${status} ${service} with ${auth} is ${outcome} (${code})`, () => {
      const answer = read(refusal(status, service), auth);
      expect(answer).toMatchObject({ outcome, landed: 0 });
      expect(answer.error).toMatchObject({
        code,
        status,
        uri: 'az://myaccount/logs/a/key',
        requestId: 'R0',
        range: [0, 99],
      });
      expect(answer.error!.context.serviceCode).toBe(service);
      expect(answer.error!.message).toMatch(message);
      const wire = JSON.stringify(answer.error!.toWire());
      for (const secret of [KEY, SIGNATURE, TOKEN]) expect(wire).not.toContain(secret.slice(0, 16));
    });
  }

  it.each<[number, Outcome, ErrorCode]>([
    [304, 'refused', 'ProtocolViolation'],
    [401, 'refused', 'Unauthenticated'],
    [403, 'refused', 'AccessDenied'],
    [404, 'refused', 'NotFound'],
    [408, 'transient', 'ServiceUnavailable'],
    [412, 'version-changed', 'VersionChanged'],
    [429, 'throttled', 'Throttled'],
    [502, 'transient', 'ServiceUnavailable'],
    [503, 'throttled', 'Throttled'],
  ])('a bare %i is %s (%s)', (status, outcome, code) => {
    const answer = read(exchange(status));
    expect(answer.outcome).toBe(outcome);
    expect(answer.error?.code).toBe(code);
  });

  it('a signature past its own end wants a new one, and says so', () => {
    const answer = read(refusal(403, 'AuthenticationFailed'), 'sas', NOW - 1);
    expect(answer.outcome).toBe('stale-credentials');
    expect(answer.error?.message).toMatch(/has expired; give a new one as the az option sasToken/);
  });

  it('a signature that a function gave wants a new one, though it tells no end', () => {
    const auth: AzureAuth = { kind: 'sas', token: SAS, renewable: true };
    const answer = data({ auth }).readAnswer(request(), refusal(403, 'AuthenticationFailed'), target, NOW);
    expect(answer).toMatchObject({ outcome: 'stale-credentials', error: { code: 'Unauthenticated' } });
    expect(answer.error?.message).toMatch(/signature is not accepted/);
    // What it does not grant, the next one will not grant either.
    const denied = data({ auth }).readAnswer(
      request(),
      refusal(403, 'AuthorizationPermissionMismatch'),
      target,
      NOW,
    );
    expect(denied).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
  });

  it('an answer to HEAD is told by its header', () => {
    const store = data();
    const answer = store.headAnswer(
      utf8('k'),
      exchange(404, { 'x-ms-error-code': 'ContainerNotFound' }),
      NOW,
    );
    expect(answer.error?.message).toMatch(/no container "logs"/);
  });

  it('a message that repeats the token is left out', () => {
    const body = utf8(`<Error><Code>InvalidInput</Code><Message>bad ${TOKEN}</Message></Error>`);
    const answer = read(exchange(400, {}, { body }), 'token');
    expect(answer.error?.message).toMatch(/400 InvalidInput$/);
  });
});

describe('a clock that is off', () => {
  const hourAhead = new Date(NOW + 3_600_000).toUTCString();

  it('is learnt from the Date of the answer, and the request signed anew', () => {
    const store = data();
    const asked = request();
    store.prepareRead(asked, NOW);
    const answer = store.readAnswer(
      asked,
      refusal(403, 'AuthenticationFailed', { date: hourAhead }),
      target,
      NOW,
    );
    expect(answer.outcome).toBe('clock-skew');
    expect(answer.error?.message).toMatch(/3600 s behind/);
    expect(headersOf(store.prepareRead(asked, NOW))['x-ms-date']).toBe(hourAhead);
    // Refused again though it was signed with the right time: then it is the key.
    const again = store.readAnswer(
      asked,
      refusal(403, 'AuthenticationFailed', { date: hourAhead }),
      target,
      NOW,
    );
    expect(again).toMatchObject({ outcome: 'refused', error: { code: 'Unauthenticated' } });
    expect(again.error?.message).toMatch(/key is not one of account/);
  });

  it('is not the reason for what a signature or a date that is near says', () => {
    const near = new Date(NOW + 60_000).toUTCString();
    expect(read(refusal(403, 'AuthenticationFailed', { date: near })).outcome).toBe('refused');
    expect(read(refusal(403, 'AuthenticationFailed', { date: hourAhead }), 'sas').outcome).toBe('refused');
  });
});

describe('a version', () => {
  const id = '2026-11-20T10:11:12.1234567Z';
  const answered = (version: string, headers: Record<string, string>): ReadAnswer => {
    const all = { 'content-range': 'bytes 0-99/500', etag: '"0x2"', 'content-length': '100', ...headers };
    return data().readAnswer(request({ version }), exchange(206, all, { landed: 100 }), target, NOW);
  };

  it.each(['versionid', 'snapshot'])('%s= goes as a query and stays the version of the answer', (name) => {
    const version = `${name}=${id}`;
    const made = data().prepareRead(request({ version }), NOW);
    expect(made.target).toBe(`/logs/a/key?${name}=2026-11-20T10%3A11%3A12.1234567Z`);
    expect(headersOf(made)['if-match']).toBeUndefined();
    expect(answered(version, { 'x-ms-version-id': id })).toMatchObject({ outcome: 'complete', version });
  });

  it('is changed where the answer is of another one, or of none', () => {
    expect(answered(`versionid=${id}`, { 'x-ms-version-id': 'other' }).outcome).toBe('version-changed');
    expect(answered(`versionid=${id}`, {}).outcome).toBe('version-changed');
    expect(answered('"0x1"', {}).outcome).toBe('version-changed');
    expect(answered('0x2', {})).toMatchObject({ outcome: 'complete', version: '"0x2"' });
  });

  it('that is an ETag goes quoted', () => {
    for (const version of ['0x2', '"0x2"'])
      expect(headersOf(data().prepareRead(request({ version }), NOW))['if-match']).toBe('"0x2"');
  });

  it.each(['versionid=yesterday', 'snapshot=', 'a b', 'W/"0x2"'])('%j is refused', (version) => {
    expect(() => data().prepareRead(request({ version }), NOW)).toThrow(/az:\/\/myaccount\/logs\/a\/key: /);
  });

  it('that does not change is no condition of a write', () => {
    expect(() => prepared(data(), put({ ifVersion: `versionid=${id}` }))).toThrow(
      /the condition of a write is an ETag/,
    );
  });
});

describe('a checksum', () => {
  const bytes = utf8('position-unique bytes of a blob');
  const md5 = createHash('md5').update(bytes).digest('base64');
  const crc64 = toAzureCrc64(digestOf('crc64nvme', bytes));
  const size = String(bytes.length);
  const whole = request({ whole: true, length: bytes.length, verify: 'always' });
  const judged = (status: number, headers: Record<string, string>): ReadAnswer =>
    data().readAnswer(
      status === 200 ? whole : { ...whole, whole: false },
      exchange(status, { 'content-length': size, ...headers }, { landed: bytes.length }),
      bytes,
      NOW,
    );
  const range = { 'content-range': `bytes 0-${bytes.length - 1}/${size}` };
  const other = createHash('md5').update('other').digest('base64');

  it.each<[string, number, Record<string, string>, Outcome]>([
    ['the MD5 of a whole blob', 200, { 'content-md5': md5 }, 'complete'],
    ['another MD5', 200, { 'content-md5': other }, 'transient'],
    ['the MD5 of the blob beside a range', 206, { ...range, 'x-ms-blob-content-md5': md5 }, 'complete'],
    ['another MD5 of the blob', 206, { ...range, 'x-ms-blob-content-md5': other }, 'transient'],
    ['a CRC-64', 200, { 'x-ms-content-crc64': crc64, 'content-md5': other }, 'complete'],
    [
      'another CRC-64',
      200,
      { 'x-ms-content-crc64': crc64.replace(/^./, crc64.startsWith('A') ? 'B' : 'A') },
      'transient',
    ],
    ['none', 200, {}, 'complete'],
    ['nonsense', 200, { 'content-md5': 'nonsense' }, 'complete'],
  ])('is compared: %s', (_, status, headers, outcome) => {
    const answer = judged(status, headers);
    expect(answer.outcome).toBe(outcome);
    if (outcome !== 'complete') expect(answer.error?.code).toBe('ChecksumMismatch');
  });

  it('of a body is compared with what the service has stored', () => {
    const store = data();
    const write = put({ body: bytes });
    expect(headersOf(prepared(store, write))['x-ms-content-crc64']).toBe(crc64);
    const stored = (value: string) =>
      store.writeAnswer(write, exchange(201, { etag: '"1"', 'x-ms-content-crc64': value }), NOW);
    expect(stored(crc64)).toMatchObject({ outcome: 'complete', value: { version: '"1"' } });
    expect(stored('AAAAAAAAAAA=')).toMatchObject({ outcome: 'transient', value: null });
    expect(stored('AAAAAAAAAAA=').error?.code).toBe('ChecksumMismatch');
  });
});
