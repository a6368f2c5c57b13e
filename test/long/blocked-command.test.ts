/** The command with a thread that is blocked in a call of the system, which nothing but a kill of the process ends. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runNode, type Running } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const PRELOAD = new URL('../e2e/programs/block-open.mjs', import.meta.url).href;
/** The deadline of the drain, the grace, and time for a machine that is busy. */
const TIMEOUT_MS = 90_000;

let directory: string;
let child: Running | null = null;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-blocked-'));
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  for (const name of ['a', 'b', 'blocked', 'c']) writeFileSync(join(directory, name), name);
});
afterEach(async () => {
  await child?.kill();
  rmSync(directory, { recursive: true });
});

async function blocked(...args: string[]): Promise<Running> {
  child = runNode(MAIN, {
    args,
    env: { NODE_OPTIONS: `--import=${PRELOAD}`, FIFO_PATH: join(directory, 'fifo') },
    timeoutMs: TIMEOUT_MS,
  });
  await child.waitForLine(/^blocking$/, { stream: 'stderr' });
  return child;
}

describe('the command with a blocked thread', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'kills itself after the deadline of %s, and says why',
    async (signal) => {
      const out = join(directory, 'out');
      const running = await blocked(
        'get',
        '-r',
        `${pathToFileURL(directory).href}/`,
        '-o',
        out,
        '--workers',
        '1',
      );
      running.signal(signal);
      const exit = await running.exit();
      expect(exit).toMatchObject({ code: null, signal: 'SIGKILL' });
      expect(exit.stderr).toMatch(
        /^millrace: .*(not over 30 s after|worker-0#0 did not answer).*a thread may be blocked/m,
      );
      expect(readdirSync(out).filter((name) => name.endsWith('.part'))).toEqual([]);
    },
  );

  test('ends at once at the second signal', async () => {
    const running = await blocked('load', `${pathToFileURL(directory).href}/`, '--workers', '1');
    running.signal('SIGTERM');
    await running.waitForLine(/once more to end at once/, { stream: 'stderr' });
    running.signal('SIGTERM');
    expect(await running.exit()).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  test('names the object and the worker that never came back, and ends without a signal too', async () => {
    const running = await blocked(
      'load',
      `${pathToFileURL(directory).href}/`,
      '--workers',
      '1',
      '--skip-errors',
    );
    const exit = await running.exit(3 * TIMEOUT_MS);
    expect(exit).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(exit.stdout).toMatch(/^objects {2}3$/m);
    expect(exit.stderr).toMatch(/skipped file:.*\/blocked: WorkerStuck: /);
    expect(exit.stderr).toContain('worker-0#0');
  });
});
