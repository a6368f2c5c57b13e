import { createHash, createHmac } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_CREDENTIALS, startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { BEARER, TOKEN, ask, crc32cOf, md5Of, xmlErrorOf, type Answer, type Asked } from './gcs.kit.js';

const { accessKeyId, secretAccessKey } = DEFAULT_CREDENTIALS;
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [{ bucket: 'b', key: 'dir/k +é', size: 5000 }],
    tokens: [{ token: TOKEN }],
    minPartBytes: 1000,
  });
});
afterAll(() => origin.stop());
afterEach(async () => {
  await origin.configure({ clockOffsetMs: 0, credentials: [{ accessKeyId, secretAccessKey }] });
  await origin.reset();
});

const send = (method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Answer> =>
  ask(origin, method, path, { headers: { ...BEARER, ...headers }, ...(body === undefined ? {} : { body }) });

describe('an object of the XML API', () => {
  test('is written, with type and metadata, and read back with them', async () => {
    const body = patternBytes(1, 4000);
    const headers = {
      'content-type': 'text/csv',
      'x-goog-meta-colour': 'blue',
      'x-goog-hash': `crc32c=${crc32cOf(body)}`,
    };
    const put = await send('PUT', '/b/written', { headers, body });
    expect(put.headers).toMatchObject({
      etag: `"${createHash('md5').update(body).digest('hex')}"`,
      'x-goog-hash': `crc32c=${crc32cOf(body)}, md5=${md5Of(body)}`,
      'x-goog-stored-content-length': '4000',
    });
    const got = await send('GET', '/b/written');
    expect(got.bytes.equals(body)).toBe(true);
    expect(got.headers).toMatchObject({
      'content-type': 'text/csv',
      'x-goog-meta-colour': 'blue',
      'x-goog-generation': put.headers['x-goog-generation'],
    });
    const head = await send('HEAD', '/b/written');
    expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, '4000', 0]);
  });

  test('is not written where condition or sum does not hold', async () => {
    const put = (headers: Record<string, string>) => send('PUT', '/b/once', { headers, body: 'x' });
    expect(xmlErrorOf(await put({ 'x-goog-hash': 'crc32c=AAAAAA==' }))).toEqual([400, 'BadDigest']);
    expect(xmlErrorOf(await put({ 'content-md5': md5Of(Buffer.from('y')) }))).toEqual([400, 'BadDigest']);
    expect((await put({ 'x-goog-if-generation-match': '0' })).status).toBe(200);
    expect(xmlErrorOf(await put({ 'x-goog-if-generation-match': '0' }))).toEqual([412, 'PreconditionFailed']);
    expect((await send('DELETE', '/b/once')).status).toBe(204);
    expect(xmlErrorOf(await send('DELETE', '/b/once'))).toEqual([404, 'NoSuchKey']);
  });
});

describe('a multipart upload', () => {
  const initiate = async (key: string): Promise<string> => {
    const answer = await send('POST', `/b/${key}?uploads`, { headers: { 'content-type': 'p/q' } });
    return /<UploadId>(.*?)<\/UploadId>/.exec(answer.text)?.[1] ?? '';
  };
  const part = (key: string, id: string, number: number, body: Uint8Array): Promise<Answer> =>
    send('PUT', `/b/${key}?partNumber=${number}&uploadId=${id}`, { body });
  const complete = (key: string, id: string, parts: [number, string | undefined][]): Promise<Answer> => {
    const named = parts.map(([n, etag]) => `<Part><PartNumber>${n}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${named.join('')}</CompleteMultipartUpload>`;
    return send('POST', `/b/${key}?uploadId=${id}`, { body });
  };

  test('is put together from the parts that its completion names, and has no MD5', async () => {
    const bodies = [patternBytes(1, 1000), patternBytes(2, 1500), patternBytes(3, 7)];
    const id = await initiate('parts');
    const tags = await Promise.all(
      bodies.map(async (body, i) => (await part('parts', id, i + 2, body)).headers['etag']),
    );
    await part('parts', id, 9, patternBytes(4, 10));
    const listed = await send('GET', `/b/parts?uploadId=${id}`);
    expect([...listed.text.matchAll(/<PartNumber>(\d+)</g)].map(([, n]) => n)).toEqual(['2', '3', '4', '9']);
    expect((await send('GET', '/b?uploads')).text).toContain(`<UploadId>${id}</UploadId>`);
    const done = await complete('parts', id, [
      [2, tags[0]],
      [3, tags[1]],
      [4, tags[2]],
    ]);
    expect(done.text).toContain('<CompleteMultipartUploadResult');
    const got = await send('GET', '/b/parts');
    expect(got.bytes.equals(Buffer.concat(bodies))).toBe(true);
    expect(got.headers).toMatchObject({
      'content-type': 'p/q',
      'x-goog-hash': `crc32c=${crc32cOf(got.bytes)}`,
    });
    expect(xmlErrorOf(await part('parts', id, 1, bodies[0] ?? Buffer.alloc(0)))).toEqual([
      404,
      'NoSuchUpload',
    ]);
    expect((await send('GET', '/b?uploads')).text).not.toContain('<Upload>');
  });

  test('is refused when parts are missing, out of order, too small or another one, and can then be completed', async () => {
    const id = await initiate('picky');
    const one = (await part('picky', id, 1, patternBytes(1, 999))).headers['etag'];
    const two = (await part('picky', id, 2, patternBytes(2, 10))).headers['etag'];
    const tries: [[number, string | undefined][], string][] = [
      [
        [
          [1, one],
          [3, two],
        ],
        'InvalidPart',
      ],
      [[[1, two]], 'InvalidPart'],
      [
        [
          [2, two],
          [1, one],
        ],
        'InvalidPartOrder',
      ],
      [
        [
          [1, one],
          [2, two],
        ],
        'EntityTooSmall',
      ],
      [[], 'MalformedCompleteMultipartUploadRequest'],
    ];
    for (const [parts, code] of tries)
      expect(xmlErrorOf(await complete('picky', id, parts))).toEqual([400, code]);
    const again = (await part('picky', id, 1, patternBytes(3, 1000))).headers['etag'];
    expect(
      xmlErrorOf(
        await complete('picky', id, [
          [1, one],
          [2, two],
        ]),
      ),
    ).toEqual([400, 'InvalidPart']);
    expect(
      (
        await complete('picky', id, [
          [1, again],
          [2, two],
        ])
      ).status,
    ).toBe(200);
  });

  test('takes a part, as an object, out of the framing of a signed stream', async () => {
    const framed = (text: string, length = text.length) => ({
      headers: {
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'x-amz-decoded-content-length': String(length),
      },
      body: `${text.length.toString(16)};chunk-signature=0\r\n${text}\r\n0;chunk-signature=0\r\n\r\n`,
    });
    const id = await initiate('framed');
    const path = `/b/framed?partNumber=1&uploadId=${id}`;
    const put = await send('PUT', path, framed('the bytes of a part'));
    expect(put.headers['etag']).toBe(`"${createHash('md5').update('the bytes of a part').digest('hex')}"`);
    for (const where of [path, '/b/framed']) {
      expect(xmlErrorOf(await send('PUT', where, framed('cut', 4)))).toEqual([400, 'IncompleteBody']);
    }
    await complete('framed', id, [[1, put.headers['etag']]]);
    expect((await send('GET', '/b/framed')).text).toBe('the bytes of a part');
  });

  test('takes no precondition, verifies the sum of a part, and is gone when aborted', async () => {
    const headers = { 'x-goog-if-generation-match': '0' };
    expect(xmlErrorOf(await send('POST', '/b/x?uploads', { headers }))).toEqual([400, 'InvalidArgument']);
    const id = await initiate('gone');
    const path = `/b/gone?partNumber=1&uploadId=${id}`;
    const wrong = { headers: { 'content-md5': md5Of(Buffer.from('other')) }, body: 'bytes' };
    expect(xmlErrorOf(await send('PUT', path, wrong))).toEqual([400, 'BadDigest']);
    expect((await send('DELETE', `/b/gone?uploadId=${id}`)).status).toBe(204);
    expect(xmlErrorOf(await send('DELETE', `/b/gone?uploadId=${id}`))).toEqual([404, 'NoSuchUpload']);
    expect((await origin.requests()).map(({ op }) => op)).toEqual(
      'create-upload create-upload put-part abort-upload abort-upload'.split(' '),
    );
  });

  test('is answered 200 with an error in it where that is scripted, and was not completed', async () => {
    const id = await initiate('late');
    const etag = (await part('late', id, 1, patternBytes(1, 10))).headers['etag'];
    await origin.script({ op: 'complete-upload', times: 1, do: { status: 200, code: 'InternalError' } });
    const answer = await complete('late', id, [[1, etag]]);
    expect(xmlErrorOf(answer)).toEqual([200, 'InternalError']);
    expect((await send('GET', '/b/late')).status).toBe(404);
    expect((await complete('late', id, [[1, etag]])).status).toBe(200);
  });
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** GOOG4-HMAC-SHA256 over a GET, step by step as "V4 signing process with your own program" of Google's describes it. */
function googSigned(path: string, secret = secretAccessKey, atMs = Date.now()): Record<string, string> {
  const stamp = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${stamp.slice(0, 8)}/auto/storage/goog4_request`;
  const headers = {
    host: `127.0.0.1:${origin.port}`,
    'x-goog-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-goog-date': stamp,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const names = Object.keys(headers).join(';');
  const canonical = ['GET', path, '', lines.join(''), names, 'UNSIGNED-PAYLOAD'].join('\n');
  const toSign = ['GOOG4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n');
  const steps = scope.split('/');
  const key = steps.reduce<string | Buffer>((before, step) => hmac(before, step), `GOOG4${secret}`);
  const signature = hmac(key, toSign).toString('hex');
  const credential = `Credential=${accessKeyId}/${scope}`;
  return {
    ...headers,
    authorization: `GOOG4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

describe('an HMAC signature', () => {
  const PATH = '/b/dir/k%20%2B%C3%A9';
  const get = (headers: Record<string, string>, path = PATH): Promise<Answer> =>
    ask(origin, 'GET', path, { headers });

  test("of Google's own scheme is good for its request, key and time alone", async () => {
    const answer = await get(googSigned(PATH));
    expect([answer.status, verifyPattern(objectIdOf('dir/k +é'), 0, answer.bytes)]).toEqual([200, -1]);
    expect(xmlErrorOf(await get(googSigned(PATH), '/b/other'))).toEqual([403, 'SignatureDoesNotMatch']);
    expect(xmlErrorOf(await get(googSigned(PATH, 'wrong')))).toEqual([403, 'SignatureDoesNotMatch']);
    const late = googSigned(PATH, secretAccessKey, Date.now() - 16 * 60_000);
    expect(xmlErrorOf(await get(late))).toEqual([403, 'RequestTimeTooSkewed']);
    const aws = googSigned(PATH);
    aws['authorization'] = (aws['authorization'] ?? '').replace('GOOG4-', 'AWS4-');
    expect((await get(aws)).status).toBe(400);
    await origin.configure({ credentials: [{ accessKeyId: 'GOOGOTHER', secretAccessKey: 'x' }] });
    expect(xmlErrorOf(await get(googSigned(PATH)))).toEqual([403, 'InvalidSecurity']);
  });

  test('in the query of a URL is good for its object and its time alone', async () => {
    const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${stamp.slice(0, 8)}/auto/storage/goog4_request`;
    const query = [
      'X-Goog-Algorithm=GOOG4-HMAC-SHA256',
      `X-Goog-Credential=${encodeURIComponent(`${accessKeyId}/${scope}`)}`,
      `X-Goog-Date=${stamp}`,
      'X-Goog-Expires=60',
      'X-Goog-SignedHeaders=host',
    ].join('&');
    const host = `host:127.0.0.1:${origin.port}\n`;
    const canonical = ['GET', PATH, query, host, 'host', 'UNSIGNED-PAYLOAD'].join('\n');
    const key = scope.split('/').reduce<string | Buffer>(hmac, `GOOG4${secretAccessKey}`);
    const toSign = ['GOOG4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n');
    const url = `?${query}&X-Goog-Signature=${hmac(key, toSign).toString('hex')}`;
    expect((await get({}, PATH + url)).status).toBe(200);
    expect((await origin.requests())[0]?.anonymous).toBe(false);
    expect(xmlErrorOf(await get({}, `/b/other${url}`))).toEqual([403, 'SignatureDoesNotMatch']);
    await origin.configure({ clockOffsetMs: 61_000 });
    expect(xmlErrorOf(await get({}, PATH + url))).toEqual([403, 'AccessDenied']);
  });

  test("of Amazon's scheme, made by Amazon's SDK, is verified too, in any region", async () => {
    const s3 = (secret: string) =>
      new S3Client({
        endpoint: origin.url,
        region: 'europe-west6',
        credentials: { accessKeyId, secretAccessKey: secret },
        forcePathStyle: true,
        maxAttempts: 1,
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      });
    const good = s3(secretAccessKey);
    const got = await good.send(new GetObjectCommand({ Bucket: 'b', Key: 'dir/k +é' }));
    const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
    expect([bytes.length, verifyPattern(objectIdOf('dir/k +é'), 0, bytes)]).toEqual([5000, -1]);
    await good.send(new PutObjectCommand({ Bucket: 'b', Key: 'by-sdk', Body: 'body' }));
    expect((await send('GET', '/b/by-sdk')).text).toBe('body');
    const listed = await good.send(new ListObjectsV2Command({ Bucket: 'b', Prefix: 'dir/' }));
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['dir/k +é']);
    await expect(
      good.send(new AbortMultipartUploadCommand({ Bucket: 'b', Key: 'x', UploadId: 'never' })),
    ).rejects.toMatchObject({ name: 'NoSuchUpload' });
    const bad = s3('wrong');
    await expect(bad.send(new GetObjectCommand({ Bucket: 'b', Key: 'by-sdk' }))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    good.destroy();
    bad.destroy();
  });

  test('is none of the JSON API', async () => {
    const answer = await get(googSigned('/storage/v1/b/b/o'), '/storage/v1/b/b/o');
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([
      401,
      'Bearer realm="https://accounts.google.com/", error="invalid_token"',
    ]);
  });
});
