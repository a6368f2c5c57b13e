/** Answers to uploads that are lost, wrong, late or hostile, and what comes of the call. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CancellationToken, type MillraceError, type Runtime } from '../../dist/index.js';
import { startOrigin, type Fault, type Operation, type Origin, type Rule } from '../../dist/testing/index.js';
import { KIB, MIB, s3Options, startRuntime } from './kit.js';
import {
  abortAll,
  BUCKET,
  get,
  PART_BYTES,
  PAYLOAD as LONG,
  quiet,
  settled,
  uploadsOf,
} from './uploads.kit.js';
import { sha256 } from './kit.js';

const PAYLOAD = LONG.subarray(0, 9 * MIB + 12_345);
const DIGEST = sha256(PAYLOAD);
const SMALL = LONG.subarray(0, 100 * KIB);
const OPTIONS = { workers: 2, memoryBudget: '64MiB', maxConnections: 8 };

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({ buckets: [BUCKET], publicBuckets: [BUCKET], minPartBytes: 1 });
  runtime = await startRuntime(origin, OPTIONS);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});
beforeEach(async () => {
  await origin.reset();
  await abortAll(origin);
});

let puts = 0;
type Options = NonNullable<Parameters<Runtime['put']>[2]>;

/** Puts the payload in parts under a rule, and looks at what is there when nothing of it goes on any more. */
async function put(rules: Rule | Rule[], options: Options = {}, bytes: Uint8Array = PAYLOAD) {
  await origin.script(...[rules].flat());
  const key = `answers-${(puts += 1)}`;
  const given = { partBytes: PART_BYTES, ...options };
  const result = await settled(runtime.put(`s3://${BUCKET}/${key}`, bytes, given));
  await quiet(runtime, origin);
  const failure = result.failure as MillraceError | null;
  return { key, failure, version: result.version, object: await get(origin, key) };
}

async function asked(op: Operation): Promise<number> {
  return (await origin.requests({ op })).length;
}

const at = (op: Operation, fault: Fault, nth: number | number[] = 1): Rule => ({ op, nth, do: fault });
const expectPut = (result: Awaited<ReturnType<typeof put>>): void => {
  expect(result.failure).toBeNull();
  expect(result.object).toEqual({ digest: DIGEST, version: result.version });
};

describe('an upload is completed', () => {
  const document = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>no</Message></Error>';
  const raw = (body: string): Fault => ({
    raw: `HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  });

  for (const [name, body] of Object.entries({
    'an error document': document,
    'white space and an error document': `\n  \n${document}`,
    garbage: '<html>gateway</html>',
    nothing: '',
    'half a document': '<CompleteMultipartUploadResult><ETag>"x"</ETag>',
  })) {
    test(`again after 200 with ${name}`, async () => {
      expectPut(await put(at('complete-upload', raw(body))));
      expect(await asked('complete-upload')).toBe(2);
    });
  }

  test('not at all when each answer is 200 with an error document: that is no success', async () => {
    const fault = { status: 200, code: 'InternalError' };
    const result = await put({ op: 'complete-upload', do: fault }, { maxAttempts: 3 });
    expect(result.failure?.code).toBe('ServiceUnavailable');
    expect(result.object).toBeNull();
    expect(await uploadsOf(origin)).toEqual([]);
  });

  test('with the version of the object when the answer to the attempt that did it was lost', async () => {
    expectPut(await put(at('complete-upload', { reset: 'before-head' })));
    expect(await asked('complete-upload')).toBe(2);
  });

  test('with the version of the object when the question for it fails at first', async () => {
    const lost = at('complete-upload', { reset: 'before-head' });
    expectPut(await put([lost, at('head', { status: 500 })]));
  });

  test('only if nobody was there before, and is known to be when the answer was lost', async () => {
    expectPut(await put(at('complete-upload', { reset: 'before-head' }), { ifAbsent: true }));
  });

  test('not when it is gone and another object of the same size is there', async () => {
    const key = `answers-${puts + 1}`;
    const other = PAYLOAD.map((byte) => byte ^ 1);
    await runtime.put(`s3://${BUCKET}/${key}`, other);
    // The attempt is never carried out, and the upload is taken away meanwhile.
    const refused: Rule = { op: 'complete-upload', do: { status: 404, code: 'NoSuchUpload' } };
    const result = await put([at('complete-upload', { onBody: { at: 'whole', do: 'reset' } }), refused]);
    expect(result.failure).toMatchObject({ code: 'NotFound' });
    expect(result.failure?.message).toMatch(/an earlier attempt .* had no answer/);
    expect(result.object?.digest).toBe(sha256(other));
  });

  test('not by two writers who both say that nobody was there before', async () => {
    const key = `answers-${puts + 1}`;
    await runtime.put(
      `s3://${BUCKET}/${key}`,
      PAYLOAD.map((byte) => byte ^ 1),
    );
    // S3 ends an upload whose completion met another write: what is there is the other writer's.
    const conflict = at('complete-upload', { status: 409, code: 'ConditionalRequestConflict' });
    const gone: Rule = { op: 'complete-upload', do: { status: 404, code: 'NoSuchUpload' } };
    const result = await put([conflict, gone], { ifAbsent: true });
    expect(result.failure).toMatchObject({ code: 'NotFound' });
    expect(result.failure?.message).not.toMatch(/earlier attempt/);
  });
});

describe('an upload that cannot be completed', () => {
  test('is aborted, and again when the answer to that was lost', async () => {
    const refused = at('complete-upload', { status: 403, code: 'AccessDenied' });
    const result = await put([refused, at('abort-upload', { reset: 'before-head' })]);
    expect(result.failure?.code).toBe('AccessDenied');
    expect(await asked('abort-upload')).toBe(2);
    expect(await uploadsOf(origin)).toEqual([]);
  });

  test('stays listed when the service refuses the abort, and the call tells its own failure', async () => {
    const refused = at('complete-upload', { status: 403, code: 'AccessDenied' });
    const result = await put([refused, { op: 'abort-upload', do: { status: 403, code: 'AccessDenied' } }]);
    expect(result.failure).toMatchObject({ code: 'AccessDenied', uri: `s3://${BUCKET}/${result.key}` });
    expect(await uploadsOf(origin)).toEqual([result.key]);
  });

  test('leaves one that nobody knows when the answer to its begin was lost, and that one is listed', async () => {
    const result = await put(at('create-upload', { reset: 'before-head' }));
    expectPut(result);
    expect(await asked('create-upload')).toBe(2);
    expect(await uploadsOf(origin)).toEqual([result.key]);
  });
});

describe('a put only if there is no such object', () => {
  for (const [kind, bytes] of Object.entries({ small: SMALL, large: PAYLOAD })) {
    test(`is refused by the object that is there: ${kind}`, async () => {
      const { key } = await put([], {}, bytes);
      const failing = runtime.put(`s3://${BUCKET}/${key}`, bytes, { ifAbsent: true, partBytes: PART_BYTES });
      await expect(failing).rejects.toMatchObject({ code: 'AlreadyExists' });
      expect(await uploadsOf(origin)).toEqual([]);
    });
  }

  test('tells that its own attempt may have made what is there when the answer to that was lost', async () => {
    const result = await put(at('put', { reset: 'before-head' }), { ifAbsent: true }, SMALL);
    expect(result.failure?.code).toBe('AlreadyExists');
    expect(result.failure?.message).toMatch(/an earlier attempt .* read the object to find out/);
    expect(result.object?.digest).toBe(sha256(SMALL));
  });

  test('is made again after 409, which says that it was not carried out', async () => {
    const conflict = at('put', { status: 409, code: 'ConditionalRequestConflict' });
    const result = await put(conflict, { ifAbsent: true }, SMALL);
    expect(result.failure).toBeNull();
    expect(result.object?.digest).toBe(sha256(SMALL));
  });
});

describe('parts', () => {
  test('outlive a storm of 503', async () => {
    const storm: Rule = { op: 'put-part', probability: 0.4, seed: 11, do: { status: 503, code: 'SlowDown' } };
    expectPut(await put(storm, { maxAttempts: 20 }));
    expect(
      (await origin.requests({ op: 'put-part' })).filter(({ status }) => status === 503).length,
    ).toBeGreaterThan(2);
  });

  for (const code of ['BadDigest', 'XAmzContentSHA256Mismatch', 'RequestTimeout']) {
    test(`are sent again after 400 ${code}`, async () => {
      expectPut(await put(at('put-part', { status: 400, code }, [2, 5])));
    });
  }

  test('are sent again when the service echoes another checksum', async () => {
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' };
    expectPut(await put(at('put-part', { headers }, 3)));
    expect(await asked('put-part')).toBe(11);
  });

  test('are sent again when nothing is echoed and the ETag is the MD5 of something else', async () => {
    const headers = { 'x-amz-checksum-crc32': null, ETag: '"00112233445566778899aabbccddeeff"' };
    expectPut(await put(at('put-part', { headers }, 3)));
    expect(await asked('put-part')).toBe(11);
  });

  test('with an ETag that the service does not know later fail the call, and nothing is visible', async () => {
    const result = await put(at('put-part', { headers: { ETag: '"0123-strange"' } }, 3));
    expect(result.failure).not.toBeNull();
    expect(result.object).toBeNull();
    expect(await uploadsOf(origin)).toEqual([]);
  });

  test('are not sent to the end when the service says no in the middle', async () => {
    const fault: Fault = { onBody: { at: 1000, do: 'answer' }, status: 403, code: 'AccessDenied' };
    const result = await put(at('put-part', fault, 4));
    expect(result.failure?.code).toBe('AccessDenied');
    expect(result.object).toBeNull();
    expect(await uploadsOf(origin)).toEqual([]);
  });

  test('go on when the service says 503 in the middle of many', async () => {
    const fault: Fault = { onBody: { at: 1000, do: 'answer' }, status: 503, code: 'SlowDown' };
    expectPut(await put(at('put-part', fault, [2, 3, 4])));
  });
});

describe('credentials', () => {
  test('that expire in the middle of an upload are renewed once, and the upload goes on', async () => {
    const old = { accessKeyId: 'AKIAFIRST', secretAccessKey: 'first' };
    const fresh = { accessKeyId: 'AKIASECOND', secretAccessKey: 'second' };
    await using own = await startOrigin({ buckets: [BUCKET], minPartBytes: 1, credentials: [old, fresh] });
    let given = 0;
    const credentials = (): Promise<typeof old> => Promise.resolve((given += 1) === 1 ? old : fresh);
    const stores = { s3: { ...s3Options(own), credentials } };
    await using renewing = await startRuntime(own, { ...OPTIONS, stores });
    await own.script(at('put-part', { stall: 'before-head' }, 3));
    const putting = renewing.put(`s3://${BUCKET}/renewed`, PAYLOAD, { partBytes: PART_BYTES });
    await own.waitFor({ stalled: 1 });
    await own.expire(old.accessKeyId);
    await own.release();
    expect((await putting).size).toBe(PAYLOAD.length);
    expect(given).toBe(2);
  });
});

describe('a begin that has no answer', () => {
  test('is given up a few seconds after a cancel', async () => {
    await origin.script(at('create-upload', { stall: 'before-head' }));
    const token = new CancellationToken();
    const putting = settled(runtime.put(`s3://${BUCKET}/begun`, PAYLOAD, { token }));
    await origin.waitFor({ stalled: 1 });
    token.cancel('enough');
    expect((await putting).failure).toMatchObject({ code: 'Cancelled' });
    await quiet(runtime, origin);
    // Its name never came: nobody but who lists uploads can end it.
    expect(await uploadsOf(origin)).toEqual(['begun']);
  });
});
