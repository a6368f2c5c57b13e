/** The command as a process of its own, against the scripted S3 server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { environmentOf, type Origin, startOrigin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const BIG_BYTES = 20 * 2 ** 20 + 7;
const SIZES = [0, 1, 4096, 100_000];
let origin: Origin;
let env: Record<string, string>;
let out: string;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'data', prefix: 'small/', count: 40, sizes: SIZES, perFolder: 10 },
      { bucket: 'data', key: 'big', size: BIG_BYTES },
      { bucket: 'evil', key: 'x/../../escaped', size: 5 },
      { bucket: 'evil', key: 'red\u001b[31m', size: 5 },
    ],
  });
  env = environmentOf(origin);
});
afterAll(() => origin.stop());
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
});
afterEach(async () => {
  await origin.reset();
  rmSync(out, { recursive: true });
});

const start = (...args: string[]) => runNode(MAIN, { args, env });
const run = (...args: string[]) => start(...args).exit();

describe('the command', () => {
  it('lists one level, and everything', async () => {
    const level = await run('ls', 's3://data/');
    expect(level.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(level.stdout).toContain('s3://data/small/');
    const all = await run('ls', '-r', '--json', 's3://data/small/');
    expect(all.code).toBe(0);
    const sizes = all.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { size: number }).size);
    expect(sizes).toEqual(Array.from({ length: 40 }, (_, i) => SIZES[i % SIZES.length]));
  });

  it('fetches a prefix, and an object larger than the budget, byte for byte', async () => {
    const got = await run('get', '-r', 's3://data/', '-o', out, '--memory', '4MiB', '--workers', '2');
    expect([got.code, got.stderr]).toEqual([0, expect.not.stringContaining('millrace:')]);
    const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    expect(files).toHaveLength(41);
    let bytes = 0;
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      const content = readFileSync(path);
      bytes += content.length;
      expect(verifyPattern(objectIdOf(path.slice(out.length + 1)), 0, content), path).toBe(-1);
    }
    expect(bytes).toBe(BIG_BYTES + 10 * SIZES.reduce((a, b) => a + b, 0));
  });

  it('never writes outside of the target directory', async () => {
    const got = await run('get', '-r', 's3://evil/x/', '-o', join(out, 'a', 'b'));
    expect(got.code).toBe(1);
    expect(got.stderr).toContain('InvalidArgument: the key "x/../../escaped" cannot be a file');
    expect([existsSync(join(out, 'escaped')), existsSync(join(out, 'a', 'escaped'))]).toEqual([false, false]);
  });

  it('streams an object of any size, whole and in order', async () => {
    const child = spawn(process.execPath, [MAIN, 'cat', 's3://data/big', '--memory', '4MiB'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exit = once(child, 'exit');
    const id = objectIdOf('big');
    let at = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      expect(verifyPattern(id, at, chunk)).toBe(-1);
      at += chunk.length;
    }
    expect([at, (await exit)[0]]).toEqual([BIG_BYTES, 0]);
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, [MAIN, 'cat', 's3://data/big'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exit = once(child, 'close');
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    child.stdout.once('data', () => child.stdout.destroy());
    expect((await exit)[0]).toBe(0);
    expect(said).not.toContain('millrace:');
  });

  it('tells failure and wrong usage apart, in one line with the code', async () => {
    const missing = await run('stat', 's3://data/none');
    expect([missing.code, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toMatch(/^millrace: NotFound: .*$/m);
    const wrong = await run('get', '--memroy', '1MiB', 's3://data/x');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('did you mean "--memory"?')]);
  });

  it('loads, and its record adds up', async () => {
    const { stdout, code } = await run('load', 's3://data/', '--json', '--shuffle=10', '--seed', '7');
    const record = JSON.parse(stdout) as Record<string, unknown>;
    expect([code, record['delivered'], record['reason']]).toEqual([0, 41, 'completed']);
  });
});

describe('a signal', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    '%s drains: no half file stays, and the record says what was left',
    async (signal, expected) => {
      await origin.script({ key: 'big', op: 'get', nth: 2, do: { stall: 1000 } });
      const child = start('get', 's3://data/big', '-o', join(out, 'big'), '--memory', '4MiB');
      await origin.waitFor({ stalled: 1 });
      child.signal(signal);
      await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
      await origin.release();
      const { code, stderr } = await child.exit();
      expect(code).toBe(expected);
      expect(stderr).toMatch(new RegExp(`ended by ${signal}: 0 files; planned \\d+ = delivered`));
      expect(readdirSync(out)).toEqual([]);
    },
  );

  it('ends the process at once when it comes twice, and removes the temporary file', async () => {
    await origin.script({ key: 'big', op: 'get', range: /^bytes=1[0-9]{7}-/, do: { stall: 1000 } });
    const watcher = watch(out);
    const made = once(watcher, 'change', { signal: AbortSignal.timeout(20_000) });
    const child = start('get', 's3://data/big', '-o', join(out, 'big'), '--memory', '8MiB');
    await Promise.all([origin.waitFor({ stalled: 1 }), made]);
    watcher.close();
    expect(readdirSync(out)).toEqual([expect.stringMatching(/\.part$/)]);
    child.signal('SIGINT');
    await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
    child.signal('SIGINT');
    const { signal } = await child.exit();
    expect(signal).toBe('SIGINT');
    expect(readdirSync(out)).toEqual([]);
  });
});
