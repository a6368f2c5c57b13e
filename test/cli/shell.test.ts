/** The command as a shell uses it: options that reach the network, odd keys, documents, pipes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Origin, startOrigin } from '../../dist/testing/index.js';
import { runNode } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const DIGEST = fileURLToPath(new URL('../e2e/transforms/digest.mjs', import.meta.url));
/** As objects these keys would take more than twice the heap that the listing is given. */
const MANY = 300_000;
const SMALL_HEAP = '--max-old-space-size=32';
let origin: Origin;
let secure: Origin;
let folder: string;

beforeAll(async () => {
  const objects = [
    { bucket: 'data', prefix: 'small/', count: 12, sizes: [0, 1, 4096, 100_000] },
    { bucket: 'odd', key: 'x/good', size: 5 },
    { bucket: 'escape', key: 'x/\u009b31m\u007f', size: 5 },
    { bucket: 'escape', key: 'x/\u009b\u007f/../x', size: 5 },
    { bucket: 'odd', key: 'x/../up', size: 5 },
    { bucket: 'odd', key: 'x//twice', size: 5 },
    { bucket: 'odd', key: 'x/zero\0', size: 5 },
    { bucket: 'odd', key: 'x/zz/last', size: 5 },
  ];
  origin = await startOrigin({
    objects: [...objects, { bucket: 'many', prefix: 'k/', count: MANY, sizes: [7] }],
  });
  secure = await startOrigin({ objects, secure: true });
});
afterAll(async () => {
  await Promise.all([origin.stop(), secure.stop()]);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-shell-'));
});
afterEach(async () => {
  await origin.reset();
  rmSync(folder, { recursive: true });
});

const envOf = (server: Origin): Record<string, string | undefined> => ({
  AWS_ENDPOINT_URL_S3: server.url,
  AWS_REGION: server.region,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});
const run = (...args: string[]) => runNode(MAIN, { args, env: envOf(origin) }).exit();
const documents = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('how a service is reached', () => {
  it('trusts the bundle that --ca names, and no unknown authority without it', async () => {
    const bundle = join(folder, 'ca.pem');
    writeFileSync(bundle, secure.ca!);
    const stat = (...args: string[]) =>
      runNode(MAIN, { args: ['stat', 's3://data/small/00', '--json', ...args], env: envOf(secure) }).exit();
    const trusted = await stat('--ca', bundle);
    expect([trusted.code, documents(trusted.stdout)[0]]).toEqual([0, expect.objectContaining({ size: 0 })]);
    const unknown = await stat();
    expect([unknown.code, unknown.stdout]).toEqual([1, '']);
    expect(documents(unknown.stderr)[0]).toMatchObject({ error: { code: 'ConnectionFailed' } });
  });

  it('takes credentials, region and endpoint from the profile that --profile names', async () => {
    const { accessKeyId, secretAccessKey } = origin.credentials;
    const config = join(folder, 'config');
    const credentials = join(folder, 'credentials');
    writeFileSync(config, `[profile mill]\nregion = ${origin.region}\nendpoint_url = ${origin.url}\n`);
    writeFileSync(
      credentials,
      `[mill]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n` +
        `[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = wrong\n`,
    );
    const none = Object.fromEntries(Object.keys(envOf(origin)).map((name) => [name, undefined]));
    const env = { ...none, AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials };
    const known = await runNode(MAIN, { args: ['ls', 's3://data/', '--profile', 'mill'], env }).exit();
    expect([known.code, known.stdout]).toEqual([0, expect.stringContaining('s3://data/small/')]);
    const other = [
      'ls',
      's3://data/',
      '--profile',
      'other',
      '--endpoint',
      origin.url,
      '--region',
      origin.region,
    ];
    const refused = await runNode(MAIN, { args: other, env }).exit();
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/Unauthenticated|AccessDenied/),
    ]);
    expect(refused.stderr).not.toContain('wrong');
  });
});

describe('get -r', () => {
  it('leaves out keys that cannot be files below the target, names them, and fetches all others', async () => {
    const target = join(folder, 'in');
    const got = await run('get', '-r', 's3://odd/x/', '-o', target);
    expect(got.code).toBe(1);
    for (const why of ['it has the part ".."', 'it has an empty part', 'it holds a NUL character']) {
      expect(got.stderr).toContain(why);
    }
    expect(got.stderr).toContain('3 keys cannot be files here and were left out');
    expect(new Set(readdirSync(folder, { recursive: true, encoding: 'utf8' }))).toEqual(
      new Set(['in', 'in/good', 'in/zz', 'in/zz/last']),
    );
  });

  it('tells the same with --json, in documents alone', async () => {
    const got = await run('get', '-r', 's3://odd/x/', '-o', folder, '--json', '-v');
    expect(documents(got.stdout)).toMatchObject([{ command: 'get', files: 2, refused: 3 }]);
    const told = documents(got.stderr);
    expect(told.map(({ skipped }) => skipped)).toEqual(
      expect.arrayContaining(['s3://odd/x/../up', 's3://odd/x//twice', 's3://odd/x/zero\0']),
    );
    expect(told).toHaveLength(3);
  });

  it('leaves out files whose names are not UTF-8; each can be fetched by its URI', async () => {
    const from = join(folder, 'from');
    mkdirSync(from);
    writeFileSync(join(from, 'plain'), 'plain');
    for (const byte of [0xfe, 0xff]) {
      writeFileSync(Buffer.concat([Buffer.from(`${from}/`), Buffer.from([byte])]), String(byte));
    }
    const all = await run('get', '-r', `${from}/`, '-o', join(folder, 'to'));
    expect([all.code, all.stderr]).toEqual([1, expect.stringContaining('it is not UTF-8')]);
    expect(readdirSync(join(folder, 'to'))).toEqual(['plain']);
    const one = join(folder, 'one');
    expect((await run('get', `file://${from}/%FE`, '-o', one)).code).toBe(0);
    expect(readFileSync(one, 'utf8')).toBe('254');
  });
});

describe('documents and pipes', () => {
  it('load --verify -v --json prints one document, and what a transform made counts as items', async () => {
    const loaded = await run(
      'load',
      's3://data/small/',
      '--verify',
      'always',
      '-v',
      '--json',
      '--transform',
      DIGEST,
    );
    expect(loaded.code).toBe(0);
    expect(documents(loaded.stdout)).toMatchObject([
      { command: 'load', reason: 'completed', delivered: 12, items: 12, failures: [] },
    ]);
  });

  it('a transform that throws is a failure with its cause, and with --skip-errors a record of each', async () => {
    const transform = join(folder, 'throws.mjs');
    writeFileSync(transform, 'export default () => { throw new TypeError("no sense"); };');
    const failed = await run('load', 's3://data/small/', '--transform', transform, '-v');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^millrace: TransformFailed: /m);
    expect(failed.stderr).toContain('cause: no sense');
    const skipped = await run(
      'load',
      's3://data/small/',
      '--transform',
      transform,
      '--skip-errors',
      '--json',
    );
    expect([skipped.code, documents(skipped.stdout)[0]]).toEqual([
      1,
      expect.objectContaining({ planned: 12, failed: 12, delivered: 0 }),
    ]);
  });

  it('says with --json even what is wrong about the options in a document, with code 2', async () => {
    for (const args of [['--memory', '64M'], ['--memory', '1KiB'], ['--shuffle'], ['--workers', '1000']]) {
      const wrong = await run('load', 's3://data/small/', '--json', ...args);
      expect([wrong.code, wrong.stdout], args.join(' ')).toEqual([2, '']);
      expect(documents(wrong.stderr)).toMatchObject([{ error: { code: 'InvalidArgument' } }]);
    }
  });

  it('never puts a control character into a document, on either stream, and keeps the name', async () => {
    for (const args of [
      ['ls', '-r', 's3://escape/'],
      ['stat', 's3://escape/x/\u009b31m\u007f'],
      ['get', '-r', 's3://escape/', '-o', folder],
      ['stat', 's3://escape/none\u009b\u007f'],
      ['load', 's3://escape/', '--bogus\u009b\u007f'],
    ]) {
      const { stdout, stderr } = await run(...args, '--json');
      expect(`${stdout}${stderr}`, args.join(' ')).not.toMatch(/[\u007f-\u009f]/);
      expect(JSON.stringify([documents(stdout), documents(stderr)]), args.join(' ')).toContain('\u009b');
    }
  });

  it('tells with --json of a signal in documents too', async () => {
    await origin.script({ op: 'list', do: { stall: 'before-head' } });
    const child = runNode(MAIN, { args: ['load', 's3://data/small/', '--json'], env: envOf(origin) });
    await origin.waitFor({ stalled: 1 });
    child.signal('SIGTERM');
    await child.waitForLine(/^\{"note":"SIGTERM: finishing/, { stream: 'stderr' });
    await origin.release();
    const { code, stderr } = await child.exit();
    expect([code, documents(stderr).at(-1)]).toEqual([143, expect.objectContaining({ reason: 'SIGTERM' })]);
  });

  it('ends with code 0 and without a word when the reader of a listing leaves', async () => {
    const child = spawn(process.execPath, [MAIN, 'ls', '-r', 's3://many/k/'], {
      env: { ...process.env, ...envOf(origin) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    child.stdout.once('data', () => child.stdout.destroy());
    expect((await ended)[0]).toBe(0);
    expect(said).not.toContain('millrace');
    // Gone long before the end of the listing: nobody goes on asking for pages.
    expect((await origin.requests({ op: 'list' })).length).toBeLessThan(MANY / 1000 / 2);
  });

  it('lists more keys than its heap could hold', async () => {
    const child = spawn(process.execPath, [SMALL_HEAP, MAIN, 'ls', '-r', 's3://many/k/', '--workers', '1'], {
      env: { ...process.env, ...envOf(origin) },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    let lines = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      for (const byte of chunk) if (byte === 10) lines += 1;
    }
    expect([(await ended)[0], lines]).toEqual([0, MANY]);
  }, 60_000);
});
