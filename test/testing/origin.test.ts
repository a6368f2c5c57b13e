/** The example of a scripted origin, run by Node's own test runner as a user runs it; and what an origin says when it cannot be had. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../dist/index.js';
import { environmentOf, startOrigin } from '../../dist/testing/index.js';
import { runNode, type Exit } from '../kit/process.mjs';
import { blocks, ROOT } from '../project/markdown.js';

const root = fileURLToPath(ROOT);
const example = blocks('docs/testing.md').find(({ text }) => text.includes('startOrigin'))!.text;
let folder: string;

beforeAll(() => {
  // Below the package, where its own name leads to its build.
  mkdirSync(join(root, '.tmp'), { recursive: true });
  folder = mkdtempSync(join(root, '.tmp/origin-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, text: string): Promise<Exit> {
  const path = join(folder, name);
  writeFileSync(path, text);
  return runNode(path, { cwd: folder, execArgv: ['--test-reporter=tap'] }).exit();
}

describe('the example of a scripted origin', () => {
  it('passes, and its process ends with the test', async () => {
    const exit = await run('example.test.mjs', example);
    expect([exit.code, exit.stdout]).toEqual([0, expect.stringContaining('# pass 1\n')]);
  });

  it('fails where a fault of its script did not strike', async () => {
    const exit = await run(
      'never.test.mjs',
      example.replace("name: 'busy', op: 'get'", "name: 'busy', op: 'put'"),
    );
    expect([exit.code, exit.stdout]).toEqual([1, expect.stringContaining('busy: 0')]);
  });
});

describe('the environment of a process that talks to an origin', () => {
  const url = 'http://127.0.0.1:1';
  const pair = { accessKeyId: 'id', secretAccessKey: 'key' };
  const own = {
    AWS_ENDPOINT_URL_S3: url,
    AWS_REGION: 'r',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
  };

  it('has the session token where the credentials have one, and none where they have not', () => {
    expect(environmentOf({ url, region: 'r', credentials: pair })).toEqual(own);
    const credentials = { ...pair, sessionToken: 'token' };
    expect(environmentOf({ url, region: 'r', credentials })).toEqual({ ...own, AWS_SESSION_TOKEN: 'token' });
  });
});

describe('an origin that cannot be had', () => {
  it('says which dialects there are, and leaves no process', async () => {
    const processes = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
    const before = processes();
    const starting = startOrigin({ dialect: 'ftp' as 's3' });
    await expect(starting).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
      message: 'origin: options.dialect: unknown word "ftp"; known are s3, azure, gcs',
    });
    expect(processes()).toBe(before);
  });

  it('says that HTTPS takes the openssl program', async () => {
    const entry = new URL('dist/testing/index.js', ROOT).href;
    const start = `await import('${entry}').then(({startOrigin}) => startOrigin({secure: true}))`;
    const text = `process.env.PATH = '${folder}';\n${start}.catch((error) => console.log(error.code, error.message));\n`;
    const exit = await run('no-openssl.mjs', text);
    expect(exit.stdout).toMatch(/^ModuleUnavailable .*openssl program .* without `secure`\n$/);
    expect(exit.code).toBe(0);
  });

  it('rejects orders with the reason, and goes on', async () => {
    await using origin = await startOrigin({ buckets: ['b'] });
    await expect(origin.bump('c')).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
      message: 'origin: bump: no bucket c here',
    });
    await expect(origin.waitFor({ requests: 1 }, 20)).rejects.toMatchObject({
      code: ErrorCode.TimedOut,
      message: expect.stringMatching(
        /^origin: waited 20 ms for {"requests":1}, but saw {"requests":0,/,
      ) as string,
    });
    await origin.stop();
    await expect(origin.stats()).rejects.toMatchObject({
      code: ErrorCode.ConnectionFailed,
      retryable: false,
    });
  });
});
