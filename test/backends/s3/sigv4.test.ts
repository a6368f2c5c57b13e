import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, it } from 'vitest';
import type { S3DataConfig } from '../../../dist/backends/s3/config.js';
import type { PreparedRequest } from '../../../dist/protocol/http.js';
import { createStoreData } from '../../../dist/backends/s3/data.js';
import { NOW, SECRET, TOKEN, config, data, headersOf, request, snapshot, utf8 } from './kit.js';

class Sha256 {
  readonly #state: { update(data: Uint8Array): unknown; digest(): Buffer };
  constructor(secret?: string | Uint8Array) {
    this.#state = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }
  update(bytes: Uint8Array): void {
    this.#state.update(bytes);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#state.digest()));
  }
}

/** What the SDK's own signer says for the same request, with an encoding of the key that is not ours. */
async function sdkAuthorization(
  prepared: PreparedRequest,
  path: string,
  query: Record<string, string>,
  changes: Partial<S3DataConfig>,
  nowMs: number,
): Promise<string> {
  const { region, service, credentials } = config(changes);
  const signer = new SignatureV4({
    service,
    region,
    credentials: credentials as never,
    sha256: Sha256 as never,
    uriEscapePath: false,
    applyChecksum: true,
  });
  const {
    authorization: _,
    'x-amz-date': _date,
    'x-amz-security-token': _token,
    ...headers
  } = headersOf(prepared);
  const signed = (await signer.sign(
    { method: prepared.method, protocol: 'https:', hostname: headers.host!, path, query, headers } as never,
    { signingDate: new Date(nowMs) },
  )) as unknown as { headers: Record<string, string> };
  expect(headersOf(prepared)['x-amz-date']).toBe(signed.headers['x-amz-date']);
  return signed.headers.authorization!;
}

const encodeLikeTheSdk = (key: string): string =>
  key
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');

const KEYS = [
  'plain',
  'with space',
  'plus+sign',
  '100%',
  'literal%2Fslash',
  'ünï/codé/日本語/😀',
  '/leading',
  '//two',
  'a//b///c',
  './dot',
  'a/./b',
  'a/../b',
  '..',
  'q?x=1&y=2#frag',
  '!*\'();:@=,$[]"<>^`{|}\\',
  'tab\tnewline\nnul\u0000del\u007f',
  'trailing/',
  '~-._',
];

describe('signatures agree with the SDK signer', () => {
  for (const key of KEYS) {
    it(`for a GET of ${JSON.stringify(key)}`, async () => {
      const prepared = data().prepareRead(
        request({ key: utf8(key), start: 5, length: 10, version: '"abc"' }),
        NOW,
      );
      const path = `/${encodeLikeTheSdk(key)}`;
      expect(prepared.target).toBe(path);
      expect(headersOf(prepared).authorization).toBe(await sdkAuthorization(prepared, path, {}, {}, NOW));
    });
  }

  it('for a key of all bytes that are no UTF-8, each of them escaped or kept by the rule', async () => {
    const key = Uint8Array.from({ length: 256 }, (_, i) => i);
    const prepared = data().prepareRead(request({ key }), NOW);
    const path =
      '/' +
      Array.from(key, (b) =>
        /[A-Za-z0-9._~/-]/.test(String.fromCharCode(b))
          ? String.fromCharCode(b)
          : '%' + b.toString(16).toUpperCase().padStart(2, '0'),
      ).join('');
    expect(prepared.target).toBe(path);
    expect(headersOf(prepared).authorization).toBe(await sdkAuthorization(prepared, path, {}, {}, NOW));
  });

  const shapes = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
    version: bits & 1 ? '"0123-4"' : null,
    whole: (bits & 2) === 0,
    verify: bits & 4 ? ('auto' as const) : ('never' as const),
  }));
  const owners: Partial<S3DataConfig>[] = [
    {},
    { credentials: { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: SECRET, sessionToken: TOKEN } },
    { expectedBucketOwner: '123456789012', requesterPays: true },
    { pathPrefix: '/bucket', hostHeader: '127.0.0.1:9000', region: 'us-east-1', service: 's3-object-lambda' },
  ];
  for (const [i, changes] of owners.entries()) {
    for (const shape of shapes) {
      it(`for configuration ${i} and the read ${JSON.stringify(shape)}`, async () => {
        const prepared = data(changes).prepareRead(request(shape), NOW);
        const path = `${changes.pathPrefix ?? ''}/a/key`;
        expect(headersOf(prepared).authorization).toBe(
          await sdkAuthorization(prepared, path, {}, changes, NOW),
        );
      });
    }
  }

  it('for HEAD', async () => {
    const prepared = data().prepareHead(utf8('a b'), NOW);
    expect(prepared.method).toBe('HEAD');
    expect(headersOf(prepared).authorization).toBe(await sdkAuthorization(prepared, '/a%20b', {}, {}, NOW));
  });

  it('for listings with odd prefixes, delimiters and continuations', async () => {
    for (const prefix of ['', 'a b/', 'ü+%/&=', '/']) {
      for (const continuation of [null, 'tok+en/=&"', 'ctl\u0001x']) {
        const list = { prefix: utf8(prefix), delimiter: '/', continuation, limit: 5000 };
        const prepared = data().prepareList(list, NOW);
        const query = {
          'list-type': '2',
          'encoding-type': 'url',
          'max-keys': '1000',
          delimiter: '/',
          ...(prefix === '' ? {} : { prefix }),
          ...(continuation === null ? {} : { 'continuation-token': continuation }),
        };
        const [path, sent] = prepared.target.split('?');
        expect(Object.fromEntries(new URLSearchParams(sent!.replaceAll('+', '%2B')))).toEqual(query);
        expect(path).toBe('/');
        expect(headersOf(prepared).authorization).toBe(await sdkAuthorization(prepared, '/', query, {}, NOW));
      }
    }
  });

  it('when the second, the day and the snapshot change between two requests of one store', async () => {
    const store = data();
    for (const nowMs of [NOW, NOW + 999, NOW + 1000, NOW + 86_400_000, NOW]) {
      const prepared = store.prepareRead(request(), nowMs);
      expect(headersOf(prepared).authorization).toBe(
        await sdkAuthorization(prepared, '/a/key', {}, {}, nowMs),
      );
    }
    const changes: Partial<S3DataConfig> = {
      region: 'ap-south-1',
      credentials: { accessKeyId: 'ASIANEW', secretAccessKey: 'new', sessionToken: TOKEN },
    };
    store.update(snapshot(changes, 2));
    const prepared = store.prepareRead(request(), NOW);
    expect(headersOf(prepared).authorization).toBe(
      await sdkAuthorization(prepared, '/a/key', {}, changes, NOW),
    );
  });
});

describe('prepared requests', () => {
  it('ask for exactly the range, the version and the checksum that were wanted', () => {
    const ranged = data().prepareRead(
      request({ start: 8, length: 4, version: '"v"', verify: 'always' }),
      NOW,
    );
    expect(headersOf(ranged)).toMatchObject({ range: 'bytes=8-11', 'if-match': '"v"' });
    expect(headersOf(ranged)).not.toHaveProperty('x-amz-checksum-mode');
    expect(ranged.range).toEqual({ start: 8, length: 4 });
    const whole = data().prepareRead(request({ whole: true, verify: 'always' }), NOW);
    expect(headersOf(whole)).toMatchObject({ 'x-amz-checksum-mode': 'ENABLED' });
    expect(headersOf(whole)).not.toHaveProperty('range');
    expect(whole.range).toBeNull();
  });

  it('are not signed when the store is anonymous, and carry the options all the same', () => {
    const anonymous = data({ credentials: null, expectedBucketOwner: '123456789012', requesterPays: true });
    const headers = headersOf(anonymous.prepareRead(request({ version: '"v"', verify: 'always' }), NOW));
    expect(headers).toEqual({
      'user-agent': 'millrace',
      host: 'logs.s3.eu-west-1.amazonaws.com',
      'x-amz-expected-bucket-owner': '123456789012',
      'x-amz-request-payer': 'requester',
      'if-match': '"v"',
      range: 'bytes=0-99',
      'x-amz-checksum-mode': 'ENABLED',
    });
  });

  it('refuse lengths that no range can say', () => {
    for (const bad of [{ length: 0 }, { start: -1 }, { length: 1.5 }, { start: 1, whole: true }]) {
      expect(() => data().prepareRead(request(bad), NOW)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument' }),
      );
    }
    expect(() => data().prepareRead(request({ length: 0, whole: true }), NOW)).not.toThrow();
  });

  it('keep the newest snapshot when an older one arrives late', () => {
    const store = createStoreData(snapshot({ credentials: { accessKeyId: 'NEW', secretAccessKey: 'n' } }, 3));
    store.update(snapshot({ credentials: { accessKeyId: 'OLD', secretAccessKey: 'o' } }, 2));
    expect(headersOf(store.prepareRead(request(), NOW)).authorization).toContain('Credential=NEW/');
  });
});
