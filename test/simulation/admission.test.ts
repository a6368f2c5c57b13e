/** Caps on what a runtime takes, and the way that it gives to the service's own event loop, under the real actors. */
import { describe, expect, it } from 'vitest';
import type { AdmissionLimits } from '../../dist/actors/supervisor/admission.js';
import { tries } from '../kit/effort.js';
import { PAGE } from './load.kit.js';
import { World, type WorldOptions } from './world.kit.js';

const NONE = { maxBandwidth: null, maxCpuShare: null, cores: 2, maxEventLoopDelayMs: 0 };
const SEEDS = [1, 2, 3, 4, 5, 6].slice(0, tries(6, 1));

interface Landing {
  readonly atMs: number;
  readonly bytes: number;
  readonly key: string;
}

function open(seed: number, admission: Partial<AdmissionLimits>, options: Partial<WorldOptions> = {}) {
  const world = new World({
    seed,
    sizes: objects('k', 24),
    ...options,
    admission: { ...NONE, ...admission },
  });
  const landings: Landing[] = [];
  world.origin.onLanding = ({ length, key }) => landings.push({ atMs: world.sim.now, bytes: length, key });
  return { world, landings };
}

function objects(prefix: string, count: number): Record<string, number> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${prefix}${i}`, 1 + ((i * 7919) % (4 * PAGE))]),
  );
}

async function close(world: World): Promise<void> {
  expect(world.loads.flatMap((load) => load.violations())).toEqual([]);
  await world.close();
  expect(world.leftovers()).toEqual([]);
}

const sum = (landings: readonly Landing[]): number => landings.reduce((all, { bytes }) => all + bytes, 0);

describe('a cap on bandwidth', () => {
  const RATE = 40_000;
  const BURST = RATE / 4;
  const ROW = 2 * PAGE;
  /** From the moment in which a row is given out until its last byte lands. */
  const SLOWEST_MS = 600;

  const packed = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, 1500 + i]));
  it.each([
    ...SEEDS.map((seed) => [seed, 'objects and parts', objects('k', 24)] as const),
    ...SEEDS.map((seed) => [seed, 'many in a message', packed] as const),
  ])('holds over any time, and the load is whole at its end (seed %i, %s)', async (seed, _, sizes) => {
    const { world, landings } = open(seed, { maxBandwidth: RATE }, { sizes });
    world.load({ windowObjects: 256, maxConcurrentObjects: 64 });
    const beganAtMs = world.sim.now;
    await world.untilOver();
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', left: 0, failed: 0 });
    let landed = 0;
    for (const [from, { atMs, bytes }] of landings.entries()) {
      landed += bytes;
      expect(landed).toBeLessThanOrEqual(((atMs - beganAtMs) / 1000) * RATE + BURST + ROW);
      const later = landings.slice(from);
      for (const { atMs: toMs } of later) {
        const between = sum(later.filter((landing) => landing.atMs <= toMs));
        expect(between).toBeLessThanOrEqual(((toMs - atMs + SLOWEST_MS) / 1000) * RATE + BURST + ROW);
      }
    }
    // It is used, too.
    expect(world.sim.now - beganAtMs).toBeLessThan((sum(landings) / RATE) * 1000 * 1.2 + 1000);
    await close(world);
  });

  it.each(SEEDS)(
    'counts objects of unknown size by what they were, not by what was asked (seed %i)',
    async (seed) => {
      const sizes = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 10 + i]));
      const { world } = open(seed, { maxBandwidth: RATE }, { sizes });
      world.load({ unsized: true });
      await world.untilOver();
      expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 40 });
      // By what was asked for it is four seconds: 40 pages at 40 kB/s.
      expect(world.sim.now).toBeLessThan(2500);
      await close(world);
    },
  );

  it.each(SEEDS)(
    'holds beside a consumer that keeps its batches, and another load goes on (seed %i)',
    async (seed) => {
      const { world } = open(seed, { maxBandwidth: RATE }, { arenaBytes: 16 * PAGE });
      world.load({ holdMs: 700 });
      world.load({ order: 'completion' });
      await world.untilOver();
      for (const { record } of world.loads) expect(record).toMatchObject({ reason: 'completed' });
      await close(world);
    },
  );

  it.each(SEEDS)(
    'is shared by loads in equal parts, whatever the size of their objects (seed %i)',
    async (seed) => {
      const small = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`s${i}`, 200 + (i % 50)]));
      const large = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`l${i}`, 4 * PAGE]));
      const { world, landings } = open(
        seed,
        { maxBandwidth: RATE },
        { sizes: { ...small, ...large }, arenaBytes: 128 * PAGE },
      );
      const window = { windowObjects: 64, maxConcurrentObjects: 64 };
      world.load({ keys: Object.keys(small), ...window });
      world.load({ keys: Object.keys(large), ...window });
      await world.run(() => world.loads[0]!.handed.length >= 400);
      const of = (prefix: string): number => sum(landings.filter(({ key }) => key.startsWith(prefix)));
      expect(of('s')).toBeGreaterThan(60_000);
      expect(of('l') / of('s')).toBeGreaterThan(0.7);
      expect(of('l') / of('s')).toBeLessThan(1.5);
      await world.untilOver();
      await close(world);
    },
  );

  /** A world that has nothing under way and waits for its cap, for seconds. */
  async function paused(seed: number) {
    const sizes = { a: 8 * PAGE, b: 8 * PAGE };
    const { world, landings } = open(seed, { maxBandwidth: 1000 }, { sizes });
    const [token] = world.tokens;
    const load = world.load({ token: token!, batchSize: 1 });
    // Time alone goes on: the first part is back, and no message is under way.
    const idle = (): boolean =>
      landings.length > 0 && world.sim.waiting().every((line) => / is live|supervisor timer/.test(line));
    await world.run(() => idle() && world.supervisor.stats.admission === 'bandwidth');
    return { world, load, token: token! };
  }

  it.each(SEEDS)('does not hold up a cancel, nor a drain (seed %i)', async (seed) => {
    for (const stop of ['cancel', 'drain'] as const) {
      const { world, load, token } = await paused(seed);
      const [atMs, reads] = [world.sim.now, world.origin.reads.length];
      token[stop]('enough');
      await world.untilOver();
      expect(load.record).toMatchObject({ reason: 'enough' });
      // What is already on its way to the supervisor takes no time; the cap itself would have taken four seconds.
      expect(world.sim.now - atMs).toBeLessThanOrEqual(60);
      expect(world.origin.reads.length).toBe(reads);
      await close(world);
    }
  });

  it.each(SEEDS)('leaves no timer behind when it is closed while it waits (seed %i)', async (seed) => {
    const { world, token } = await paused(seed);
    token.cancel('enough');
    await world.untilOver();
    let over = false;
    void world.supervisor.close('close').then(() => {
      over = true;
    });
    await world.run(() => over);
    expect(world.sim.waiting().filter((line) => line.includes('supervisor timer'))).toEqual([]);
  });

  it.each(SEEDS)('does not hold up a question (seed %i)', async (seed) => {
    const { world, load } = await paused(seed);
    let answered = false;
    const atMs = world.sim.now;
    const asked = load.stream.head(3, new TextEncoder().encode('a')).then(() => {
      answered = true;
    });
    await world.run(() => answered);
    await asked;
    expect(world.sim.now - atMs).toBeLessThan(500);
    world.token.cancel('enough');
    await world.untilOver();
    await close(world);
  });
});

describe('a cap on processor time', () => {
  /** Each row costs so much of a worker's time, spent while it is under way. */
  const ROW_MS = 20;

  it.each(SEEDS)('holds on average, and the load is whole at its end (seed %i)', async (seed) => {
    const busy = { ms: 0 };
    const { world } = open(
      seed,
      { maxCpuShare: 0.1 },
      { simulation: { load: () => ({ busyMs: busy.ms, eventLoopDelayMs: 0 }) } },
    );
    const stopCounting = world.sim.afterEachStep(() => {
      busy.ms = world.origin.reads.filter(({ outcome }) => outcome !== null).length * ROW_MS;
    });
    let paused = false;
    const stopLooking = world.sim.afterEachStep(() => {
      paused ||= world.supervisor.stats.admission === 'cpu';
    });
    const beganAtMs = world.sim.now;
    world.load();
    await world.untilOver();
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 24 });
    expect(paused).toBe(true);
    const elapsedMs = world.sim.now - beganAtMs;
    // 0.2 cores, a quarter of a second of them, and what was in flight when the cost of a row was not known.
    expect(busy.ms).toBeLessThanOrEqual(elapsedMs * 0.2 + 50 + 16 * ROW_MS);
    expect(elapsedMs).toBeGreaterThan((busy.ms - 16 * ROW_MS) / 0.2 - 500);
    stopCounting();
    stopLooking();
    await close(world);
  });

  it.each(SEEDS)('is waited for by questions too (seed %i)', async (seed) => {
    let [busyMs, looked] = [0, false];
    const look = () => {
      looked = busyMs > 0;
      return { busyMs, eventLoopDelayMs: 0 };
    };
    const { world } = open(seed, { maxCpuShare: 0.1 }, { simulation: { load: look } });
    const load = world.load({ byHand: true });
    await world.run(() => world.origin.reads.some(({ outcome }) => outcome === null));
    busyMs += 2000;
    await world.run(() => looked);
    const heads: number[] = [];
    for (const key of ['k1', 'k2']) {
      void load.stream.head(3, new TextEncoder().encode(key)).then(() => heads.push(world.sim.now));
    }
    const atMs = world.sim.now;
    await world.run(() => heads.length === 2);
    // Two seconds of work at 0.2 cores take ten, less what was paid when it was found.
    expect(heads[0]! - atMs).toBeGreaterThan(8000);
    void load.end();
    await world.untilOver();
    await close(world);
  });

  it('is not looked after when there is no stream', async () => {
    let looks = 0;
    const load = () => {
      looks += 1;
      return { busyMs: 0, eventLoopDelayMs: 0 };
    };
    const { world } = open(1, { maxCpuShare: 0.5 }, { simulation: { load } });
    world.load();
    await world.untilOver();
    await world.run(() => world.sim.now > 5000);
    const before = looks;
    expect(before).toBeGreaterThan(1);
    await world.run(() => world.sim.now > 10_000);
    expect(looks).toBe(before);
    world.load();
    await world.untilOver();
    expect(looks).toBeGreaterThan(before);
    await close(world);
  });
});

describe('an event loop that is late', () => {
  const sizes = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`k${i}`, PAGE]));
  const wide = { windowObjects: 60, maxConcurrentObjects: 60, windowBytes: 60 * PAGE };
  const arena = { sizes, arenaBytes: 128 * PAGE, concurrency: 16 };

  /** The most rows under way at the service, late in a load whose delay depends on them. */
  async function late(seed: number, maxEventLoopDelayMs: number, delay: (underWay: number) => number) {
    const state = { underWay: 0 };
    const { world } = open(
      seed,
      { maxEventLoopDelayMs },
      {
        ...arena,
        origin: { latencyMs: [50, 200] },
        simulation: { load: () => ({ busyMs: 0, eventLoopDelayMs: delay(state.underWay) }) },
      },
    );
    const seen: number[] = [];
    world.sim.afterEachStep(() => {
      state.underWay = world.origin.reads.filter(({ outcome }) => outcome === null).length;
      if (world.sim.now > 1500) seen.push(state.underWay);
    });
    world.load(wide);
    await world.untilOver();
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 150 });
    const median = seen.sort((a, b) => a - b)[seen.length >> 1] ?? 0;
    await close(world);
    return { median, elapsedMs: world.sim.now };
  }

  it.each(SEEDS.slice(0, 5))('has fewer rows in flight until it is in time again (seed %i)', async (seed) => {
    const delay = (underWay: number): number => (underWay > 10 ? 500 : 5);
    const { median } = await late(seed, 200, delay);
    const { median: without } = await late(seed, 0, delay);
    expect(without).toBeGreaterThan(20);
    expect(median).toBeLessThan(20);
    expect(median).toBeGreaterThan(0);
  });

  it.each(SEEDS.slice(0, 5))('for reasons of its own is not waited for for ever (seed %i)', async (seed) => {
    const { elapsedMs } = await late(seed, 200, () => 500);
    const { elapsedMs: free } = await late(seed, 0, () => 500);
    // Five seconds at the least that there can be, and then at full speed.
    expect(elapsedMs).toBeLessThan(free + 8000);
  });
});
