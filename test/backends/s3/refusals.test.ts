import { describe, expect, it } from 'vitest';
import { createStoreData } from '../../../dist/backends/s3/data.js';
import type { Exchange } from '../../../dist/protocol/http.js';
import type { ErrorCode } from '../../../dist/protocol/errors.js';
import type { Outcome, ReadAnswer } from '../../../dist/protocol/store.js';
import {
  NOW,
  SECRET,
  TOKEN,
  data,
  exchange,
  headersOf,
  random,
  refusal,
  request,
  snapshot,
  utf8,
} from './kit.js';

const temporary = {
  credentials: { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: SECRET, sessionToken: TOKEN },
};
const target = new Uint8Array(200);
const read = (answer: Exchange, store = data(temporary)): ReadAnswer =>
  store.readAnswer(request(), answer, target, NOW);

describe('refusals of a read', () => {
  const table: [number, string, Outcome, ErrorCode, RegExp][] = [
    [404, 'NoSuchKey', 'refused', 'NotFound', /no such object/],
    [404, 'NoSuchBucket', 'refused', 'NotFound', /no bucket "logs"/],
    [403, 'AccessDenied', 'refused', 'AccessDenied', /s3:GetObject/],
    [403, 'AllAccessDisabled', 'refused', 'AccessDenied', /access denied/],
    [403, 'SignatureDoesNotMatch', 'refused', 'Unauthenticated', /secret access key is wrong/],
    [403, 'InvalidAccessKeyId', 'refused', 'Unauthenticated', /access key id is not known/],
    [400, 'InvalidToken', 'refused', 'Unauthenticated', /session token/],
    [400, 'ExpiredToken', 'stale-credentials', 'Unauthenticated', /expired/],
    [400, 'ExpiredTokenException', 'stale-credentials', 'Unauthenticated', /expired/],
    [400, 'TokenRefreshRequired', 'stale-credentials', 'Unauthenticated', /expired/],
    [412, 'PreconditionFailed', 'version-changed', 'VersionChanged', /replaced/],
    [429, 'TooManyRequests', 'throttled', 'Throttled', /slow down/],
    [503, 'SlowDown', 'throttled', 'Throttled', /slow down/],
    [503, 'ServiceUnavailable', 'throttled', 'Throttled', /slow down/],
    [500, 'InternalError', 'transient', 'ServiceUnavailable', /500 InternalError/],
    [307, 'TemporaryRedirect', 'transient', 'ServiceUnavailable', /bucket "logs" elsewhere for now/],
    [400, 'RequestTimeout', 'transient', 'ServiceUnavailable', /RequestTimeout/],
    [403, 'InvalidObjectState', 'refused', 'Unsupported', /restore/],
    [501, 'NotImplemented', 'refused', 'Unsupported', /does not implement/],
    [400, 'InvalidRequest', 'refused', 'InvalidArgument', /InvalidRequest: said the service/],
    [400, 'constructor', 'refused', 'InvalidArgument', /constructor/],
  ];
  for (const [status, service, outcome, code, message] of table) {
    it(`${status} ${service} is ${outcome} (${code})`, () => {
      const answer = read(refusal(status, service));
      expect(answer).toMatchObject({ outcome, landed: 0 });
      expect(answer.error).toMatchObject({
        code,
        status,
        uri: 's3://logs/a/key',
        requestId: 'REQ0',
        range: [0, 99],
      });
      expect(answer.error!.context.serviceCode).toBe(service);
      expect(answer.error!.message).toMatch(message);
    });
  }

  const bare: [number, Outcome, ErrorCode][] = [
    [301, 'refused', 'WrongRegion'],
    [304, 'refused', 'ProtocolViolation'],
    [307, 'transient', 'ServiceUnavailable'],
    [400, 'refused', 'InvalidArgument'],
    [401, 'refused', 'Unauthenticated'],
    [403, 'refused', 'AccessDenied'],
    [404, 'refused', 'NotFound'],
    [408, 'transient', 'ServiceUnavailable'],
    [412, 'version-changed', 'VersionChanged'],
    [429, 'throttled', 'Throttled'],
    [500, 'transient', 'ServiceUnavailable'],
    [501, 'refused', 'Unsupported'],
    [502, 'transient', 'ServiceUnavailable'],
    [503, 'throttled', 'Throttled'],
    [504, 'transient', 'ServiceUnavailable'],
  ];
  for (const [status, outcome, code] of bare) {
    it(`${status} without a document is ${outcome} (${code})`, () => {
      const html = utf8('<html><head><title>Bad</title></head></html>');
      for (const body of [null, html]) {
        expect(read(exchange(status, {}, { body }))).toMatchObject({ outcome, error: { code } });
      }
    });
  }

  it('name the region that was used and the right one', () => {
    const answers = [
      refusal(301, 'PermanentRedirect', {}, { 'x-amz-bucket-region': 'us-west-2' }),
      refusal(400, 'AuthorizationHeaderMalformed', { Region: 'us-west-2' }),
      refusal(400, 'IllegalLocationConstraintException', { Region: 'us-west-2' }),
      exchange(301, { 'x-amz-bucket-region': 'us-west-2' }),
      exchange(307, { 'x-amz-bucket-region': 'us-west-2' }),
      refusal(307, 'TemporaryRedirect', {}, { 'x-amz-bucket-region': 'us-west-2' }),
      exchange(400, { 'x-amz-bucket-region': 'us-west-2' }),
    ];
    for (const answer of answers) {
      const { outcome, error } = read(answer);
      expect({ outcome, code: error?.code }).toEqual({ outcome: 'refused', code: 'WrongRegion' });
      expect(error!.message).toMatch(/"eu-west-1".*"us-west-2"/);
    }
  });

  it('are passing ones when a redirect names the region that was used', () => {
    const here = { 'x-amz-bucket-region': 'eu-west-1' };
    for (const answer of [refusal(307, 'TemporaryRedirect', {}, here), exchange(307, here)]) {
      expect(read(answer)).toMatchObject({ outcome: 'transient', error: { code: 'ServiceUnavailable' } });
    }
  });

  it('tell a malformed access key id from a wrong region', () => {
    expect(read(refusal(400, 'AuthorizationHeaderMalformed')).error).toMatchObject({
      code: 'Unauthenticated',
    });
  });

  it('carry the wish to wait, in seconds or as a date', () => {
    const after = (value: string): number =>
      read(refusal(503, 'SlowDown', {}, { 'retry-after': value })).retryAfterMs;
    expect(after('3')).toBe(3000);
    expect(after(new Date(NOW + 5000).toUTCString())).toBe(5000);
    expect(after(new Date(NOW - 5000).toUTCString())).toBe(0);
    for (const nonsense of ['soon', '-4', '1e9', '2026-11-21', '']) expect(after(nonsense)).toBe(0);
  });

  it('of credentials past their expiry are stale ones, even when the service only says 403', () => {
    const expired = createStoreData(snapshot(temporary, 1, NOW - 1));
    expect(read(exchange(403), expired)).toMatchObject({ outcome: 'stale-credentials' });
    const valid = createStoreData(snapshot(temporary, 1, NOW + 1));
    expect(read(exchange(403), valid)).toMatchObject({ outcome: 'refused' });
  });

  it('of keys that can be asked for again are stale ones: they may have been rotated', () => {
    const renewable = data({ ...temporary, renewable: true });
    for (const answer of [refusal(403, 'InvalidAccessKeyId'), refusal(400, 'InvalidToken'), exchange(401)]) {
      expect(read(answer, renewable)).toMatchObject({
        outcome: 'stale-credentials',
        error: { code: 'Unauthenticated' },
      });
    }
    // Newer ones would be no better.
    for (const code of ['SignatureDoesNotMatch', 'AccessDenied'])
      expect(read(refusal(403, code), renewable).outcome).toBe('refused');
  });

  it('never repeat what the document says about the signature', () => {
    const fields = {
      StringToSign: 'AWS4-HMAC',
      CanonicalRequest: `x-amz-security-token:${TOKEN}`,
      SignatureProvided: 'f00',
    };
    const answer = read(refusal(403, 'SignatureDoesNotMatch', fields));
    expect(JSON.stringify(answer.error!.toWire())).not.toMatch(/session\/token|f00|EXAMPLEKEY/);
  });

  it('have no service code where the document holds something else in its place', () => {
    const answer = read(refusal(403, 'two words &amp; more'));
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
    expect(answer.error!.context).not.toHaveProperty('serviceCode');
  });

  it('are read from any bytes at all without a throw', () => {
    const next = random(3);
    const document = refusal(403, 'AccessDenied').body!;
    for (let i = 0; i < 2000; i++) {
      const body = document.slice(0, Math.floor(next() * document.length));
      if (body.length > 0) body[Math.floor(next() * body.length)] = Math.floor(next() * 256);
      expect(read(exchange(403, {}, { body })).error).not.toBeNull();
    }
  });
});

describe('answers to HEAD, which have no body', () => {
  const key = utf8('a/key');
  const head = (answer: Exchange, store = data(temporary)) => store.headAnswer(key, answer, NOW);

  it('tell size, version, time and type', () => {
    const headers = {
      'content-length': '123',
      etag: '"v"',
      'last-modified': 'Sat, 21 Nov 2026 04:36:34 GMT',
      'content-type': 'text/plain',
    };
    expect(head(exchange(200, headers)).value).toEqual({
      size: 123,
      version: '"v"',
      lastModifiedMs: NOW,
      contentType: 'text/plain',
      checksums: [],
    });
    expect(head(exchange(200, { 'content-length': '0' })).value).toEqual({
      size: 0,
      version: null,
      lastModifiedMs: null,
      contentType: null,
      checksums: [],
    });
    expect(head(exchange(200))).toMatchObject({ outcome: 'refused', error: { code: 'ProtocolViolation' } });
  });

  it('are classified by status alone, and say so', () => {
    expect(head(exchange(404))).toMatchObject({ outcome: 'refused', error: { code: 'NotFound' } });
    expect(head(exchange(404)).error!.message).toMatch(/no body/);
    expect(head(exchange(403)).error).toMatchObject({
      code: 'AccessDenied',
      message: expect.stringMatching(/no body/),
    });
    expect(head(exchange(503))).toMatchObject({ outcome: 'throttled' });
    expect(head(exchange(301, { 'x-amz-bucket-region': 'us-west-2' })).error).toMatchObject({
      code: 'WrongRegion',
    });
  });

  it('take a bare 400 to temporary credentials as their expiry', () => {
    expect(head(exchange(400))).toMatchObject({ outcome: 'stale-credentials' });
    expect(head(exchange(400), data())).toMatchObject({
      outcome: 'refused',
      error: { code: 'InvalidArgument' },
    });
  });

  it('map exchanges that did not end', () => {
    expect(head(exchange(0, {}, { outcome: 'cancelled' }))).toEqual({
      outcome: 'cancelled',
      value: null,
      error: null,
      retryAfterMs: 0,
    });
    expect(head(exchange(0, {}, { outcome: 'failed' }))).toMatchObject({
      outcome: 'transient',
      error: { code: 'ConnectionFailed' },
    });
    expect(head(exchange(0, {}, { outcome: 'stale-connection' }))).toMatchObject({
      outcome: 'stale-connection',
    });
  });
});

describe('a clock that is off', () => {
  const hour = 3_600_000;
  const skewed = (serverMs: number) =>
    refusal(403, 'RequestTimeTooSkewed', {}, { date: new Date(serverMs).toUTCString() });
  const signedAt = (store: ReturnType<typeof data>, asked = request()): string =>
    headersOf(store.prepareRead(asked, NOW))['x-amz-date']!;

  it('is corrected from the Date header, and the next request is signed with the time of the service', () => {
    const store = data();
    const asked = request();
    expect(signedAt(store, asked)).toBe('20261121T043634Z');
    expect(store.readAnswer(asked, skewed(NOW + hour), target, NOW)).toMatchObject({
      outcome: 'clock-skew',
      error: { code: 'Unauthenticated' },
    });
    expect(signedAt(store, asked)).toBe('20261121T053634Z');
  });

  it('is refused the second time, with the offset named', () => {
    const store = data();
    const asked = request();
    for (const outcome of ['clock-skew', 'refused']) {
      store.prepareRead(asked, NOW);
      const answer = store.readAnswer(asked, skewed(NOW - hour), target, NOW);
      expect(answer.outcome).toBe(outcome);
      expect(answer.error!.message).toMatch(/3600 s ahead of/);
    }
  });

  it('is learnt once for all requests that were in flight, which are all tried again', () => {
    const store = data();
    const inFlight = [request(), request(), request()];
    for (const asked of inFlight) store.prepareRead(asked, NOW);
    for (const asked of inFlight) {
      expect(store.readAnswer(asked, skewed(NOW + hour), target, NOW).outcome).toBe('clock-skew');
    }
  });

  it('is learnt anew after somebody has set it right', () => {
    const store = data();
    const asked = request();
    store.prepareRead(asked, NOW);
    store.readAnswer(asked, skewed(NOW + hour), target, NOW);
    store.prepareRead(asked, NOW);
    expect(store.readAnswer(asked, skewed(NOW), target, NOW).outcome).toBe('clock-skew');
    expect(signedAt(store)).toBe('20261121T043634Z');
  });

  it('cannot be corrected without a Date header', () => {
    const answer = data().readAnswer(request(), refusal(403, 'RequestTimeTooSkewed'), target, NOW);
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'Unauthenticated' } });
  });

  it('is seen in a bare 403 to HEAD by its Date header, and a right clock is not blamed', () => {
    const store = data();
    const far = exchange(403, { date: new Date(NOW + hour).toUTCString() });
    expect(store.headAnswer(utf8('k'), far, NOW).outcome).toBe('clock-skew');
    const near = exchange(403, { date: new Date(NOW + 60_000).toUTCString() });
    expect(data().headAnswer(utf8('k'), near, NOW)).toMatchObject({
      outcome: 'refused',
      error: { code: 'AccessDenied' },
    });
  });
});

describe('what a service says in its own words', () => {
  const signature = 'f0'.repeat(32);
  const key = temporary.credentials.accessKeyId;
  const leaks: [string, string][] = [
    ['the session token', `x-amz-security-token: ${TOKEN}`],
    ['a session token that was cut', `${'.'.repeat(240)}${TOKEN}`],
    ['the Authorization header', `Authorization: AWS4-HMAC-SHA256 Credential=${key}/20261121/x`],
    ['the access key id', `Unknown user ${key}.`],
    ['a signature', `expected ${signature}`],
    ['the secret', `${SECRET} is wrong`],
  ];
  it.each(leaks)('is left out when it repeats %s', (_, message) => {
    const { error } = read(refusal(400, 'InvalidRequest', { Message: message }));
    expect(error!.message).toBe('s3://logs/a/key: the service refused the request with 400 InvalidRequest');
    expect(JSON.stringify(error!.toWire())).not.toMatch(/session\/|AWS4|ASIAEX|f0f0|wJalrX/);
  });
});
