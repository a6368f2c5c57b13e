import { Agent } from 'node:https';
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { GetObjectCommand, HeadObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { rawGet } from './raw.kit.js';

const TEMPORARY = {
  accessKeyId: 'ASIATEMPORARY0000001',
  secretAccessKey: 'temporary',
  sessionToken: 'to/ken+1=',
};
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'b', key: 'plain', size: 10 },
      { bucket: 'b', key: "odd/ +&=?*()'!~é漢😀%25.bin", size: 10 },
      { bucket: 'b', key: 'secret/x', size: 10 },
      { bucket: 'open', key: 'plain', size: 10 },
    ],
    publicBuckets: ['open'],
    forbidden: [/^secret\//],
    credentials: [
      { accessKeyId: 'AKIDORIGIN0000000001', secretAccessKey: 'origin/secret+with/slash=and+plus' },
      TEMPORARY,
    ],
  });
});
afterAll(() => origin.stop());
afterEach(async () => {
  await origin.configure({ clockOffsetMs: 0, region: 'us-east-1' });
  await origin.reset();
});

const client = (more: S3ClientConfig = {}): S3Client =>
  new S3Client({
    endpoint: origin.url,
    region: origin.region,
    credentials: origin.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
    ...more,
  });

async function get(more: S3ClientConfig = {}, Key = 'plain', Bucket = 'b'): Promise<string> {
  const s3 = client(more);
  try {
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return String((await answer.Body?.transformToByteArray())?.length);
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata: { httpStatusCode: number } };
    return `${$metadata?.httpStatusCode} ${name}`;
  } finally {
    s3.destroy();
  }
}

describe('signatures made by the SDK', () => {
  test('are accepted, for keys with every kind of character', async () => {
    expect(await get()).toBe('10');
    expect(await get({}, "odd/ +&=?*()'!~é漢😀%25.bin")).toBe('10');
  });

  test('are accepted with a session token, and refused with another or none', async () => {
    expect(await get({ credentials: TEMPORARY })).toBe('10');
    expect(await get({ credentials: { ...TEMPORARY, sessionToken: 'other' } })).toBe('400 InvalidToken');
    const { accessKeyId, secretAccessKey } = TEMPORARY;
    expect(await get({ credentials: { accessKeyId, secretAccessKey } })).toBe('400 InvalidToken');
  });

  test('are refused with a wrong secret, an unknown key, another region', async () => {
    const { accessKeyId } = origin.credentials;
    expect(await get({ credentials: { accessKeyId, secretAccessKey: 'wrong' } })).toBe(
      '403 SignatureDoesNotMatch',
    );
    expect(await get({ credentials: { accessKeyId: 'AKIDNOBODY', secretAccessKey: 'x' } })).toBe(
      '403 InvalidAccessKeyId',
    );
    await origin.configure({ region: 'eu-central-1' });
    expect(await get()).toBe('400 AuthorizationHeaderMalformed');
    expect(await get({ region: 'eu-central-1' })).toBe('10');
  });

  test('are refused once the credentials have expired', async () => {
    await origin.expire(TEMPORARY.accessKeyId);
    expect(await get({ credentials: TEMPORARY })).toBe('400 ExpiredToken');
    expect(await get()).toBe('10');
  });

  test('are refused when the clocks differ by more than 15 minutes, and the answer tells the time', async () => {
    await origin.configure({ clockOffsetMs: 14 * 60_000 });
    expect(await get()).toBe('10');
    await origin.configure({ clockOffsetMs: 16 * 60_000 });
    expect(await get()).toBe('403 RequestTimeTooSkewed');
    const { head } = await rawGet(origin.port, '/open/plain');
    const date = /^Date: (.*)$/m.exec(head)?.[1] ?? '';
    expect(Date.parse(date) - Date.now()).toBeGreaterThan(15 * 60_000);
    // The SDK takes the offset from the refusal and signs the second attempt with it.
    expect(await get({ maxAttempts: 2 })).toBe('10');
  });

  test('do not help with keys that are forbidden or not there', async () => {
    expect(await get({}, 'secret/x')).toBe('403 AccessDenied');
    expect(await get({}, 'absent')).toBe('404 NoSuchKey');
    expect(await get({}, 'plain', 'nowhere')).toBe('404 NoSuchBucket');
  });

  test('are checked on HEAD, whose refusal has no body', async () => {
    const s3 = client({ credentials: { accessKeyId: 'AKIDNOBODY', secretAccessKey: 'x' } });
    const refused = s3.send(new HeadObjectCommand({ Bucket: 'b', Key: 'plain' }));
    await expect(refused).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    s3.destroy();
  });
});

describe('without a signature', () => {
  test('a bucket answers only if it is public', async () => {
    expect((await rawGet(origin.port, '/b/plain')).head).toMatch(/^HTTP\/1.1 403 /);
    expect((await rawGet(origin.port, '/open/plain')).head).toMatch(/^HTTP\/1.1 200 /);
  });

  test('another mechanism is refused by name', async () => {
    const seen = await rawGet(origin.port, '/b/plain', { Authorization: 'AWS a:b', Connection: 'close' });
    expect(seen.head).toMatch(/^HTTP\/1.1 400 /);
    expect(seen.body.toString()).toContain('<Code>InvalidRequest</Code>');
  });
});

/** The hash that the signer asks for, over Node's own. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | Uint8Array) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }
  update(data: string | Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    throw new Error('a hash is used once');
  }
}

const signer = (): SignatureV4 => {
  const { credentials, region } = origin;
  return new SignatureV4({
    credentials,
    region,
    service: 's3',
    sha256: Sha256 as never,
    uriEscapePath: false,
  });
};

describe('a signature that leaves something out', () => {
  const EMPTY_SHA256 = createHash('sha256').digest('hex');
  const signed = (contentSha256: string) => {
    const headers = { host: `127.0.0.1:${origin.port}`, 'x-amz-content-sha256': contentSha256 };
    const request = { method: 'GET', protocol: 'http:', hostname: '127.0.0.1', path: '/b/plain', headers };
    return signer().sign({ ...request, headers });
  };

  test('is refused when an x-amz- header was not signed', async () => {
    const { headers } = await signed(EMPTY_SHA256);
    const url = `${origin.url}/b/plain`;
    expect((await fetch(url, { headers })).status).toBe(200);
    const refused = await fetch(url, { headers: { ...headers, 'x-amz-meta-more': '1' } });
    expect(await refused.text()).toContain('<HeadersNotSigned>x-amz-meta-more</HeadersNotSigned>');
  });

  test('is refused when the payload has another hash', async () => {
    const { headers } = await signed('0'.repeat(64));
    const refused = await fetch(`${origin.url}/b/plain`, { headers });
    expect(await refused.text()).toContain('<Code>XAmzContentSHA256Mismatch</Code>');
  });
});

describe('a presigned URL', () => {
  const presign = async (path: string, expiresIn: number): Promise<string> => {
    const headers = { host: `127.0.0.1:${origin.port}`, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    const request = { method: 'GET', protocol: 'http:', hostname: '127.0.0.1', path, headers };
    const { query = {} } = await signer().presign(request, {
      expiresIn,
      unhoistableHeaders: new Set(Object.keys(headers)),
    });
    return `${origin.url}${path}?${new URLSearchParams(query as Record<string, string>).toString()}`;
  };
  const fetched = (url: string): Promise<Response> =>
    fetch(url, { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });

  test('is good for its object and its time alone', async () => {
    const url = await presign('/b/plain', 60);
    expect((await fetched(url)).status).toBe(200);
    expect(await (await fetched(url.replace('/plain', '/other'))).text()).toContain('SignatureDoesNotMatch');
    await origin.configure({ clockOffsetMs: 61_000 });
    expect(await (await fetched(url)).text()).toContain('Request has expired');
  });
});

describe('over TLS', () => {
  test('the SDK is served when it trusts the authority, and not otherwise', async () => {
    const secure = await startOrigin({
      secure: true,
      objects: [{ bucket: 'b', key: 'plain', size: 300_000 }],
    });
    try {
      const endpoint = secure.url;
      const httpsAgent = new Agent({ ca: secure.ca });
      expect(await get({ endpoint, requestHandler: { httpsAgent } })).toBe('300000');
      expect(await get({ endpoint })).toContain('Error');
    } finally {
      await secure.stop();
    }
  });
});
