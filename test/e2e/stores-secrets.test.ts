/** Whatever fails, in whatever way: no secret is in what is told of it. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { startOrigin } from '../../dist/testing/index.js';
import { runNode } from '../kit/process.mjs';
import { deaths, DEADLY } from './crash.kit.js';
import {
  FORMATS,
  keyOf,
  revealed,
  seen,
  startEcho,
  STATUSES,
  thrownBy,
  type EchoServer,
  type Secrets,
} from './stores-secrets.kit.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ACCOUNT = 'originaccount';
const SECRET = 'kEy+MARKER/of/the+S3/secret+Access+Key09';
const SESSION = 'FwoG/ZXIvYXdz+MARKER/session+token//0123456789abcdefghijklmnopqrstuvwxyz==';
const KEY = Buffer.from('MARKER-of-an-account-key-that-has-sixty-four-characters-in-it-01').toString(
  'base64',
);
const SIGNATURE = 'sIg+MARKER/of/a+shared+access/signature+0123=';
const BEARER = 'ya29.MARKER-of_a.bearer-token_0123456789abcdefghijklmnopqrstuvwxyz';
const SAS = `sv=2023-11-03&ss=b&srt=sco&sp=rlw&se=2099-01-01T00:00:00Z&sig=${encodeURIComponent(SIGNATURE)}`;
const connectionString = (url: string): string =>
  `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${url}/${ACCOUNT}`;

/** One way to be known to a service. */
interface Way {
  readonly name: string;
  readonly scheme: string;
  /** What all its URIs begin with. */
  readonly begin: string;
  readonly secrets: Secrets;
  readonly options: (url: string) => Record<string, unknown>;
  /** Environment of the command, where it can be told by that. */
  readonly env?: (url: string) => Record<string, string>;
}

const az = (url: string): { endpoint: string } => ({ endpoint: `${url}/${ACCOUNT}` });
const AZ = { scheme: 'az', begin: `az://${ACCOUNT}/bucket/` };
const GS = { scheme: 'gs', begin: 'gs://bucket/' };
const WAYS: readonly Way[] = [
  {
    name: 's3 by a session',
    scheme: 's3',
    begin: 's3://bucket/',
    secrets: { SECRET, SESSION },
    options: (endpoint) => ({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAMARKER0000000000', secretAccessKey: SECRET, sessionToken: SESSION },
    }),
    env: (url) => ({
      AWS_ENDPOINT_URL_S3: url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIAMARKER0000000000',
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_SESSION_TOKEN: SESSION,
    }),
  },
  { ...AZ, name: 'az by key', secrets: { KEY }, options: (url) => ({ ...az(url), accountKey: KEY }) },
  {
    ...AZ,
    name: 'az by shared access signature',
    secrets: { SIGNATURE },
    options: (url) => ({ ...az(url), sasToken: SAS }),
  },
  {
    ...AZ,
    name: 'az by connection string',
    secrets: { KEY },
    options: (url) => ({ connectionString: connectionString(url) }),
    env: (url) => ({ AZURE_STORAGE_CONNECTION_STRING: connectionString(url) }),
  },
  {
    ...AZ,
    name: 'az by token',
    secrets: { BEARER },
    options: (url) => ({
      ...az(url),
      credential: () => Promise.resolve({ token: BEARER, expiresOnTimestamp: Date.now() + 3_600_000 }),
    }),
  },
  {
    ...GS,
    name: 'gs by token',
    secrets: { BEARER },
    options: (endpoint) => ({ endpoint, credentials: () => Promise.resolve({ accessToken: BEARER }) }),
  },
  {
    ...GS,
    name: 'gs by HMAC key',
    secrets: { SECRET },
    options: (endpoint) => ({ endpoint, hmac: { accessId: 'GOOG1EMARKER00000000', secret: SECRET } }),
  },
];

/** Everything that can be asked for, once. */
function callsOf(runtime: Runtime, uri: string): (() => Promise<unknown>)[] {
  return [
    () => runtime.get(uri, { maxAttempts: 1 }),
    () => runtime.get(uri, { maxAttempts: 1, size: 10, verify: 'always' }),
    () => runtime.head(uri),
    async () => {
      for await (const entry of runtime.list(uri)) void entry;
    },
    () => runtime.put(uri, 'text', { maxAttempts: 1 }),
    () => runtime.delete(uri, { maxAttempts: 1 }),
    () => runtime.copy(uri, `${uri}-copy`, { maxAttempts: 1 }),
  ];
}

/** Runs all calls beside each other; what they failed with, and what the runtime tells of itself. */
async function failuresOf(options: Record<string, unknown>, scheme: string, uris: readonly string[]) {
  const runtime = await Runtime.start({ workers: 1, memoryBudget: '32MiB', stores: { [scheme]: options } });
  try {
    const calls = uris.flatMap((uri) => callsOf(runtime, uri));
    const thrown = await Promise.all(calls.map((call) => thrownBy(call)));
    const impatient = { onError: 'skip', maxAttempts: 1, throttleTimeoutMs: 100 } as const;
    const loader = runtime.loader(ObjectDataset.fromUris(uris), impatient);
    const failed = await thrownBy(async () => {
      for await (const batch of loader) void batch;
    });
    const told = [...thrown, failed, loader.report, runtime.explain(), await runtime.stats()];
    return { thrown, text: told.map(seen).join('\n') };
  } finally {
    await runtime.close();
  }
}

let echo: EchoServer;
beforeAll(async () => {
  echo = await startEcho();
});
afterAll(() => echo.stop());

// Beside each other: most of their time is waited between attempts.
describe.concurrent.each(WAYS)('$name', ({ scheme, begin, secrets, options }) => {
  test('a service that repeats what it was sent', async () => {
    // What is tried again takes seconds, and its document is read as that of the others is.
    const uris = FORMATS.flatMap((format) =>
      STATUSES.filter((status) => status < 500 || format === 'word').map(
        (status) => `${begin}${keyOf(status, format)}`,
      ),
    );
    const before = echo.requests();
    const { thrown, text } = await failuresOf(options(echo.url), scheme, uris);
    expect(echo.requests() - before).toBeGreaterThan(uris.length * 4);
    expect(thrown.filter((one) => one !== null).length).toBeGreaterThan(uris.length * 4);
    expect(revealed(text, secrets)).toEqual([]);
  }, 120_000);

  test('a service that does not know the credentials', async () => {
    const dialect = { s3: 's3', az: 'azure', gs: 'gcs' }[scheme] as 's3';
    await using origin = await startOrigin({ dialect, objects: [{ bucket: 'bucket', key: 'k', size: 9 }] });
    const { thrown, text } = await failuresOf(options(origin.url), scheme, [`${begin}k`]);
    for (const error of thrown) expect(error).toBeInstanceOf(Error);
    expect(revealed(text, secrets)).toEqual([]);
  });

  test('nobody who listens, and a certificate of nobody', async () => {
    await using secure = await startOrigin({ secure: true });
    for (const url of ['http://127.0.0.1:1', secure.url]) {
      const { thrown, text } = await failuresOf(options(url), scheme, [`${begin}k`]);
      expect(thrown[0]).toMatchObject({ code: 'ConnectionFailed' });
      expect(revealed(text, secrets)).toEqual([]);
    }
  });

  test('workers that die', async () => {
    const dialect = { s3: 's3', az: 'azure', gs: 'gcs' }[scheme] as 's3';
    await using origin = await startOrigin({ dialect });
    const memory = [{ key: 'b/k', bytes: new Uint8Array(9) }];
    const stores = { memory, [scheme]: options(origin.url) };
    const runtime = await Runtime.start({ workers: 1, memoryBudget: '32MiB', stores });
    // The workers have the credentials when they die.
    const refused = await thrownBy(() => runtime.head(`${begin}k`));
    const transform = { url: DEADLY, options: deaths(1, new Map(), { key: 'b/k', way: 'throw' }) };
    const loader = runtime.loader(ObjectDataset.fromUris(['memory:///b/k']), { transform });
    const crashed = await thrownBy(async () => {
      for await (const batch of loader) void batch;
    });
    expect(crashed).toMatchObject({ code: 'WorkerCrashed' });
    const told = [refused, crashed, loader.report, await runtime.stats(), await runtime.close()];
    expect(revealed(told.map(seen).join('\n'), secrets)).toEqual([]);
  });
});

const TOLD = WAYS.filter(({ env }) => env !== undefined);

test.concurrent.each(TOLD)('the command with credentials of $name', async ({ name, begin, secrets, env }) => {
  const uri = `${begin}${keyOf(403, 'xml')}`;
  const runs = [
    ['ls', uri],
    ['cat', uri],
    ['load', uri, '--json'],
    ['explain', uri],
    ['stat', uri, '--nonsense'],
  ];
  const exits = await Promise.all(runs.map((args) => runNode(MAIN, { args, env: env!(echo.url) }).exit()));
  const text = exits.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  expect(text.length, name).toBeGreaterThan(200);
  expect(revealed(text, secrets)).toEqual([]);
});

const LITTER = 'sEcrEt+MARKER/that/stands+where+it+must/not+stand=0123456789';
const PEM = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(LITTER.repeat(4)).toString('base64')}\n-----END PRIVATE KEY-----\n`;
const SECRETS = { PEM, LITTER, SIGNATURE, KEY };

describe('a URI that holds a secret', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await Runtime.start({ workers: 1, memoryBudget: '32MiB' });
  });
  afterAll(async () => {
    await runtime.close();
  });

  test.each([
    `s3://AKIAMARKER:${LITTER}@bucket/k`,
    `s3://AKIAMARKER:${encodeURIComponent(LITTER)}@bucket/k`,
    `s3://bucket?X-Amz-Security-Token=${encodeURIComponent(LITTER)}`,
    `https://bucket.s3.amazonaws.com/k?X-Amz-Signature=${encodeURIComponent(LITTER)}`,
    `az://${ACCOUNT}:${KEY}@bucket/k`,
    `az://${ACCOUNT}/bucket/k?${SAS}`,
    `az://${ACCOUNT}/bucket?${SAS}`,
    `az://${ACCOUNT}?${SAS}`,
    `https://${ACCOUNT}.blob.core.windows.net/bucket/k?${SAS}`,
    `https://${ACCOUNT}:${encodeURIComponent(LITTER)}@${ACCOUNT}.blob.core.windows.net/bucket/k`,
    `gs://user:${encodeURIComponent(LITTER)}@bucket/k`,
    `https://storage.googleapis.com/bucket/k?X-Goog-Signature=${encodeURIComponent(LITTER)}`,
    `file://user:${encodeURIComponent(LITTER)}@host/k`,
    `direct://user:${encodeURIComponent(LITTER)}@host/k`,
    `memory://user:${encodeURIComponent(LITTER)}@host/k`,
    `ftp://user:${encodeURIComponent(LITTER)}@host/k`,
    `S3://AKIAMARKER:${LITTER}@bucket/k`,
    `ftp://user:${LITTER}@host/k`,
  ])('%#', async (uri) => {
    const calls = [
      ...callsOf(runtime, uri),
      () => runtime.loader(uri),
      () => runtime.loader([uri])[Symbol.asyncIterator]().next(),
    ];
    const errors = await Promise.all(calls.map((call) => thrownBy(call)));
    for (const error of errors) expect(error).toMatchObject({ name: 'MillraceError' });
    expect(revealed(errors.map(seen).join('\n'), SECRETS)).toEqual([]);
  });

  test.each([`s3://AKIAMARKER:${LITTER}@bucket/k`, `az://${ACCOUNT}/bucket/k?${SAS}`])(
    'given to the command, %#',
    async (uri) => {
      const { code, stdout, stderr } = await runNode(MAIN, { args: ['cat', uri] }).exit();
      expect(code).not.toBe(0);
      expect(revealed(stdout + stderr, SECRETS)).toEqual([]);
    },
  );
});

const junk = (): Promise<never> =>
  Promise.reject(Object.assign(new Error(`got ${LITTER}`), { secret: LITTER }));
const wrapped = (): Promise<never> => {
  const cause = new Error(`Authorization: ${LITTER}`);
  return Promise.reject(new Error('the provider failed', { cause }));
};

describe('an option that cannot work', () => {
  test.each<[scheme: string, options: object]>([
    ['s3', { credentials: LITTER }],
    ['s3', { credentials: { accessKeyId: LITTER } }],
    ['s3', { credentials: { accessKeyId: 'AKIA', secretAccessKey: LITTER, sessionToken: 5 } }],
    ['s3', { secretAccessKey: LITTER }],
    ['s3', { endpoint: `http://user:${encodeURIComponent(LITTER)}@127.0.0.1:1` }],
    ['s3', { endpoint: `http://127.0.0.1:1?token=${encodeURIComponent(LITTER)}` }],
    ['s3', { endpoints: [`http://user:${encodeURIComponent(LITTER)}@127.0.0.1:1`, 'http://127.0.0.1:2'] }],
    ['s3', { ca: LITTER }],
    ['s3', { region: 'us-east-1', credentials: junk }],
    ['s3', { region: 'us-east-1', credentials: wrapped }],
    ['s3', { region: 'us-east-1', credentials: () => Promise.resolve({ key: LITTER }) }],
    ['az', { accountKey: `${LITTER}!` }],
    ['az', { accountkey: LITTER }],
    ['az', { sasToken: LITTER }],
    ['az', { sasToken: `?sv=1&sig=${LITTER} x` }],
    ['az', { connectionString: `AccountName=${ACCOUNT};AccountKey=${LITTER}` }],
    ['az', { connectionString: LITTER }],
    ['az', { connectionString: connectionString(`http://user:${encodeURIComponent(LITTER)}@h`) }],
    ['az', { connectionString: `AccountName=another;AccountKey=${KEY};EndpointSuffix=core.windows.net` }],
    ['az', { accountKey: KEY, sasToken: SAS }],
    ['az', { credential: LITTER }],
    ['az', { credential: junk }],
    ['az', { credential: { getToken: wrapped } }],
    ['az', { credential: () => Promise.resolve({ token: `${LITTER}\n`, expiresOnTimestamp: Infinity }) }],
    ['az', { sasToken: () => Promise.resolve(LITTER) }],
    ['az', { sasToken: junk }],
    ['az', { endpoint: `http://user:${encodeURIComponent(LITTER)}@127.0.0.1:1` }],
    ['az', { apiVersion: LITTER }],
    ['gs', { credentials: LITTER }],
    ['gs', { credentials: { client_email: 'a@b', private_key: LITTER } }],
    // Not a key: it is refused before anybody is asked for a token.
    ['gs', { credentials: { client_email: 'a@b.iam.gserviceaccount.com', private_key: PEM } }],
    ['gs', { credentials: junk }],
    ['gs', { credentials: wrapped }],
    ['gs', { credentials: () => Promise.resolve({ accessToken: `${LITTER}\n` }) }],
    ['gs', { hmac: LITTER }],
    ['gs', { hmac: { accessId: 'GOOG', secret: `${LITTER}\n` } }],
    ['gs', { hmacSecret: LITTER }],
    ['gs', { keyFilename: `/nowhere/${'k'.repeat(20)}.json` }],
    ['gs', { endpoint: `http://user:${encodeURIComponent(LITTER)}@127.0.0.1:1` }],
    ['gs', { userProject: `${LITTER} x` }],
    ['gs', { ca: LITTER }],
    ['file', { root: 5, token: LITTER }],
    ['direct', { root: '/tmp', fallback: 'error', token: LITTER }],
    ['http', { token: LITTER }],
  ])('%s, %#', async (scheme, options) => {
    const error = await thrownBy(async () => {
      const runtime = await Runtime.start({
        workers: 1,
        memoryBudget: '32MiB',
        stores: { [scheme]: options },
      });
      try {
        await runtime.head(scheme === 'az' ? `az://${ACCOUNT}/bucket/k` : `${scheme}://bucket/k`);
      } finally {
        await runtime.close();
      }
    });
    expect(error).toMatchObject({ name: 'MillraceError' });
    expect(revealed(seen(error), SECRETS)).toEqual([]);
  });
});
