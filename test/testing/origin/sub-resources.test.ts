/** What a query asks for beside the object or the bucket itself is served, or refused: it is never taken for them. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { BEARER, TOKEN, ask, xmlErrorOf, type Answer } from './gcs.kit.js';

const BUCKET = 'w';

describe.each(['s3', 'gcs'] as const)('by %s', (dialect) => {
  let origin: Origin;
  const send = (method: string, path: string, more: Record<string, string> = {}): Promise<Answer> =>
    ask(origin, method, `/${BUCKET}${path}`, {
      headers: { ...(dialect === 'gcs' ? BEARER : {}), ...more },
      ...(method === 'PUT' || method === 'POST' ? { body: 'another' } : {}),
    });

  beforeAll(async () => {
    const more = dialect === 'gcs' ? { tokens: [{ token: TOKEN }] } : { publicBuckets: [BUCKET, 'new'] };
    origin = await startOrigin({
      dialect,
      objects: [{ bucket: BUCKET, key: 'k', body: 'its bytes' }],
      ...more,
    });
  });
  afterAll(() => origin.stop());
  afterEach(() => origin.reset());

  test.each([
    'PUT /k?tagging',
    'PUT /k?acl',
    'PUT /k?retention=',
    'PUT /k?versionId=null',
    'PUT /k?partNumber=1',
    'PUT /k?of-tomorrow',
    'DELETE /k?tagging',
    'DELETE /k?versionId=1',
    'GET /k?acl',
    'GET /k?versionId=null',
    'HEAD /k?partNumber=1',
    'GET /k?attributes',
    'POST /k?restore',
    'POST /k?uploads&acl',
    'PUT ?versioning',
    'PUT ?acl',
    'HEAD ?acl',
    'GET ?acl',
    'GET ?list-type=2&fetch-owner=true',
    'GET ?uploads&delimiter=/',
  ])('%s is not implemented, and changes nothing', async (asked) => {
    const [method = '', path = ''] = asked.split(' ');
    const answer = await send(method, path);
    if (method === 'HEAD') expect(answer.status).toBe(501);
    else expect(xmlErrorOf(answer)).toEqual([501, 'NotImplemented']);
    expect((await send('GET', '/k')).text).toBe('its bytes');
    expect((await origin.requests()).map(({ op }) => op)).toEqual(['other', 'get']);
  });

  test('a bucket is not made by its sub-resource', async () => {
    const headers = dialect === 'gcs' ? BEARER : {};
    await ask(origin, 'PUT', '/new?versioning', { headers });
    expect(xmlErrorOf(await ask(origin, 'GET', '/new?list-type=2', { headers }))).toEqual([
      404,
      'NoSuchBucket',
    ]);
  });

  test('what an SDK, or who reads the log, adds to a query is let pass', async () => {
    expect((await send('GET', '/k?x-id=GetObject&x-of-mine=1')).text).toBe('its bytes');
    expect((await send('PUT', '/other?x-id=PutObject')).status).toBe(200);
    expect((await send('DELETE', '/other?x-id=DeleteObject')).status).toBe(204);
  });
});

describe('S3', () => {
  let origin: Origin;

  beforeAll(async () => {
    origin = await startOrigin({
      objects: [{ bucket: BUCKET, key: 'k', body: 'its bytes' }],
      publicBuckets: [BUCKET],
    });
  });
  afterAll(() => origin.stop());

  test('copies no version of an object but the present one', async () => {
    const headers = { 'x-amz-copy-source': `/${BUCKET}/k?versionId=1` };
    const answer = await ask(origin, 'PUT', `/${BUCKET}/copy`, { headers });
    expect(xmlErrorOf(answer)).toEqual([501, 'NotImplemented']);
    expect((await ask(origin, 'GET', `/${BUCKET}/copy`)).status).toBe(404);
  });

  test('puts the headers that a signed query asks for in the place of its own', async () => {
    const { url: endpoint, region, credentials } = origin;
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
    const asked = { ResponseContentType: 'text/odd', ResponseContentDisposition: 'attachment' };
    const got = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k', ...asked }));
    client.destroy();
    expect(got).toMatchObject({ ContentType: 'text/odd', ContentDisposition: 'attachment' });
    const anonymous = await ask(origin, 'GET', `/${BUCKET}/k?response-content-type=text/odd`);
    expect(xmlErrorOf(anonymous)).toEqual([400, 'InvalidRequest']);
  });
});
