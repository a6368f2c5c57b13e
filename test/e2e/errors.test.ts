/** What a user is told: the code names the cause, the message says what to do, and what is permanent is asked once. */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { radosgwAvailable, startRadosgw, type Radosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { exhaust, expectIdle, expectSum, fault, s3Options, startRuntime, type S3Server } from './kit.js';

const BUCKET = 'refusals';
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SECRET = 'wrongwrongwrongwrongwrong';

type Call = (runtime: Runtime, uri: string) => Promise<unknown>;

/** Every way to reach a service. */
const CALLS: readonly (readonly [name: string, call: Call])[] = [
  ['get', (runtime, uri) => runtime.get(uri)],
  ['getRange', (runtime, uri) => runtime.getRange(uri, { start: 1, end: 5 })],
  ['loader', (runtime, uri) => exhaust(runtime.loader(ObjectDataset.fromUris([uri])))],
];
const HEAD: Call = (runtime, uri) => runtime.head(uri);
const LIST: Call = async (runtime, uri) => {
  for await (const entry of runtime.list(uri)) void entry;
};

async function failureOf(work: Promise<unknown>): Promise<MillraceError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
  throw new Error('it did not fail');
}

/** Runs `call` on a runtime of its own; what it failed with. Nothing may be left of it. */
async function failWith(server: S3Server, changes: object, call: Call, uri: string): Promise<MillraceError> {
  const runtime = await startRuntime(server, { stores: { s3: s3Options(server, changes) } });
  try {
    const error = await failureOf(call(runtime, uri));
    await expectIdle(runtime);
    return error;
  } finally {
    await runtime.close();
  }
}

describe('from the scripted origin', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin({
      objects: [
        { bucket: BUCKET, key: 'k', size: 1000 },
        { bucket: BUCKET, key: 'secret/k', size: 1000 },
        { bucket: BUCKET, prefix: 'many/', count: 30, sizes: [100] },
      ],
    });
  });
  beforeEach(async () => {
    await origin.reset();
    await origin.configure({ clockOffsetMs: 0, forbidden: [], credentials: [origin.credentials] });
  });
  afterAll(() => origin.stop());
  const asked = async (): Promise<number> => (await origin.requests()).length;
  const wrongSecret = (): object => ({ credentials: { ...origin.credentials, secretAccessKey: SECRET } });
  const unknownKey = (): object => ({
    credentials: { accessKeyId: 'AKIANOBODY0000000000', secretAccessKey: SECRET },
  });

  describe.each(CALLS)('%s', (_, call) => {
    test('a wrong secret is Unauthenticated, is asked once, and is not in the message', async () => {
      const error = await failWith(origin, wrongSecret(), call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'Unauthenticated', retryable: false, status: 403 });
      expect(error.context.serviceCode).toBe('SignatureDoesNotMatch');
      expect(error.message).toMatch(/secret access key is wrong/);
      expect(error.uri).toBe(`s3://${BUCKET}/k`);
      expect(JSON.stringify(error.toWire())).not.toContain(SECRET);
      expect(await asked()).toBe(1);
    });

    test('an unknown access key is Unauthenticated and is asked once', async () => {
      const error = await failWith(origin, unknownKey(), call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'Unauthenticated', retryable: false });
      expect(error.message).toMatch(/access key id is not known/);
      expect(await asked()).toBe(1);
    });

    test('a wrong region is WrongRegion, names the right one, and is asked once', async () => {
      const error = await failWith(origin, { region: 'eu-west-1' }, call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'WrongRegion', retryable: false });
      expect(error.message).toContain('"eu-west-1"');
      expect(error.message).toContain('"us-east-1"');
      expect(await asked()).toBe(1);
    });

    test('a missing bucket is NotFound, names the bucket, and is asked once', async () => {
      const error = await failWith(origin, {}, call, 's3://no-such-bucket/k');
      expect(error).toMatchObject({ code: 'NotFound', retryable: false, status: 404 });
      expect(error.message).toContain('no bucket "no-such-bucket"');
      expect(await asked()).toBe(1);
    });

    test('a missing key is NotFound, names the object, and is asked once', async () => {
      const error = await failWith(origin, {}, call, `s3://${BUCKET}/nothing here`);
      expect(error).toMatchObject({ code: 'NotFound', retryable: false, status: 404 });
      expect(error.message).toContain(`s3://${BUCKET}/nothing here`);
      expect(error.requestId).toMatch(/^[0-9A-F]{16}$/);
      expect(await asked()).toBe(1);
    });

    test('a forbidden key is AccessDenied, says who decides, and is asked once', async () => {
      await origin.configure({ forbidden: ['^secret/'] });
      const error = await failWith(origin, {}, call, `s3://${BUCKET}/secret/k`);
      expect(error).toMatchObject({ code: 'AccessDenied', retryable: false, status: 403 });
      expect(error.message).toMatch(/s3:GetObject/);
      expect(await asked()).toBe(1);
    });

    test('an anonymous request for what is not public is AccessDenied and says how to sign', async () => {
      const changes = { credentials: undefined, anonymous: true };
      const error = await failWith(origin, changes, call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'AccessDenied', retryable: false });
      expect(error.message).toMatch(/anonymous/);
      expect(await asked()).toBe(1);
    });

    test('expired credentials without newer ones are Unauthenticated and say so', async () => {
      await origin.expire();
      const error = await failWith(origin, {}, call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'Unauthenticated', retryable: false });
      expect(error.message).toMatch(/expired/);
      expect(await asked()).toBe(1);
    });

    test('a clock that is an hour wrong is learnt from the answer, and the call succeeds', async () => {
      await origin.configure({ clockOffsetMs: 3_600_000 });
      const runtime = await startRuntime(origin, { workers: 1 });
      try {
        await call(runtime, `s3://${BUCKET}/k`);
        await call(runtime, `s3://${BUCKET}/k`);
        const codes = (await origin.requests()).map(({ code }) => code);
        expect(codes).toEqual(['RequestTimeTooSkewed', null, null]);
      } finally {
        await runtime.close();
      }
    });

    test('a service that fails once is asked again, one that always fails as often as it may be', async () => {
      await origin.script({ nth: 1, do: { status: 500, code: 'InternalError' } });
      const runtime = await startRuntime(origin);
      try {
        await call(runtime, `s3://${BUCKET}/k`);
        expect(await asked()).toBe(2);
      } finally {
        await runtime.close();
      }
      await origin.reset();
      await origin.script({ do: { status: 500, code: 'InternalError' } });
      const error = await failWith(origin, {}, call, `s3://${BUCKET}/k`);
      expect(error).toMatchObject({ code: 'ServiceUnavailable', retryable: true, attempt: 5, status: 500 });
      expect(await asked()).toBe(5);
    });
  });

  test('head cannot see the cause of a refusal, and says so', async () => {
    const error = await failWith(origin, wrongSecret(), HEAD, `s3://${BUCKET}/k`);
    expect(error).toMatchObject({ code: 'AccessDenied', status: 403 });
    expect(error.message).toMatch(/wrong secret key/);
    const missing = await failWith(origin, {}, HEAD, `s3://${BUCKET}/no`);
    expect(missing).toMatchObject({ code: 'NotFound', status: 404 });
    expect(await asked()).toBe(2);
  });

  test('a listing tells the cause of its refusal', async () => {
    const secret = await failWith(origin, wrongSecret(), LIST, `s3://${BUCKET}/many/`);
    expect(secret).toMatchObject({ code: 'Unauthenticated', status: 403 });
    const bucket = await failWith(origin, {}, LIST, 's3://no-such-bucket/many/');
    expect(bucket).toMatchObject({ code: 'NotFound' });
    expect(bucket.message).toContain('no-such-bucket');
    const region = await failWith(origin, { region: 'eu-west-1' }, LIST, `s3://${BUCKET}/many/`);
    expect(region.code).toBe('WrongRegion');
    await origin.configure({ forbidden: ['^many/'] });
    const denied = await failWith(origin, {}, LIST, `s3://${BUCKET}/many/`);
    expect(denied).toMatchObject({ code: 'AccessDenied' });
    expect(await asked()).toBe(4);
  });

  test('a listing that comes with a Content-Encoding is Unsupported and is asked for once', async () => {
    await origin.script({ op: 'list', do: { lie: 'gzip-encoding' } });
    const error = await failWith(origin, {}, LIST, `s3://${BUCKET}/many/`);
    expect(error).toMatchObject({ code: 'Unsupported', retryable: false, attempt: 1 });
    expect(await asked()).toBe(1);
  });

  test('the URI of a bucket is no object: InvalidArgument, and nothing is sent', async () => {
    const get: Call = (runtime, uri) => runtime.get(uri);
    for (const call of [get, HEAD]) {
      for (const uri of [`s3://${BUCKET}`, `s3://${BUCKET}/`]) {
        const error = await failWith(origin, {}, call, uri);
        expect(error).toMatchObject({ code: 'InvalidArgument', retryable: false });
        expect(error.message).toContain('names a bucket, not an object');
      }
    }
    expect(await asked()).toBe(0);
  });

  test('a range that is refused without the size is no empty object unless the object is empty', async () => {
    const refusal = { status: 416, code: 'InvalidRange', headers: { 'Content-Range': null } };
    await origin.script({ op: 'get', range: /./, do: refusal });
    const error = await failWith(origin, {}, (runtime, uri) => runtime.get(uri), `s3://${BUCKET}/k`);
    expect(error).toMatchObject({ code: 'RangeRejected', attempt: 1 });
    expect(await asked()).toBe(2);
  });

  test('credentials that expire in mid-run are renewed once for all workers, and nothing is lost', async () => {
    const second = { accessKeyId: 'AKIASECOND0000000000', secretAccessKey: 'secondsecondsecond' };
    await origin.configure({ credentials: [origin.credentials, second] });
    let resolutions = 0;
    const credentials = () => {
      resolutions += 1;
      return Promise.resolve(resolutions === 1 ? origin.credentials : second);
    };
    const runtime = await startRuntime(origin, { stores: { s3: s3Options(origin, { credentials }) } });
    try {
      const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/many/`), {
        batchSize: 3,
        prefetchBatches: 1,
      });
      const keys: string[] = [];
      for await (const batch of loader) {
        if (keys.length === 0) await origin.expire();
        for (const item of batch) {
          expect(fault(item.key, item.bytes, 100)).toBeNull();
          keys.push(item.key);
        }
      }
      expect(new Set(keys).size).toBe(30);
      expect(resolutions).toBe(2);
      const refused = (await origin.requests()).filter(({ code }) => code === 'ExpiredToken');
      expect(refused.length).toBeGreaterThan(0);
      expectSum(loader.report);
    } finally {
      await runtime.close();
    }
  });

  test('one bad object ends an epoch with its name, or is skipped and recorded', async () => {
    const uris = Array.from({ length: 20 }, (_, i) => `s3://${BUCKET}/many/${String(i).padStart(2, '0')}`);
    uris[7] = `s3://${BUCKET}/gone`;
    const runtime = await startRuntime(origin);
    try {
      const failing = runtime.loader(ObjectDataset.fromUris(uris), { batchSize: 3 });
      const seen: string[] = [];
      const error = await failureOf(
        (async () => {
          for await (const batch of failing) seen.push(...batch.items.map((item) => item.uri));
        })(),
      );
      expect(error).toMatchObject({ code: 'NotFound', uri: uris[7] });
      expect(seen).toEqual(uris.slice(0, 7));
      expect(failing.report).toMatchObject({ reason: 'failed', delivered: 7, failed: 1 });
      expectSum(failing.report);
      const skipping = runtime.loader(ObjectDataset.fromUris(uris), { batchSize: 3, onError: 'skip' });
      expect(await exhaust(skipping)).toBe(19);
      expect(skipping.report).toMatchObject({ reason: 'completed', delivered: 19, failed: 1 });
      expect(skipping.report?.failures.map(({ uri }) => uri)).toEqual([uris[7]]);
      expectSum(skipping.report);
      await expectIdle(runtime);
    } finally {
      await runtime.close();
    }
  });

  test('an endpoint where nobody listens is ConnectionFailed, and the cause has the code of the system', async () => {
    const nobody = await startOrigin();
    const server = { ...origin, url: nobody.url };
    await nobody.stop();
    const error = await failWith(server, {}, (runtime, uri) => runtime.get(uri), `s3://${BUCKET}/k`);
    expect(error).toMatchObject({ code: 'ConnectionFailed', retryable: true });
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe.skipIf(skipUnless(radosgwAvailable()))('from radosgw', () => {
  let server: Radosgw;
  beforeAll(async () => {
    server = await startRadosgw();
    const client = new S3Client({
      endpoint: server.url,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const Body = patternBytes(objectIdOf('k'), 1000);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body }));
    client.destroy();
  });
  afterAll(() => server.stop());
  const plain = (): S3Server => ({
    url: server.url,
    region: server.region,
    credentials: server.credentials,
  });

  test.each(CALLS)('%s names the cause of each refusal', async (_, call) => {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const refusals: [code: string, service: string, changes: object, uri: string][] = [
      [
        'Unauthenticated',
        'SignatureDoesNotMatch',
        { credentials: { accessKeyId, secretAccessKey: SECRET } },
        `${BUCKET}/k`,
      ],
      [
        'Unauthenticated',
        'InvalidAccessKeyId',
        { credentials: { accessKeyId: 'NOBODY', secretAccessKey } },
        `${BUCKET}/k`,
      ],
      ['NotFound', 'NoSuchBucket', {}, 'no-such-bucket/k'],
      ['NotFound', 'NoSuchKey', {}, `${BUCKET}/nothing`],
      ['AccessDenied', 'AccessDenied', { anonymous: true, credentials: undefined }, `${BUCKET}/k`],
    ];
    for (const [code, service, changes, path] of refusals) {
      const error = await failWith(plain(), changes, call, `s3://${path}`);
      expect([error.code, error.context.serviceCode]).toEqual([code, service]);
      expect(error.retryable).toBe(false);
      expect(error.message).not.toContain(SECRET);
    }
  });

  test('a certificate that is not trusted is ConnectionFailed and says so', async () => {
    const error = await failWith(
      { ...plain(), url: server.secureUrl },
      {},
      (runtime, uri) => runtime.get(uri),
      `s3://${BUCKET}/k`,
    );
    expect(error).toMatchObject({ code: 'ConnectionFailed', retryable: false, attempt: 1 });
    expect(`${error.message} ${String(error.cause)}`).toMatch(/certificate/i);
  });
});

describe('without the SDK', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-bare-'));
    await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    await mkdir(join(directory, 'node_modules'));
    for (const name of ['piscina', 'comlink']) {
      await symlink(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
    }
    await writeFile(
      join(directory, 'main.mjs'),
      `import { Runtime } from './dist/index.js';
      const runtime = await Runtime.start({ workers: 1, stores: { s3: { anonymous: true, region: 'us-east-1' } } });
      const own = await runtime.get(import.meta.url);
      console.log('file', own.bytes.length > 0);
      own.release();
      try { await runtime.get('s3://bucket/key'); } catch (error) { console.log(error.code, error.message); }
      await runtime.close();`,
    );
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('files are read, and s3 says which package to install', async () => {
    const child = runNode(join(directory, 'main.mjs'), { cwd: directory });
    const { code, stdout, stderr } = await child.exit();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('file true');
    expect(stdout).toMatch(/ModuleUnavailable .*npm install @aws-sdk\/client-s3/);
  });
});
