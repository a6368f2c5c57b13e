import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../dist/protocol/http.js';
import type { ReadAnswer } from '../../../dist/protocol/store.js';
import {
  BEARER,
  data,
  exchange,
  HMAC,
  jsonRefusal,
  NOW,
  read,
  SECRET,
  TOKEN,
  utf8,
  xmlRefusal,
} from './kit.js';

const NOBODY = { kind: 'none' } as const;

function refused(answer: Exchange, auth: typeof BEARER = BEARER, version: string | null = null): ReadAnswer {
  return data({ auth }).readAnswer(read({ version }), answer, new Uint8Array(100), NOW);
}

describe('a refusal', () => {
  it.each([
    [exchange(401, {}, 'Invalid Credentials'), 'stale-credentials', 'Unauthenticated', /renew them/],
    [jsonRefusal(403, 'forbidden'), 'refused', 'AccessDenied', /storage\.objects\.get/],
    [jsonRefusal(403, 'rateLimitExceeded'), 'throttled', 'Throttled', /slow down/],
    [jsonRefusal(403, 'userRateLimitExceeded'), 'throttled', 'Throttled', /slow down/],
    [jsonRefusal(429, 'rateLimitExceeded'), 'throttled', 'Throttled', /slow down/],
    [exchange(429), 'throttled', 'Throttled', /slow down/],
    [exchange(503), 'throttled', 'Throttled', /slow down/],
    [exchange(408), 'transient', 'ServiceUnavailable', /408/],
    [jsonRefusal(500, 'backendError'), 'transient', 'ServiceUnavailable', /500 backendError/],
    [exchange(502), 'transient', 'ServiceUnavailable', /502/],
    [exchange(504), 'transient', 'ServiceUnavailable', /504/],
    [exchange(404, {}, 'No such object: logs/a/key'), 'refused', 'NotFound', /no such object/],
    [exchange(404, {}, 'The specified bucket does not exist.'), 'refused', 'NotFound', /no bucket "logs"/],
    [
      jsonRefusal(400, 'required', 'Bucket is a requester pays bucket but no user project provided.'),
      'refused',
      'AccessDenied',
      /userProject/,
    ],
    [jsonRefusal(403, 'userProjectAccessDenied'), 'refused', 'AccessDenied', /serviceusage/],
    [jsonRefusal(400, 'invalid', 'Invalid argument.'), 'refused', 'InvalidArgument', /Invalid argument\./],
    [exchange(412, {}, 'conditionNotMet'), 'version-changed', 'VersionChanged', /replaced/],
    [exchange(501), 'refused', 'Unsupported', /does not implement/],
    [exchange(302), 'refused', 'ProtocolViolation', /302/],
  ] as const)('%# is said in our words', (answer, outcome, code, what) => {
    const judged = refused(answer);
    expect(judged).toMatchObject({ outcome, landed: 0 });
    expect(judged.error?.code).toBe(code);
    expect(judged.error?.message).toMatch(what);
    expect(judged.error?.message).toContain('gs://logs/a/key');
  });

  it('of a generation that is gone says that the version changed', () => {
    const judged = refused(exchange(404, {}, 'No such object: logs/a/key'), BEARER, '17');
    expect(judged.outcome).toBe('version-changed');
    expect(judged.error?.message).toContain('generation 17');
  });

  it('to nobody says that nobody asked', () => {
    const judged = refused(exchange(401, {}, 'Anonymous caller does not have access'), NOBODY);
    expect(judged).toMatchObject({ outcome: 'refused' });
    expect(judged.error).toMatchObject({ code: 'AccessDenied' });
    expect(judged.error?.message).toContain('anonymous');
  });

  it.each([
    ['SignatureDoesNotMatch', /secret of the HMAC key is wrong/],
    ['InvalidSecurity', /access id of the HMAC key is not known/],
  ])('with %s says what is wrong with the key', (code, what) => {
    const judged = refused(xmlRefusal(403, code), HMAC);
    expect(judged.error).toMatchObject({
      code: 'Unauthenticated',
      context: { serviceCode: code, requestId: 'REQ0' },
    });
    expect(judged.error?.message).toMatch(what);
  });

  it('of the time is tried again with the time of the service, once', () => {
    const store = data({ auth: HMAC });
    const request = read();
    const late = xmlRefusal(403, 'RequestTimeTooSkewed', { date: new Date(NOW + 3_600_000).toUTCString() });
    store.prepareRead(request, NOW);
    expect(store.readAnswer(request, late, new Uint8Array(100), NOW).outcome).toBe('clock-skew');
    const again = store.prepareRead(request, NOW);
    expect(again.headers).toContain('20261121T053634Z');
    expect(store.readAnswer(request, late, new Uint8Array(100), NOW).outcome).toBe('refused');
  });

  it('passes the wish of the service on', () => {
    expect(refused(exchange(503, { 'retry-after': '7' })).retryAfterMs).toBe(7000);
  });

  it.each([
    [BEARER, `token ${TOKEN} refused`],
    [HMAC, `StringToSign GOOG4-HMAC-SHA256 ${SECRET}`],
    [BEARER, 'Authorization: Bearer ya29.short'],
  ])('repeats no secret that its message holds (%#)', (auth, message) => {
    for (const status of [400, 403]) {
      const { error } = refused(jsonRefusal(status, 'invalid', message), auth);
      expect(JSON.stringify(error?.toWire())).not.toContain(message.split(' ')[1]);
    }
  });

  it('of an empty key comes before the service is asked', () => {
    expect(() => data().prepareRead(read({ key: utf8('') }), NOW)).toThrow(/names a bucket, not an object/);
  });
});
