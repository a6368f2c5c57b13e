/** The budget as an operating system sees it: resident memory of a service, and an object sixteen times the budget. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ObjectDataset } from '../../dist/index.js';
import { environmentOf, startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { expectIdle, fault, KIB, keysInOrder, MIB, startRuntime } from '../e2e/kit.js';

const CHILD = fileURLToPath(new URL('./modules/budget-child.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const BUCKET = 'budget';
const BUDGET = 64 * MIB;
const SIZES = [KIB, 48 * MIB, 100 * KIB, 12 * MIB, 8 * MIB + 1, 1 * MIB, 0, 24 * MIB - 1, 512 * KIB];
const COUNT = 3 * SIZES.length;
const PASSES = 4;
const HUGE = 2 ** 30;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: BUCKET, prefix: 'left/', count: COUNT, sizes: SIZES },
      { bucket: BUCKET, prefix: 'right/', count: COUNT, sizes: SIZES },
      { bucket: BUCKET, key: 'single', size: 9 * MIB },
      { bucket: BUCKET, prefix: 'tiny/', count: 20_000, sizes: [10] },
      { bucket: BUCKET, key: 'huge/one', size: HUGE },
    ],
  });
});
afterAll(() => origin.stop());

test('resident memory stays under what the idle service has and 1.25 times the budget', async () => {
  const { url, region, credentials } = origin;
  const server = { url, region, credentials };
  const given = { server, budgetBytes: BUDGET, passes: PASSES, stallMs: 5000 };
  // The young heaps of five threads would come and go within what is measured here.
  const execArgv = ['--max-semi-space-size=1'];
  const child = runNode(CHILD, { args: [JSON.stringify(given)], execArgv, timeoutMs: 10 * 60_000 });
  const { code, stdout, stderr } = await child.exit();
  expect(code, stderr).toBe(0);
  const seen = JSON.parse(stdout) as {
    idle: number;
    peaks: number[];
    items: number;
    streams: number;
    usedBytes: number;
    arenaPeak: number;
  };
  const above = seen.peaks.map((peak) => (peak - seen.idle) / BUDGET);
  console.info(
    `idle ${Math.round(seen.idle / MIB)} MiB; each pass above that, in budgets: ${above.map((each) => each.toFixed(2)).join(', ')}`,
  );
  expect(seen).toMatchObject({ items: PASSES * 2 * COUNT, streams: 0, usedBytes: 0 });
  expect(seen.arenaPeak).toBeGreaterThan(BUDGET / 2);
  expect(seen.arenaPeak).toBeLessThanOrEqual(BUDGET);
  for (const each of above) expect(each).toBeLessThan(1.25);
});

test('an object of 1 GiB is refused by a loader, and read by ranges', async () => {
  await origin.reset();
  const runtime = await startRuntime(origin, { memoryBudget: BUDGET });
  try {
    const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/huge/`));
    await expect(keysInOrder(loader, () => HUGE)).rejects.toMatchObject({
      code: 'BudgetTooSmall',
      message: expect.stringContaining('getRange (on the command line: millrace cat') as string,
    });
    expect((await origin.requests({ op: 'get' })).map(({ key }) => key)).toEqual([]);
    const length = 48 * MIB;
    for (let start = 0; start < HUGE; start += length) {
      const result = await runtime.getRange(`s3://${BUCKET}/huge/one`, { start, length });
      expect(fault('huge/one', result.bytes, Math.min(length, HUGE - start), start)).toBeNull();
      result.release();
    }
    await expectIdle(runtime);
  } finally {
    await runtime.close();
  }
});

test('an object of 1 GiB goes through the command whole and in order', async () => {
  const child = spawn(process.execPath, [MAIN, 'cat', `s3://${BUCKET}/huge/one`, '--memory', '64MiB'], {
    env: {
      ...process.env,
      ...environmentOf(origin),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(child, 'exit');
  const id = objectIdOf('huge/one');
  let at = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    if (verifyPattern(id, at, chunk) >= 0) expect.unreachable(`wrong behind byte ${at}`);
    at += chunk.length;
  }
  expect([at, (await exit)[0]]).toEqual([HUGE, 0]);
});
