/** What a service does again and again leaves nothing behind: not in its heap, not in the runtime, not in the machine. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError, ObjectDataset, Runtime, type LoaderOptions } from '../../dist/index.js';
import { DEADLY, deaths } from '../e2e/crash.kit.js';
import { exhaust } from '../e2e/kit.js';
import { Ground, type Left, leftBy } from './kit.js';

const OBJECTS = 60;
const stores = { memory: [{ prefix: 'g/', count: OBJECTS, size: 3000, seed: 1 }] };
const ALL = 'memory:///g/';
const FIRST = 'memory:///g/00000000';
const MISSING = 'memory:///g/missing';

let root: string;
let runtime: Runtime;
const ground = new Ground();
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-leaks-'));
  runtime = await start();
});
afterAll(async () => {
  await runtime.close();
  await rm(root, { recursive: true });
});

function start(): Promise<Runtime> {
  return Runtime.start({ workers: 2, memoryBudget: '16MiB', stores });
}

const loaderOf = (from: Runtime, options: LoaderOptions = {}) =>
  ground.watch(from.loader(ObjectDataset.fromPrefix(ALL), { batchSize: 16, ...options }));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'Ok';
  } catch (error) {
    if (error instanceof MillraceError) return ground.watch(error).code;
    throw error;
  }
}

/** Half of the turns are given the long-lived token, and half the long-lived signal. */
const stopOf = (turn: number): LoaderOptions =>
  turn % 2 === 0 ? { token: ground.token } : { signal: ground.controller.signal };

async function stoppedLoad(stop: 'break' | 'cancel' | 'drain'): Promise<void> {
  const token = ground.watch(ground.token.child());
  const loader = loaderOf(runtime, { token });
  try {
    for await (const batch of loader) {
      expect(batch.length).toBeGreaterThan(0);
      if (stop === 'break') break;
      token[stop]('enough');
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'Cancelled' });
  }
  await loader.done;
}

async function failedLoad(turn: number): Promise<void> {
  const loader = ground.watch(runtime.loader(ObjectDataset.fromUris([FIRST, MISSING]), stopOf(turn)));
  expect(await codeOf(exhaust(loader))).toBe('NotFound');
}

async function directReads(turn: number): Promise<void> {
  const stop = stopOf(turn);
  ground.watch(await runtime.get(FIRST, stop)).release();
  (
    await runtime.getRanges(
      FIRST,
      [
        { start: 0, end: 10 },
        { start: 2000, end: 2100 },
      ],
      stop,
    )
  ).release();
  expect(await codeOf(runtime.get(MISSING, stop))).toBe('NotFound');
  const token = ground.watch(ground.token.child());
  const reading = codeOf(runtime.get(FIRST, { token }));
  token.cancel();
  expect(await reading).toBe('Cancelled');
  for await (const entry of runtime.list(ALL, stop)) {
    expect(entry.kind).toBe('object');
    break;
  }
}

async function writes(turn: number): Promise<void> {
  const stop = stopOf(turn);
  const uri = (name: string): string => `file://${root}/${name}`;
  await runtime.put(uri('one'), 'one', stop);
  await runtime.putStream(uri('two'), [new Uint8Array(100_000), new Uint8Array(5)], stop);
  await runtime.copy(uri('two'), uri('three'), stop);
  await runtime.copy(FIRST, uri('four'), stop);
  for await (const row of runtime.copyPrefix(ALL, uri('many/'), stop)) expect(row.error ?? null).toBeNull();
  const torn = async function* () {
    yield new Uint8Array(10);
    throw new TypeError('torn');
  };
  await expect(runtime.putStream(uri('five'), torn(), stop)).rejects.toThrow();
  const token = ground.watch(ground.token.child());
  const writing = codeOf(runtime.put(uri('six'), new Uint8Array(1000), { token }));
  token.cancel();
  expect(['Ok', 'Cancelled']).toContain(await writing);
  for await (const row of runtime.deletePrefix(uri(''), stop)) expect(row.error ?? null).toBeNull();
  expect(
    (await readdir(root, { recursive: true, withFileTypes: true })).filter((file) => file.isFile()),
  ).toEqual([]);
}

async function drainedRuntime(turn: number): Promise<void> {
  const own = ground.watch(
    await Runtime.start({ workers: 2, memoryBudget: '16MiB', stores, ...stopOf(turn) }),
  );
  const loader = loaderOf(own);
  for await (const batch of loader) {
    expect(batch.length).toBeGreaterThan(0);
    own.token.drain('enough');
  }
  const answer = own.stats();
  expect(await own.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
  await answer;
}

async function crashedWorker(turn: number): Promise<void> {
  const way = (['throw', 'exit', 'reject'] as const)[turn % 3]!;
  const plan = deaths(OBJECTS, new Map([[1 + (turn % OBJECTS), way]]));
  const loader = loaderOf(runtime, { ...stopOf(turn), transform: { url: DEADLY, options: plan } });
  expect(await exhaust(loader)).toBe(OBJECTS);
}

const WORK: readonly [what: string, times: number, work: (turn: number) => Promise<void>][] = [
  ['loads', 12, async (turn) => expect(await exhaust(loaderOf(runtime, stopOf(turn)))).toBe(OBJECTS)],
  ['loads whose loop was left', 12, () => stoppedLoad('break')],
  ['cancelled loads', 12, () => stoppedLoad('cancel')],
  ['drained loads', 12, () => stoppedLoad('drain')],
  ['failed loads', 12, failedLoad],
  ['rounds of reads and lists, some of which fail or are cancelled', 12, directReads],
  ['rounds of writes and copies, some of which fail or are cancelled', 6, writes],
  ['crashed workers', 6, crashedWorker],
  ['runtimes that drained and closed', 6, drainedRuntime],
];

describe.each(WORK)('%s', (_, times, work) => {
  let left: Left;
  beforeAll(async () => {
    left = await leftBy(times, ground, runtime, work);
  });

  it('leave no listener on a token or signal that lives on', () => expect(left.listener).toBe(0));
  it('leave no lease in the arena', () => expect(left.lease).toBe(0));
  it('leave no handle, thread or descriptor', () => expect(left.handles).toEqual([]));
  it.each(['promise', 'timer', 'port', 'thread', 'request'] as const)('leave no %s', (kind) =>
    expect(left[kind]).toBeLessThan(times / 2),
  );
  it('leave no loader, token, result, runtime or error in the heap', () =>
    expect(left.object).toBeLessThan(times / 2));
});
