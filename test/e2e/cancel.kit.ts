/** One run that is stopped at a seeded moment, in a seeded way, and what has to be true afterwards. */
import { once } from 'node:events';
import { request } from 'node:http';
import { expect } from 'vitest';
import { CancellationToken, MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import type { Origin } from '../../dist/testing/index.js';
import { attemptsBegun, between, dice, expectIdle, expectSum, fault, keysInOrder, MIB } from './kit.js';

export const BUCKET = 'stops';
const COUNT = 120;
const SMALL = [0, 100, 5000, 70_000];
export const LARGE = 20 * MIB;

/** What the origin of these runs holds. */
export const OBJECTS = [
  { bucket: BUCKET, prefix: 'many/', count: COUNT, sizes: SMALL },
  { bucket: BUCKET, key: 'many/zz-large', size: LARGE },
  { bucket: BUCKET, prefix: 'after/', count: 12, sizes: [1000] },
];
const sizes = new Map<string, number>([
  ...Array.from({ length: COUNT }, (_, i) => [`many/${pad(i)}`, SMALL[i % SMALL.length]!] as const),
  ['many/zz-large', LARGE] as const,
]);

function pad(i: number): string {
  return String(i).padStart(String(COUNT - 1).length, '0');
}

const WAYS = ['cancel', 'break', 'throw', 'drain', 'signal'] as const;
const MOMENTS = ['before', 'requests', 'items', 'stalled', 'throttled'] as const;

export interface Stop {
  readonly way: (typeof WAYS)[number];
  readonly moment: (typeof MOMENTS)[number];
  readonly at: number;
  readonly order: 'sequence' | 'completion';
  readonly batchSize: number;
}

/** The stop of a seed: every pair of way and moment comes up, with other numbers each time. */
export function stopOf(seed: number): Stop {
  const random = dice(seed);
  const way = WAYS[seed % WAYS.length]!;
  // A loop can only be left from inside, after an item.
  const moment =
    way === 'break' || way === 'throw' ? 'items' : MOMENTS[Math.floor(seed / WAYS.length) % MOMENTS.length]!;
  return {
    way,
    moment,
    at: between(random, 1, COUNT),
    order: random() < 0.5 ? 'sequence' : 'completion',
    batchSize: between(random, 1, 30),
  };
}

export function describeStop({ way, moment, at, order, batchSize }: Stop): string {
  return `${way} ${moment === 'items' || moment === 'requests' ? `after ${at} ${moment}` : `when ${moment}`}, ${order} order in batches of ${batchSize}`;
}

class LeftByConsumer extends Error {}

/** Runs and stops; throws unless everything holds. Leaves the origin without a script. */
export async function stopped(runtime: Runtime, origin: Origin, stop: Stop): Promise<void> {
  await origin.reset();
  await scriptFor(origin, stop);
  const token = new CancellationToken();
  const controller = new AbortController();
  let pulled = false;
  const pull = (): void => {
    if (stop.way === 'cancel') token.cancel('enough');
    // A drain waits for a body that has stalled, until its deadline makes it a cancel.
    else if (stop.way === 'drain')
      token.drain('enough', stop.moment === 'stalled' ? { deadlineMs: 100 } : {});
    else controller.abort();
    pulled = true;
  };
  const external = stop.way !== 'break' && stop.way !== 'throw';
  if (stop.moment === 'before') pull();
  const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/many/`), {
    batchSize: stop.batchSize,
    order: stop.order,
    ...(stop.way === 'signal' ? { signal: controller.signal } : { token }),
  });
  const watching = external ? pullWhen(origin, stop, pull) : Promise.resolve();
  const seen = new Set<string>();
  let failure: unknown = null;
  try {
    for await (const batch of loader) {
      for (const item of batch) {
        expect(fault(item.key, item.bytes, sizes.get(item.key) ?? -1)).toBeNull();
        expect(seen.has(item.key)).toBe(false);
        seen.add(item.key);
      }
      if (stop.moment !== 'items' || seen.size < stop.at) continue;
      if (stop.way === 'throw') throw new LeftByConsumer();
      if (stop.way === 'break') break;
      if (!pulled) pull();
    }
  } catch (thrown) {
    failure = thrown;
  }
  await watching;
  check(stop, failure, seen.size, loader.report);
  await nothingGoesOn(runtime, origin);
}

async function scriptFor(origin: Origin, stop: Stop): Promise<void> {
  if (stop.moment === 'stalled') await origin.script({ key: 'many/zz-large', do: { stall: 3 * MIB } });
  if (stop.moment === 'throttled') {
    await origin.script({ op: 'get', nth: [3, 5, 9], do: { status: 503, code: 'SlowDown', retryAfter: 30 } });
  }
}

async function pullWhen(origin: Origin, stop: Stop, pull: () => void): Promise<void> {
  if (stop.moment === 'before' || stop.moment === 'items') return;
  if (stop.moment === 'requests') await origin.waitFor({ requests: stop.at });
  else if (stop.moment === 'stalled') await origin.waitFor({ stalled: 1 });
  else await origin.waitFor({ requests: 12 });
  pull();
}

function check(
  stop: Stop,
  failure: unknown,
  seen: number,
  record: ReturnType<Runtime['loader']>['report'],
): void {
  expectSum(record);
  expect(record?.delivered).toBe(seen);
  const drained = stop.way === 'drain' && stop.moment !== 'stalled';
  // A stop that came when everything was delivered already changes nothing.
  const complete = record?.reason === 'completed';
  if (stop.way === 'throw') expect(failure).toBeInstanceOf(LeftByConsumer);
  else if (stop.way === 'break' || drained || complete) expect(failure).toBeNull();
  else {
    expect(failure).toBeInstanceOf(MillraceError);
    expect((failure as MillraceError).code).toBe('Cancelled');
  }
  if (stop.moment === 'before') expect(record).toMatchObject({ planned: 0, delivered: 0 });
  if (stop.moment === 'stalled') expect(complete).toBe(false);
}

/**
 * Waits until the origin has read everything that an idle runtime ever sent it, and has seen each connection end that the
 * runtime closed. A request that was cancelled stays in a server's queue: libuv accepts one connection per turn of the event
 * loop, so one turn after a cancel the origin may still have to meet most of the connections of the run that is over.
 *
 * Connections are accepted in the order in which they came about: with an answer on one that is opened now, all of them
 * are. What the runtime closed leaves the origin's count when it is read to its end; on what the runtime has kept,
 * each request was answered.
 */
export async function takenIn(runtime: Runtime, origin: Origin): Promise<void> {
  const fence = request(origin.url, { agent: false }).end();
  const [answer] = await once(fence, 'response');
  await once(answer.resume(), 'end');
  for (;;) {
    const kept = await connectionsKept(runtime);
    const { connections, inFlight } = await origin.stats();
    if (connections === kept && inFlight === 0) return;
  }
}

/** Connections of an idle runtime: none serves anything. */
export async function connectionsKept(runtime: Runtime): Promise<number> {
  let kept = 0;
  for (const stats of Object.values((await runtime.stats()).workers)) {
    expect(stats).toMatchObject({ connectionsActive: 0 });
    kept += stats!.connectionsIdle;
  }
  return kept;
}

export async function nothingGoesOn(runtime: Runtime, origin: Origin): Promise<void> {
  await expectIdle(runtime);
  const begun = await attemptsBegun(runtime);
  // What was cut off in the middle is released, so that whatever still waits for it could go on.
  await origin.script();
  await origin.release();
  await takenIn(runtime, origin);
  await origin.mark();
  const next = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/after/`), { batchSize: 5 });
  const keys = await keysInOrder(next, () => 1000);
  expect(keys).toEqual(Array.from({ length: 12 }, (_, i) => `after/${String(i).padStart(2, '0')}`));
  // One listing and twelve objects: no attempt of the run that was stopped is among them.
  expect((await attemptsBegun(runtime)) - begun).toBe(13);
  const stray = await origin.requests({ afterMark: true });
  expect(stray.filter(({ key }) => key.startsWith('many/')).length).toBe(0);
}
