/** What cannot be used, of every scheme: the error names what was given, what was expected and what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Runtime } from '../../dist/index.js';
import { exhaust } from './kit.js';

type Call = (runtime: Runtime) => Promise<unknown>;
const get =
  (uri: string): Call =>
  (runtime) =>
    runtime.get(uri, { maxAttempts: 1 });
const load =
  (uri: string): Call =>
  async (runtime) =>
    exhaust(runtime.loader([uri], { maxAttempts: 1 }));
const list =
  (uri: string): Call =>
  async (runtime) => {
    for await (const entry of runtime.list(uri)) void entry;
  };
const put =
  (uri: string): Call =>
  (runtime) =>
    runtime.put(uri, 'text');

describe('a URI', () => {
  let runtime: Runtime;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-unusable-'));
    writeFileSync(join(folder, 'k'), 'bytes');
    runtime = await Runtime.start({
      workers: 1,
      memoryBudget: '16MiB',
      stores: {
        memory: [{ key: 'k', bytes: new Uint8Array(3) }],
        file: { root: folder },
        // Nothing is asked of any service, the region of a bucket neither.
        s3: { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', anonymous: true },
        az: { endpoint: 'http://127.0.0.1:1/account', anonymous: true },
        gs: { endpoint: 'http://127.0.0.1:1', anonymous: true },
      },
    });
  });
  afterAll(async () => {
    await runtime.close();
    rmSync(folder, { recursive: true });
  });

  test.each<[what: string, uri: string, code: string, says: RegExp]>([
    [
      'of no scheme that is known',
      's5://bucket/k',
      'InvalidArgument',
      /unknown scheme s5: expected one of s3:.*file:/,
    ],
    [
      'of another service',
      'https://example.com/k',
      'InvalidArgument',
      /unknown scheme https: expected one of/,
    ],
    ['of a bucket that cannot be', 's3://b/k', 'InvalidArgument', /expected 3 to 63 lower-case/],
    ['without a bucket', 's3:///k', 'InvalidArgument', /names no bucket; expected s3:\/\/bucket\/key/],
    ['of a bucket alone', 's3://bucket', 'InvalidArgument', /names a bucket, not an object; expected a key/],
    [
      'without an account',
      'az:///container/k',
      'InvalidArgument',
      /names an account first; expected az:\/\//,
    ],
    ['without a container', 'az://account', 'InvalidArgument', /names no container; expected az:\/\//],
    ['of a container that cannot be', 'az://account/C/k', 'InvalidArgument', /expected 3 to 63 lower-case/],
    ['of a bucket of gs that cannot be', 'gs://b/k', 'InvalidArgument', /expected 3 to 63 lower-case/],
    ['without a bucket of gs', 'gs:///k', 'InvalidArgument', /names no bucket; expected gs:\/\//],
    ['of half a path', 'file:k', 'InvalidArgument', /not absolute; expected one such as "file:\/\/\//],
    [
      'of a host',
      'direct://host/k',
      'InvalidArgument',
      /names the host "host"; a direct URI has three slashes/,
    ],
    ['of a key with a query', 'file:///k?a', 'InvalidArgument', /write \? as %3F/],
    ['outside of the root', 'file:///etc/passwd', 'InvalidArgument', /root/],
    [
      'that is not percent-encoded',
      'memory:///100%',
      'InvalidArgument',
      /expected one such as "memory:\/\/\//,
    ],
  ])('%s: %s', async (_what, uri, code, says) => {
    for (const call of [get(uri), load(uri)]) {
      await expect(call(runtime)).rejects.toMatchObject({
        name: 'MillraceError',
        code,
        retryable: false,
        message: expect.stringMatching(says) as string,
      });
    }
  });

  test.each<[what: string, call: Call, says: RegExp]>([
    ['a write to memory:', put('memory:///new'), /memory/],
    ['a copy to memory:', (on) => on.copy('memory:///k', 'memory:///new'), /memory/],
    ['a deletion in memory:', (on) => on.delete('memory:///k'), /memory/],
  ])('%s is Unsupported', async (_what, call, says) => {
    await expect(call(runtime)).rejects.toMatchObject({
      code: 'Unsupported',
      retryable: false,
      message: expect.stringMatching(says) as string,
    });
  });
});

describe('a store of one\'s own that answers "cancelled" though nobody has cancelled anything', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    const module = new URL('./modules/cancelling-store.mjs', import.meta.url);
    runtime = await Runtime.start({ workers: 1, memoryBudget: '16MiB', stores: { busy: { module } } });
  });
  afterAll(() => runtime.close());

  test.each<[what: string, call: Call]>([
    ['a read', get('busy://shelf/k')],
    ['a loader', load('busy://shelf/k')],
    ['a write', put('busy://shelf/k')],
    ['a question', (on) => on.head('busy://shelf/k')],
    ['a listing', list('busy://shelf/')],
  ])('fails %s, and keeps nobody waiting', async (_what, call) => {
    await expect(call(runtime)).rejects.toMatchObject({
      code: 'Internal',
      message: expect.stringMatching(/answered "cancelled"/) as string,
    });
  });
});

test.each<[what: string, uri: string, options: object | undefined, code: string, says: RegExp]>([
  // Its files have no size and refuse O_DIRECT.
  [
    'O_DIRECT where the filesystem refuses it',
    'direct:///proc/version',
    undefined,
    'Unsupported',
    /O_DIRECT.*fallback/s,
  ],
  ['a directory', 'file:///proc', undefined, 'Unsupported', /directory/],
  ['a device', 'file:///dev/null', undefined, 'Unsupported', /regular file/],
  ['credentials of nobody', 's3://bucket/k', { credentials: {} }, 'InvalidArgument', /accessKeyId/],
  [
    'two ways at once',
    'az://account/container/k',
    { anonymous: true, accountKey: 'AAAA' },
    'InvalidArgument',
    /exclude each other/,
  ],
  ['an option that there is not', 's3://bucket/k', { regoin: 'x' }, 'InvalidArgument', /"region"/],
  [
    'an option that there is not',
    'az://account/container/k',
    { acountKey: 'x' },
    'InvalidArgument',
    /"accountKey"/,
  ],
  ['an option that there is not', 'direct:///k', { falback: 'error' }, 'InvalidArgument', /"?fallback"?/],
  [
    'an endpoint that is none',
    'az://account/container/k',
    { accountKey: 'AAAA', endpoint: 'here' },
    'InvalidArgument',
    /expected a URL/,
  ],
])('%s (%s) is an error that says what to do', async (_what, uri, options, code, says) => {
  const scheme = uri.slice(0, uri.indexOf(':'));
  const used = async (): Promise<void> => {
    const stores = options === undefined ? {} : { [scheme]: options };
    const runtime = await Runtime.start({ workers: 1, memoryBudget: '16MiB', stores });
    try {
      await get(uri)(runtime);
    } finally {
      await runtime.close();
    }
  };
  await expect(used()).rejects.toMatchObject({ code, message: expect.stringMatching(says) as string });
});
