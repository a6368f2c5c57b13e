/** What runs of drawn worlds found, said without them. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { storedObject } from '../../dist/runtime/simulation/objects.js';
import type { WriteLimits } from '../../dist/protocol/writes.js';
import { PAGE } from './load.kit.js';
import { World } from './world.kit.js';
import { Writer } from './writing.kit.js';

const refused = new MillraceError(ErrorCode.AccessDenied, 'refused');

it.each([
  { onError: 'fail', objects: 1 },
  { onError: 'skip', objects: 3 },
] as const)('leaves the cursor of a load with onError $onError behind $objects objects', async (given) => {
  const { onError, objects } = given;
  const world = new World({
    seed: 1,
    sizes: { a: 10, b: 20, c: 30 },
    origin: { faults: [{ kind: 'refuse', key: 'b', error: refused }] },
  });
  const load = world.load({ onError, batchSize: 1 });
  await world.untilOver();
  // Whoever goes on from the cursor of a load that failed gets to what it failed at.
  expect(load.record!.cursor.objects).toBe(objects);
  await world.close();
  expect(world.leftovers()).toEqual([]);
});

it('asks for nothing more where an answer breaks off behind the last byte of an object', async () => {
  // Its size was not known: more was asked for than there is, and behind the end there is nothing but a refusal.
  const world = new World({
    seed: 1,
    sizes: { a: 300 },
    origin: { faults: [{ kind: 'reset', key: 'a', afterBytes: 300 }] },
  });
  const load = world.load({ unsized: true });
  await world.untilOver();
  expect(load.failure).toBe(null);
  expect(load.handed).toEqual(['a#0']);
  expect(world.origin.reads.length).toBe(1);
  await world.close();
});

it('admits no more small objects together than the window takes bytes, also while there are none', async () => {
  const sizes = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, 1000]));
  const world = new World({ seed: 1, sizes, workers: 1 });
  const load = world.load({ windowObjects: 12, windowBytes: 2100, batchSize: 1 });
  const wrong: string[] = [];
  world.sim.afterEachStep(() => wrong.push(...load.boundFaults({ struck: () => 0 })));
  await world.untilOver();
  expect(wrong).toEqual([]);
  expect(load.handed.length).toBe(12);
  await world.close();
});

it('fetches nothing for ever that two loads take from each other while one of them waits for its plan', async () => {
  const sizes = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`k${i}`, i === 7 ? 2 * PAGE + 1 : 2]),
  );
  // Answers take no time, so none passes unless both are left in peace.
  const world = new World({
    seed: 1,
    sizes,
    concurrency: 1,
    arenaBytes: 5 * PAGE,
    maxSteps: 2000,
    origin: { latencyMs: [0, 0] },
  });
  const common = { windowBytes: 1 << 20, batchBytes: 1 << 20, maxConcurrentObjects: 1 };
  const loads = [
    world.load({ ...common, batchSize: 4, windowObjects: 4, holdMs: 700 }),
    world.load({ ...common, batchSize: 2, windowObjects: 2, planMs: 600 }),
  ];
  await world.untilOver();
  for (const load of loads) {
    expect(load.failure).toBe(null);
    expect(load.handed.length).toBe(10);
  }
  // Each object twice, and now and then one more time.
  expect(world.origin.reads.length).toBeLessThan(40);
  await world.close();
  expect(world.leftovers()).toEqual([]);
});

describe('how long a service that refuses everything is waited for', () => {
  const sizes = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, 100]));

  it('is for each load its own: what was refused before it began does not count', async () => {
    const world = new World({ seed: 1, sizes, origin: { storms: [{ fromMs: 0, untilMs: 100_000 }] } });
    const first = world.load({ throttleTimeoutMs: 30_000 });
    await world.untilOver();
    expect(first.failure).toMatchObject({ code: 'Throttled' });
    world.sim.leap(85_000 - world.sim.now);
    const next = world.load({ throttleTimeoutMs: 30_000 });
    await world.run(() => next.over);
    expect([next.failure, next.handed.length]).toEqual([null, 12]);
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });

  it('is one time for all objects of a load, not one for each that it may have under way', async () => {
    const world = new World({ seed: 1, sizes, origin: { storms: [{ fromMs: 0, untilMs: Infinity }] } });
    const load = world.load({ throttleTimeoutMs: 30_000, onError: 'skip', windowObjects: 2 });
    await world.untilOver();
    expect(load.record!.failed).toBe(12);
    // Each pair waits for the next refusal.
    expect(world.sim.now).toBeLessThan(30_000 + 8 * 5_000);
    await world.close();
  });
});

describe('two who write to one key', () => {
  const limits: WriteLimits = {
    multipartThreshold: PAGE,
    partBytes: PAGE,
    partAlignment: 1,
    maxPartBytes: 4 * PAGE,
    maxParts: 12,
    maxObjectBytes: 48 * PAGE,
    deletesPerRequest: 4,
  };

  it('are not told the version of each other, where the answer to the end of an upload was lost', async () => {
    const world = new World({
      seed: 1,
      sizes: { a: 3 * PAGE },
      writes: limits,
      origin: { callFaults: [{ on: 'complete', kind: 'lost', outcome: 'transient', applied: true }] },
    });
    const { origin } = world;
    const other = storedObject(new Uint8Array(3 * PAGE).fill(7), 'of another');
    origin.onWrite = ({ kind }) => {
      if (kind === 'complete' && origin.written.length === 1) origin.objects.set('w', other);
    };
    const writer = new Writer(world);
    const write = writer.write({ how: 'put', key: 'w', size: 3 * PAGE, generation: 1, options: {} });
    await world.run(() => writer.over);
    expect(origin.writes.filter(({ kind }) => kind === 'complete').length).toBe(2);
    expect(write.result).toEqual({ uri: 'sim://w', size: 3 * PAGE, version: null });
    await world.close();
    expect([...writer.violations(), ...world.leftovers()]).toEqual([]);
  });

  it('copy each what the source was in its time', async () => {
    const world = new World({ seed: 1, sizes: { a: 100 }, writes: limits });
    const writer = new Writer(world);
    const call = { how: 'copy', key: 'w', source: 'a', size: 0, options: {} } as const;
    const first = writer.write({ ...call, generation: 1 });
    await world.run(() => writer.over);
    world.origin.objects.set('a', storedObject(new Uint8Array(70), 'of later'));
    const second = writer.write({ ...call, generation: 2 });
    await world.run(() => writer.over);
    expect([first.result!.size, second.result!.size]).toEqual([100, 70]);
    await world.close();
    expect([...writer.violations(), ...world.leftovers()]).toEqual([]);
  });
});

describe('a load that has failed, with batches that nobody has taken', () => {
  /** The fifth object is refused when the others are there; the consumer has one batch in hand. */
  async function failedWorld(token: boolean) {
    const world = new World({
      seed: 1,
      sizes: { a: 10, b: 20, c: 30, d: 40, e: 50 },
      origin: { faults: [{ kind: 'refuse', key: 'e', error: refused }] },
    });
    const load = world.load({ batchSize: 1, byHand: true, token: token ? world.tokens[0]! : null });
    const batch = (await stepped(world, load.take()))!;
    const { stream } = load as unknown as { readonly stream: { readonly open: boolean } };
    await world.run(() => !stream.open);
    load.giveBack(batch);
    return { world, load };
  }

  async function stepped<T>(world: World, promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = (): void => void (settled = true);
    promise.then(end, end);
    await world.run(() => settled);
    return await promise;
  }

  it('hands them out before it tells its failure', async () => {
    const { world, load } = await failedWorld(true);
    for (let i = 0; i < 3; i += 1) load.giveBack((await stepped(world, load.take()))!);
    await expect(stepped(world, load.take())).rejects.toMatchObject({ code: 'AccessDenied' });
    await stepped(world, load.end());
    expect(load.record).toMatchObject({ reason: 'failed', delivered: 4, dropped: 0, failed: 1 });
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });

  it.each(['its caller', 'the runtime'])('drops them when %s cancels, and tells its failure', async (who) => {
    const { world, load } = await failedWorld(who === 'its caller');
    (who === 'its caller' ? world.tokens[0]! : world.token).cancel('enough');
    expect(world.arena.stats().usedBytes).toBe(0);
    await expect(stepped(world, load.take())).rejects.toMatchObject({ code: 'AccessDenied' });
    await stepped(world, load.end());
    expect(load.record).toMatchObject({ reason: 'failed', delivered: 1, dropped: 3, failed: 1 });
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });

  it('keeps no runtime from closing whose consumer does not come back', async () => {
    const { world, load } = await failedWorld(false);
    await stepped(world, world.supervisor.close('enough', 1000));
    expect(world.arena.stats().usedBytes).toBe(0);
    await load.end();
    expect(load.record).toMatchObject({ reason: 'failed', delivered: 1, dropped: 3, failed: 1 });
  });
});
