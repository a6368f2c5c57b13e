import { createSign } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { BEARER, TOKEN, ask, documentOf, errorOf, testKeyPair, xmlErrorOf, type Answer } from './gcs.kit.js';

const EMAIL = 'loader@origin.iam.gserviceaccount.com';
const GRANT = { clientId: 'id', clientSecret: 'secret', refreshToken: '1//refresh' };
const REALM = 'Bearer realm="https://accounts.google.com/"';
const METADATA_PATH = '/computeMetadata/v1/instance/service-accounts/default/token';
const OBJECT = '/storage/v1/b/b/o/k';
let origin: Origin;

beforeAll(async () => {
  const { publicKey } = testKeyPair();
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [
      { bucket: 'b', key: 'k', size: 10 },
      { bucket: 'b', key: 'secret/k', size: 10 },
      { bucket: 'open', key: 'k', size: 10 },
    ],
    publicBuckets: ['open'],
    forbidden: [/^secret\//],
    tokens: [
      { token: TOKEN },
      { token: 'ended', expired: true },
      { token: 'ends', expiresAtMs: Date.now() + 3_600_000 },
    ],
    serviceAccounts: [{ clientEmail: EMAIL, publicKey, privateKeyId: 'key-1' }],
    refreshTokens: [GRANT],
    tokenLifetimeSeconds: 100,
  });
});
afterAll(() => origin.stop());
afterEach(async () => {
  await origin.configure({ clockOffsetMs: 0, metadataServer: true });
  await origin.reset();
});

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(origin, 'GET', path, { headers });
const withToken = (token: string, path = OBJECT): Promise<Answer> =>
  get(path, { authorization: `Bearer ${token}` });

describe('a bearer token', () => {
  test('is good in both APIs', async () => {
    expect((await withToken(TOKEN)).status).toBe(200);
    expect((await withToken(TOKEN, '/b/k')).status).toBe(200);
  });

  test.each(['unknown', 'ended'])('that is %s is 401 with authError and a challenge', async (token) => {
    const answer = await withToken(token);
    expect(errorOf(answer)).toEqual([401, 'authError']);
    expect(answer.headers['www-authenticate']).toBe(`${REALM}, error="invalid_token"`);
    expect(xmlErrorOf(await withToken(token, '/b/k'))).toEqual([401, 'AuthenticationRequired']);
    expect(errorOf(await withToken(token, '/storage/v1/b/open/o/k'))).toEqual([401, 'authError']);
  });

  test('ends when its time is over on the clock of the service, or on command', async () => {
    expect((await withToken('ends')).status).toBe(200);
    await origin.configure({ clockOffsetMs: 3_601_000 });
    expect((await withToken('ends')).status).toBe(401);
    await origin.configure({ clockOffsetMs: 0, tokens: [{ token: TOKEN }, { token: 'short' }] });
    expect((await withToken('short')).status).toBe(200);
    await origin.expire('short');
    expect((await withToken('short')).status).toBe(401);
    await expect(origin.expire('nobody')).rejects.toThrow(/no credential nobody/);
  });

  test('that is configured no more is good no more, and one that was issued stays', async () => {
    const issued = documentOf(await get(METADATA_PATH, { 'metadata-flavor': 'Google' })).access_token;
    await origin.configure({ tokens: [{ token: 'new' }] });
    const seen = await Promise.all([TOKEN, 'new', issued].map(async (one) => (await withToken(one)).status));
    await origin.configure({ tokens: [{ token: TOKEN }] });
    expect(seen).toEqual([401, 200, 200]);
    expect((await withToken('new')).status).toBe(401);
  });

  test('is not enough for what is forbidden', async () => {
    expect(errorOf(await withToken(TOKEN, '/storage/v1/b/b/o/secret%2Fk'))).toEqual([403, 'forbidden']);
    expect(errorOf(await withToken(TOKEN, '/storage/v1/b/b/o?prefix=secret/'))).toEqual([403, 'forbidden']);
    expect(xmlErrorOf(await withToken(TOKEN, '/b/secret/k'))).toEqual([403, 'AccessDenied']);
  });
});

describe('nobody', () => {
  test('may read public buckets and nothing else', async () => {
    for (const path of [
      '/storage/v1/b/open/o/k',
      '/storage/v1/b/open/o/k?alt=media',
      '/storage/v1/b/open/o',
      '/open/k',
    ]) {
      expect((await get(path)).status, path).toBe(200);
    }
    expect((await get('/storage/v1/b/open/o/absent')).status).toBe(404);
    for (const path of [OBJECT, '/storage/v1/b/b/o', '/storage/v1/b/no-bucket/o/k']) {
      const answer = await get(path);
      expect(errorOf(answer)).toEqual([401, 'required']);
      expect(answer.headers['www-authenticate']).toBe(REALM);
    }
    expect(xmlErrorOf(await get('/b/k'))).toEqual([403, 'AccessDenied']);
    expect((await get(`${OBJECT}?alt=media`)).text).toContain(
      'Anonymous caller does not have storage.objects.get access',
    );
    const upload = '/upload/storage/v1/b/open/o?uploadType=media&name=x';
    expect(errorOf(await ask(origin, 'POST', upload, { body: 'x' }))).toEqual([401, 'required']);
    expect((await ask(origin, 'PUT', '/open/x', { body: 'x' })).status).toBe(403);
    expect((await ask(origin, 'DELETE', '/storage/v1/b/open/o/k')).status).toBe(401);
    expect((await origin.requests()).every(({ anonymous }) => anonymous)).toBe(true);
  });
});

describe('the token endpoint', () => {
  const post = (form: Record<string, string>): Promise<Answer> =>
    ask(origin, 'POST', '/token', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    });
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = (): number => Math.floor(Date.now() / 1000);
  const assertion = (claims: object = {}, header: object = {}): string => {
    const all = {
      iss: EMAIL,
      aud: `${origin.url}/token`,
      scope: 'https://www.googleapis.com/auth/devstorage.read_only',
    };
    const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'key-1', ...header })}.${encode({ ...all, iat: now(), exp: now() + 3600, ...claims })}`;
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(testKeyPair().privateKey, 'base64url')}`;
  };
  const trade = (jwt: string): Promise<Answer> =>
    post({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: jwt });
  const refusal = (answer: Answer): [number, string, string] => {
    const { error, error_description } = documentOf(answer);
    return [answer.status, String(error), error_description];
  };

  test('gives a token of the scripted life for the assertion of a service account', async () => {
    const answer = documentOf(await trade(assertion()));
    expect(answer).toEqual({ access_token: expect.any(String), expires_in: 100, token_type: 'Bearer' });
    expect((await withToken(answer.access_token)).status).toBe(200);
    await origin.configure({ clockOffsetMs: 101_000 });
    expect(errorOf(await withToken(answer.access_token))).toEqual([401, 'authError']);
    await origin.configure({ clockOffsetMs: 0 });
    const google = await trade(assertion({ aud: 'https://oauth2.googleapis.com/token' }));
    expect(google.status).toBe(200);
  });

  test.each<[string, object, object, RegExp]>([
    ['of another account', { iss: 'x@y' }, {}, /account not found/],
    ['for another audience', { aud: 'https://example.com' }, {}, /audience/],
    ['without a scope', { scope: '' }, {}, /scope/],
    ['that is over', { iat: now() - 7200, exp: now() - 3600 }, {}, /short-lived/],
    ['that would live too long', { exp: now() + 7200 }, {}, /short-lived/],
    ['of tomorrow', { iat: now() + 86_400, exp: now() + 86_460 }, {}, /short-lived/],
    ['signed by a key of another id', {}, { kid: 'key-2' }, /Signature/],
    ['without a signature', {}, { alg: 'none' }, /RS256/],
  ])('refuses an assertion %s', async (_, claims, header, why) => {
    expect(refusal(await trade(assertion(claims, header)))).toEqual([
      400,
      'invalid_grant',
      expect.stringMatching(why),
    ]);
    expect((await origin.stats()).tokens).toEqual({ jwt: 0, refresh: 0, metadata: 0, refused: 1 });
  });

  test('refuses an assertion whose claims were changed after it was signed', async () => {
    const [header, , signature] = assertion().split('.');
    const claims = encode({
      iss: EMAIL,
      aud: `${origin.url}/token`,
      scope: 's',
      iat: now(),
      exp: now() + 60,
    });
    expect(refusal(await trade(`${header}.${claims}.${signature}`))[2]).toMatch(/Signature/);
    expect(refusal(await trade('no.jwt'))[0]).toBe(400);
  });

  test('gives a token for a refresh token of its client', async () => {
    const form = {
      grant_type: 'refresh_token',
      client_id: GRANT.clientId,
      client_secret: GRANT.clientSecret,
      refresh_token: GRANT.refreshToken,
    };
    const { access_token: token } = documentOf(await post(form));
    expect((await withToken(token)).status).toBe(200);
    expect(refusal(await post({ ...form, refresh_token: 'revoked' })).slice(0, 2)).toEqual([
      400,
      'invalid_grant',
    ]);
    expect(refusal(await post({ ...form, client_secret: 'x' })).slice(0, 2)).toEqual([401, 'invalid_client']);
    expect(refusal(await post({ grant_type: 'password' })).slice(0, 2)).toEqual([
      400,
      'unsupported_grant_type',
    ]);
  });

  test('counts what it gives by kind, another token each time, and fails where that is scripted', async () => {
    await origin.script({ op: 'token', nth: 1, do: { status: 503, retryAfter: 1 } });
    expect((await trade(assertion())).headers['retry-after']).toBe('1');
    const first = documentOf(await trade(assertion()));
    const second = documentOf(await trade(assertion()));
    expect(first['access_token']).not.toBe(second['access_token']);
    await get(METADATA_PATH, { 'metadata-flavor': 'Google' });
    expect((await origin.stats()).tokens).toEqual({ jwt: 2, refresh: 0, metadata: 1, refused: 0 });
    expect((await origin.requests({ op: 'token' })).length).toBe(4);
    await origin.reset();
    expect((await origin.stats()).tokens).toEqual({ jwt: 0, refresh: 0, metadata: 0, refused: 0 });
  });
});

describe('the metadata server', () => {
  test('gives a token to who says its flavour, and says its own', async () => {
    const answer = await get(METADATA_PATH, { 'metadata-flavor': 'Google' });
    expect(answer.headers['metadata-flavor']).toBe('Google');
    const { access_token: token, expires_in: life } = documentOf(answer);
    expect(life).toBe(100);
    expect((await withToken(token)).status).toBe(200);
    expect((await get(METADATA_PATH)).status).toBe(403);
    expect((await get(METADATA_PATH, { 'metadata-flavor': 'Google', 'x-forwarded-for': '::1' })).status).toBe(
      403,
    );
    const email = METADATA_PATH.replace('token', 'email');
    expect((await get(email, { 'metadata-flavor': 'Google' })).text).toMatch(/@/);
  });

  test('is not there where that is configured', async () => {
    await origin.configure({ metadataServer: false });
    expect((await get(METADATA_PATH, { 'metadata-flavor': 'Google' })).status).toBe(404);
    expect((await get(OBJECT, BEARER)).status).toBe(200);
  });
});
