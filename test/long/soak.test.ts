/** A short soak ends with its report: told to by the clock, or by SIGTERM in the middle of a round. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runNode, type Running } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../soak/main.mjs', import.meta.url));
const LIMIT_MS = 5 * 60_000;

interface Report {
  readonly ok: boolean;
  readonly isCutShort: boolean;
  readonly seed: number;
  readonly rounds: number;
  readonly items: number;
  readonly broken: number;
  readonly firstBroken: readonly string[];
  readonly works: Readonly<Record<string, number>>;
  readonly findings: readonly { readonly promise: string; readonly kept: boolean | null }[];
}

function begin(...args: string[]): Running {
  // As `npm run soak` has them.
  const execArgv = ['--expose-gc', '--min-semi-space-size=16'];
  return runNode(MAIN, { args: [...args, '--json'], execArgv, timeoutMs: LIMIT_MS });
}

test('twenty seconds of soak break no promise, and say what was done', async () => {
  const { code, stdout, stderr } = await begin('--minutes', '0.33', '--seed', '5').exit();
  const report = JSON.parse(stdout) as Report;
  expect(report.firstBroken).toEqual([]);
  expect(report.findings.filter(({ kept }) => kept === false)).toEqual([]);
  expect(report).toMatchObject({ ok: true, isCutShort: false, seed: 5 });
  expect(report.rounds).toBeGreaterThan(0);
  expect(report.items).toBeGreaterThan(9000 * report.rounds);
  expect(report.works).toMatchObject({ prefix: 2 * report.rounds, writes: 2 * report.rounds });
  expect(stderr).toContain('--seed 5');
  expect(code).toBe(0);
});

test('SIGTERM drains a soak in mid-round, which reports and leaves nothing behind', async () => {
  const running = begin('--minutes', '60', '--seed', '6');
  // The line of the first sample: rounds go on behind it.
  await running.waitForLine(/^ +\d+\.\d+ +\d+ /, { stream: 'stderr', timeoutMs: LIMIT_MS });
  running.signal('SIGTERM');
  const { code, signal, stdout } = await running.exit();
  const report = JSON.parse(stdout) as Report;
  expect(report.firstBroken).toEqual([]);
  expect(report).toMatchObject({ ok: true, isCutShort: true, broken: 0 });
  expect({ code, signal }).toEqual({ code: 0, signal: null });
});
