/** Two hundred stops at random instants, and as many left loops: what the process holds afterwards is what it held before. */
import { getEventListeners } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import { CountedToken } from '../kit/counted-token.js';
import { BUCKET, connectionsKept, OBJECTS, takenIn } from '../e2e/cancel.kit.js';
import { between, connectionsGone, dice, exhaust, expectIdle, expectSum, startRuntime } from '../e2e/kit.js';
import { backToBaseline, excess, pendingTimers, takeBaseline, type Holdings } from '../kit/leaks.mjs';
import { startOrigin, type Origin } from '../../dist/testing/index.js';

const RUNS = 200;
const MANY = `s3://${BUCKET}/many/`;

let origin: Origin;
let runtime: Runtime;
let before: Holdings;
/** With the runtime started and every worker in use. */
let running: Holdings;
let timers: number;
/** How long a run takes that nobody stops. */
let wholeMs: number;

beforeAll(async () => {
  origin = await startOrigin({ objects: OBJECTS });
  before = await takeBaseline();
  runtime = await startRuntime(origin);
  await everything(null);
  const startedAt = performance.now();
  await everything(null);
  wholeMs = performance.now() - startedAt;
  running = await takeBaseline();
});
beforeEach(async () => {
  await immediate();
  timers = pendingTimers();
});
afterAll(() => origin.stop());

/** Many small objects, a large one and a listing, all at the same time. */
async function everything(token: CountedToken | null, signal?: AbortSignal) {
  const stop = { ...(token === null ? {} : { token }), ...(signal === undefined ? {} : { signal }) };
  const loader = runtime.loader(ObjectDataset.fromPrefix(MANY), { batchSize: 6, ...stop });
  const list = async (): Promise<void> => {
    for await (const entry of runtime.list(MANY, stop)) expect(entry.kind).toBe('object');
  };
  const get = async (): Promise<void> => (await runtime.get(`${MANY}zz-large`, stop)).release();
  const results = await Promise.allSettled([exhaust(loader), list(), get()]);
  return { loader, results };
}

function expectStopped({ loader, results }: Awaited<ReturnType<typeof everything>>): void {
  if (loader.report !== null) expectSum(loader.report);
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    expect(result.reason).toBeInstanceOf(MillraceError);
    expect((result.reason as MillraceError).code).toBe('Cancelled');
  }
}

/** Nothing of a run that was stopped is left, and the workers serve the next one. */
async function expectClean(): Promise<void> {
  await expectIdle(runtime);
  const { workers, deaths } = await runtime.stats();
  expect(deaths).toBe(0);
  expect(Object.keys(workers)).toEqual(['worker-0#0', 'worker-1#0']);
  for (const stats of Object.values(workers)) {
    expect(stats).toMatchObject({ busy: 0, queued: 0, connectionsActive: 0 });
  }
  await takenIn(runtime, origin);
  expect(await exhaust(runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/after/`)))).toBe(12);
  // Connections that are kept for the next run come and go; threads and whatever holds the event loop do not.
  expect(excess(running).filter((line) => !line.includes('descriptors'))).toEqual([]);
  // The supervisor looks for work once more, in the next turn.
  await immediate();
  expect(pendingTimers()).toBeLessThanOrEqual(timers);
  // What the runtime has open, and nothing else. (How many a server sees at a time is no claim: it may accept a connection before
  // it reads that the one before has ended. test/transport counts the descriptors.)
  expect(await connectionsKept(runtime)).toBeLessThanOrEqual(16);
  expect((await origin.stats()).connections).toBeLessThanOrEqual(16);
}

function report(what: string, settleMs: number[]): void {
  const sorted = settleMs.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  console.log(
    `${what}: ${sorted.length} in mid-run (a whole run takes about ${wholeMs.toFixed(0)} ms); ` +
      `settled after ${at(0.5)} ms (median), ${at(0.99)} ms (p99), ${at(1)} ms (longest)`,
  );
}

test(`a cancel at ${RUNS} random instants`, async () => {
  const random = dice(1);
  const settleMs: number[] = [];
  // A stop that comes after the end shows nothing, and does not count.
  for (let run = 0; settleMs.length < RUNS; run += 1) {
    const token = new CountedToken();
    const controller = new AbortController();
    const bySignal = run % 4 === 3;
    let stoppedAt = Infinity;
    const timer = setTimeout(() => {
      stoppedAt = performance.now();
      if (bySignal) controller.abort();
      else token.cancel('at random');
    }, random() * wholeMs);
    const ended = await (bySignal ? everything(null, controller.signal) : everything(token));
    const settledAt = performance.now();
    clearTimeout(timer);
    if (stoppedAt < Infinity) settleMs.push(settledAt - stoppedAt);
    expectStopped(ended);
    expect({ linked: token.linked, listeners: getEventListeners(controller.signal, 'abort').length }).toEqual(
      {
        linked: 0,
        listeners: 0,
      },
    );
    await expectClean();
  }
  report('cancel', settleMs);
});

test(`a loop that is left at ${RUNS} random instants`, async () => {
  const random = dice(2);
  const settleMs: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const leaveAt = between(random, 1, 110);
    const loader = runtime.loader(ObjectDataset.fromPrefix(MANY), {
      batchSize: between(random, 1, 9),
      order: run % 2 === 0 ? 'sequence' : 'completion',
    });
    let seen = 0;
    let leftAt = 0;
    for await (const batch of loader) {
      seen += batch.length;
      // Left while parts are in flight, while a batch is retained nowhere, and while a listing is one page ahead.
      if (seen < leaveAt) continue;
      leftAt = performance.now();
      break;
    }
    settleMs.push(performance.now() - leftAt);
    expect(loader.report).toMatchObject({ reason: 'break', delivered: seen });
    expectSum(loader.report);
    await expectClean();
  }
  report('break', settleMs);
});

test('and when the runtime is closed, the process holds what it held before', async () => {
  expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [], deaths: 0, leaks: 0 });
  await backToBaseline(before);
  await connectionsGone(origin);
});
