/**
 * A service as users write it: a loader over a prefix or in an order of its own, gets, ranges and listings beside it, a
 * stop; and the next process, which goes on from the cursor.
 *
 * What has to hold over both processes: every object comes, none that was acknowledged comes again, every byte is right.
 */
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import type { Cursor, TerminalRecord } from '../../dist/actors/supervisor/types.js';
import type { Batch } from '../../dist/loader/batch.js';
import type { DatasetLike } from '../../dist/loader/datasets.js';
import { getObject, getRange, headObject } from '../../dist/loader/direct.js';
import type { Item } from '../../dist/loader/item.js';
import { listObjects } from '../../dist/loader/list.js';
import { Loader } from '../../dist/loader/loader.js';
import type { LoaderOptions } from '../../dist/loader/options.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { drawSizes, drawWorld } from './draw-world.kit.js';
import { watch } from './loads.scenario.js';
import { idleFaults, lateRequests, watchManners } from './manners.kit.js';
import { drawMisfortunes, lateStops } from './misfortunes.kit.js';
import { LOSSES, pardonOf, wasStopped } from './pardon.kit.js';
import type { Draw, Scenario } from './scenario.kit.js';
import type { World } from './world.kit.js';

export const SERVICE: Scenario = {
  name: 'service',
  marks: [
    'a loader went through all',
    'the next process had something left to do',
    'a listing had several pages',
    'a get was answered',
    'a batch was retained',
    'two epochs had one order',
    'a stop was in time',
    'the budget was used up',
    'the service was left alone',
    'the service was used again',
    'work waited for a cap',
    'work waited for the event loop',
  ],
  run,
};

/** Of loaders and calls that do not say how many. */
const DEFAULT_ATTEMPTS = 5;

/** One loader over one dataset, gone through as a service does. */
class Epoch {
  readonly keys: string[] = [];
  readonly faults: string[] = [];
  failure: unknown = null;
  over = false;
  overAtMs = Infinity;
  readonly #world: World;
  readonly #loader: Loader;

  constructor(world: World, dataset: DatasetLike, options: LoaderOptions) {
    this.#world = world;
    this.#loader = new Loader(world.supervisor, dataset, options);
  }

  get record(): TerminalRecord | null {
    return this.#loader.report;
  }

  get cursor(): Cursor {
    return this.#loader.cursor;
  }

  async go(draw: Draw, holdMs: number, retains = false): Promise<void> {
    const retained: Batch[] = [];
    try {
      for await (const batch of this.#loader) {
        for (const item of batch) this.#look(item);
        if (holdMs > 0) await sleep(this.#world, holdMs);
        // It is in our hands, and not done with.
        if (this.cursor.objects > this.keys.length)
          this.faults.push(`the cursor is at ${this.cursor.objects}, behind a batch that is in hand`);
        for (const item of batch) this.keys.push(item.key);
        if (!retains || !draw.oracle.chance(0.1, 'it is retained')) continue;
        draw.sometimes('a batch was retained');
        retained.push(batch.retain());
        if (retained.length > 1) retained.shift()!.release();
      }
    } catch (thrown) {
      this.failure = thrown;
    }
    for (const batch of retained) {
      for (const item of batch) this.#look(item);
      batch.release();
    }
    this.over = true;
    this.overAtMs = this.#world.sim.now;
  }

  #look(item: Item): void {
    const fault = faultOf(this.#world, item.key, [0, Infinity], item);
    if (fault !== null) this.faults.push(fault);
  }

  violations(): string[] {
    const { record } = this;
    if (record === null) return this.failure === null ? ['it ended without a record'] : [];
    const { planned, delivered, filtered, failed, dropped, left } = record;
    const sum = delivered + filtered + failed + dropped + left;
    return planned === sum ? this.faults : [...this.faults, `planned ${planned}, and in all ${sum}`];
  }
}

function faultOf(
  world: World,
  key: string,
  [start, wanted]: readonly [start: number, length: number],
  { bytes, version, verified }: Pick<Item, 'bytes' | 'version' | 'verified'>,
): string | null {
  if (world.options.sizes[key] === undefined) return `${key} was never there`;
  const length = Math.min(wanted, world.sizeOf(key, version) - start);
  if (bytes.length !== length) return `${key} came with ${bytes.length} bytes instead of ${length}`;
  const generation = version === null ? 0 : Number(version.slice(1));
  const wrong = verifyPattern(objectIdOf(key, generation), start, bytes);
  // Where nobody has looked, what arrived wrong is delivered.
  const excused = verified === null && world.arrivedWrong(key);
  return wrong < 0 || excused ? null : `${key} is wrong from byte ${start + wrong}`;
}

function sleep(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => {
    world.sim.context.after(ms, resolve);
  });
}

async function run(draw: Draw): Promise<string[]> {
  const { oracle, sites } = draw;
  const sizes = drawSizes(oracle);
  const order = drawOrder(draw, Object.keys(sizes));
  const world = drawWorld(draw, sizes, oracle.of([1000, 3, 1], 'keys on a page'));
  const wrong: string[] = [];
  watch(world, draw, wrong);
  const options: LoaderOptions = {
    batchSize: oracle.between(1, 4, 'batchSize'),
    prefetchBatches: oracle.between(1, 3, 'prefetchBatches'),
    maxConcurrentObjects: oracle.between(1, 6, 'maxConcurrentObjects'),
    onError: 'fail',
    token: world.tokens[0]!,
  };
  const holdMs = oracle.of([0, 5, 700], 'holdMs');
  const prefix = oracle.chance(0.4, 'a prefix');
  const dataset: DatasetLike = prefix ? { prefix: 'sim://k', filter: null } : uris(order);
  watchManners(world, draw, { maxAttempts: () => DEFAULT_ATTEMPTS, patient: false }, wrong);
  const first = new Epoch(world, dataset, options);
  void first.go(draw, holdMs, true);
  const calls = drawCalls(draw, world, Object.keys(sizes));
  drawMisfortunes(draw, world, { ask: () => {} });
  await world.run(() => first.over && calls.every(({ over }) => over));
  const held = holdMs > 0 || draw.marks.has('a batch was retained') || draw.struck(...LOSSES) > 0;
  const given = { memoryIsHeld: held, maxAttempts: DEFAULT_ATTEMPTS };
  const pardon = pardonOf(draw, world, { ...given, stopped: wasStopped(world, world.tokens[0]!) });
  const pardonCalls = pardonOf(draw, world, { ...given, stopped: wasStopped(world, world.tokens[1]!) });
  wrong.push(...first.violations(), ...calls.flatMap((call) => call.violations(pardonCalls)));
  wrong.push(...idleFaults(world), ...lateRequests(world));
  const [own, others] = [world.tokens[0]!, world.tokens[1]!];
  const stoppables = calls.map(({ overAtMs }) => ({ what: 'a call', token: others, overAtMs, slackMs: 0 }));
  const { overAtMs } = first;
  wrong.push(
    ...lateStops(world, draw, [...stoppables, { what: 'a loader', token: own, overAtMs, slackMs: holdMs }]),
  );
  if (first.failure !== null && !pardon(first.failure))
    wrong.push(
      `the loader failed: ${(first.failure as MillraceError).code} ${(first.failure as MillraceError).message}`,
    );
  const completed = first.record?.reason === 'completed';
  draw.sometimes('a loader went through all', completed);
  await end(world);
  wrong.push(...world.leftovers());
  sites.end();
  const planned = prefix ? Object.keys(sizes).sort() : order;
  // A service that skipped or repeated a page told of other keys.
  const expected = completed ? planned : planned.slice(0, first.keys.length);
  if (draw.struck('list.') === 0 && String(first.keys) !== String(expected))
    wrong.push(`the loader was given ${first.keys.join(' ')} of ${planned.join(' ')}`);
  wrong.push(...(await goOn(draw, first, planned, sizes)));
  return wrong;
}

/** Closes what may still be held by threads that hang. */
async function end(world: World): Promise<void> {
  for (const worker of world.sim.workers) worker.resume();
  await world.close();
}

function drawOrder({ oracle }: Draw, keys: readonly string[]): string[] {
  const order = [...keys];
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = i - oracle.choose(i + 1, 'a place in the order');
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function uris(keys: readonly string[]): string[] {
  return keys.map((key) => `sim://${key}`);
}

/** The next process: no faults, the same store, and what the cursor leaves. */
async function goOn(
  draw: Draw,
  first: Epoch,
  planned: readonly string[],
  sizes: Record<string, number>,
): Promise<string[]> {
  const wrong: string[] = [];
  const { objects } = first.cursor;
  const acknowledged = planned.slice(0, objects);
  const missing = acknowledged.filter((key) => !first.keys.includes(key));
  // A service that skipped a page never told of what was on it.
  const skipped = draw.struck('list.') > 0;
  if (!skipped && missing.length > 0) wrong.push(`acknowledged and never handed out: ${missing.join(' ')}`);
  const rest = planned.slice(objects);
  draw.sometimes('the next process had something left to do', objects > 0 && rest.length > 0);
  const world = drawWorld(draw, sizes, 1000);
  const second = new Epoch(world, uris(rest), { batchSize: 2, seed: draw.seed });
  void second.go(draw, 0);
  await world.run(() => second.over);
  const again = new Epoch(world, uris(rest), { batchSize: 3, seed: draw.seed, shuffle: true });
  void again.go(draw, 0);
  await world.run(() => again.over);
  const once = new Epoch(world, uris(rest), { batchSize: 1, seed: draw.seed, shuffle: true });
  void once.go(draw, 0);
  await world.run(() => once.over);
  await end(world);
  wrong.push(...[second, again, once].flatMap((epoch) => epoch.violations()), ...world.leftovers());
  for (const { failure } of [second, again, once])
    if (failure !== null && (world.fits || (failure as MillraceError).code !== ErrorCode.BudgetTooSmall))
      wrong.push(`the next process failed: ${(failure as MillraceError).message}`);
  if (second.failure === null && String(second.keys) !== String(rest))
    wrong.push(`the next process was given ${second.keys.join(' ')} instead of ${rest.join(' ')}`);
  if (once.failure === null && String(once.keys.toSorted()) !== String(rest.toSorted()))
    wrong.push(`shuffled, it was given ${once.keys.join(' ')} of ${rest.join(' ')}`);
  if (again.failure === null && once.failure === null && String(again.keys) !== String(once.keys))
    wrong.push(`one seed gave two orders: ${again.keys.join(' ')} and ${once.keys.join(' ')}`);
  draw.sometimes(
    'two epochs had one order',
    again.keys.length > 2 && String(again.keys) === String(once.keys),
  );
  return wrong.map((line) => `after the restart: ${line}`);
}

/** One call beside the loader. */
class Call {
  over = false;
  overAtMs = Infinity;
  readonly #faults: string[] = [];
  #failure: unknown = null;

  constructor(world: World, act: () => Promise<string | null>) {
    void this.#run(world, act);
  }

  async #run(world: World, act: () => Promise<string | null>): Promise<void> {
    try {
      const fault = await act();
      if (fault !== null) this.#faults.push(fault);
    } catch (thrown) {
      this.#failure = thrown;
    }
    this.over = true;
    this.overAtMs = world.sim.now;
  }

  violations(pardon: (error: unknown) => boolean): string[] {
    if (this.#failure === null || pardon(this.#failure)) return this.#faults;
    return [`a call failed: ${(this.#failure as MillraceError).message}`];
  }
}

function drawCalls(draw: Draw, world: World, keys: readonly string[]): Call[] {
  const { oracle } = draw;
  const { supervisor, tokens } = world;
  return Array.from({ length: oracle.between(0, 3, 'calls') }, () => {
    const key = oracle.of(keys, 'key');
    const uri = `sim://${key}`;
    const size = world.options.sizes[key]!;
    const stop = { token: tokens[1]! };
    const acts: (() => Promise<string | null>)[] = [
      async () => {
        const got = await getObject(supervisor, uri, stop);
        const fault = faultOf(world, key, [0, Infinity], got);
        draw.sometimes('a get was answered');
        got.release();
        return fault;
      },
      async () => {
        const start = Math.min(size >> 1, Math.max(0, size - 1));
        if (size === 0) return null;
        const got = await getRange(supervisor, uri, { start, length: 100 }, stop);
        const fault = faultOf(world, key, [start, 100], got);
        got.release();
        return fault;
      },
      async () => {
        const info = await headObject(supervisor, uri, stop);
        const right = info.size === world.sizeOf(key, info.version);
        return right ? null : `${key} has ${info.size} bytes, it was said`;
      },
      async () => {
        const listed: string[] = [];
        for await (const entry of listObjects(supervisor, 'sim://k', stop)) listed.push(entry.key);
        draw.sometimes(
          'a listing had several pages',
          listed.length > (world.options.origin?.pageKeys ?? Infinity),
        );
        const whole = String(listed) === String(keys.toSorted());
        return whole || draw.struck('list.') > 0 ? null : `listed: ${listed.join(' ')}`;
      },
    ];
    return new Call(world, oracle.of(acts, 'call'));
  });
}
