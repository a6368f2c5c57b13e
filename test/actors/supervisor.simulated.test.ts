/** The real supervisor and the real workers in the simulation: undisturbed, and disturbed at every third step. */
import { describe, expect, it } from 'vitest';
import { Supervisor } from '../../dist/actors/supervisor/supervisor.js';
import type { StoreDirectory, TerminalRecord } from '../../dist/actors/supervisor/types.js';
import { runWorker } from '../../dist/actors/worker/worker.js';
import { Arena } from '../../dist/protocol/arena.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { createRuntimeWords, fillRetryBudget } from '../../dist/protocol/words.js';
import { createSimOrigin } from '../../dist/runtime/simulation/origin.js';
import { createSimulation } from '../../dist/runtime/simulation/simulation.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import { tries } from '../kit/effort.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { patternObjects } from '../simulation/kit.js';

const STORE = 3;
const MAX_STEPS = 20_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const sizes: Record<string, number> = {};
for (let i = 0; i < 40; i += 1) sizes[`k${String(i).padStart(2, '0')}`] = (i * 977) % 30_000;
const keys = Object.keys(sizes);

const DEFAULTS = { splitThreshold: 16_384, partBytes: 8192, maxPartsPerObject: 4 };

const stores: StoreDirectory = {
  locate: (uri) => ({ store: 'sim', key: encoder.encode(uri) }),
  idOf: () => STORE,
  open: () => Promise.resolve(STORE),
  uri: (_id, key) => `sim://${decoder.decode(key)}`,
  defaults: () => DEFAULTS,
  writes: () => null,
  schemeOf: () => ({ name: 'sim', defaults: DEFAULTS }),
  spec: () => simStoreSpec(1),
};

class Scenario {
  readonly origin = createSimOrigin({
    objects: patternObjects(sizes),
    faults: [
      { kind: 'reset', key: 'k05', afterBytes: 9 },
      { kind: 'throttle', key: 'k09', retryAfterMs: 100 },
    ],
  });
  readonly arena = new Arena(256 * 1024);
  readonly delivered: string[] = [];
  readonly sim;
  readonly token;
  readonly supervisor;
  record: TerminalRecord | null = null;
  failure: unknown = null;
  closed = false;

  constructor(seed: number) {
    const words = createRuntimeWords();
    fillRetryBudget(words);
    this.sim = createSimulation({
      seed,
      runWorker,
      words,
      concurrency: 2,
      arena: () => this.arena.buffer,
      stores: (spec, world) => createSimStore(world, this.origin, spec.snapshot),
    });
    this.token = new CancellationToken({ clock: this.sim.clock });
    this.supervisor = new Supervisor(this.sim.context, this.arena, words, stores, {
      workers: 3,
      concurrency: 2,
      stuckAfterMs: 5000,
      budgetTimeoutMs: 10_000,
      closeTimeoutMs: 3000,
      token: this.token,
    });
    this.supervisor.start();
    void this.#consume();
  }

  async run(): Promise<void> {
    await this.sim.run(() => this.closed, MAX_STEPS);
  }

  get sum(): number {
    const { delivered, filtered, failed, dropped, left } = this.record!;
    return delivered + filtered + failed + dropped + left;
  }

  async #consume(): Promise<void> {
    let at = 0;
    const next = (limit: number) => {
      if (at >= keys.length) return Promise.resolve(null);
      const some = keys.slice(at, (at += limit));
      const plain = { store: STORE, version: null, pinned: false, start: 0, length: -1 };
      return Promise.resolve(some.map((key) => ({ ...plain, key: encoder.encode(key), size: sizes[key]! })));
    };
    const stream = this.supervisor.openStream(
      {
        order: 'sequence',
        batchSize: 5,
        batchBytes: 64 * 1024,
        dropLast: false,
        windowObjects: 30,
        windowBytes: 128 * 1024,
        maxConcurrentObjects: 8,
        ranges: null,
        onError: 'fail',
        transform: null,
        verify: 'never',
        maxAttempts: 4,
        throttleTimeoutMs: 0,
      },
      { next },
      null,
    );
    try {
      for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
        for (const { entry, payload } of batch.items) {
          const key = decoder.decode(entry.key);
          if (payload.kind !== 'lease') throw new Error(`${key} has no bytes`);
          const bytes = new Uint8Array(this.arena.buffer, payload.offset, payload.length);
          const wrong = verifyPattern(objectIdOf(key), 0, bytes);
          if (wrong !== -1 || bytes.length !== sizes[key]) throw new Error(`${key} is wrong at ${wrong}`);
          this.delivered.push(key);
        }
        stream.release(batch);
        stream.acknowledge(batch);
      }
    } catch (thrown) {
      this.failure = thrown;
    }
    this.record = await stream.finish('break');
    await this.supervisor.close('close');
    this.closed = true;
  }
}

/** Runs the scenario once for every third of its steps, and disturbs it there. */
async function atEveryThirdStep(
  disturb: (scenario: Scenario) => void,
  check: (scenario: Scenario) => void,
): Promise<void> {
  const undisturbed = new Scenario(1);
  await undisturbed.run();
  expect(undisturbed.sim.steps).toBeGreaterThan(300);
  for (let step = 0; step < undisturbed.sim.steps; step += tries(3, 60)) {
    const scenario = new Scenario(1);
    scenario.sim.atStep(step, () => disturb(scenario));
    await scenario.run();
    expect(scenario.sum, `the ledger adds up, disturbed at step ${step}`).toBe(scenario.record!.planned);
    check(scenario);
  }
}

describe('the supervisor and its workers, simulated', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'deliver every object once, in order, whole, with seed %i',
    async (seed) => {
      const scenario = new Scenario(seed);
      await scenario.run();
      expect(scenario.failure).toBeNull();
      expect(scenario.delivered).toEqual(keys);
      expect(scenario.record).toMatchObject({
        reason: 'completed',
        planned: keys.length,
        delivered: keys.length,
        listed: 'complete',
      });
      expect(scenario.arena.stats().usedBytes).toBe(0);
    },
  );

  it('settle with nothing leased and a ledger that adds up when cancelled at any step', async () => {
    await atEveryThirdStep(
      (scenario) => scenario.token.cancel('stop'),
      (scenario) => {
        expect(scenario.arena.stats().usedBytes).toBe(0);
        expect(scenario.delivered).toEqual(keys.slice(0, scenario.delivered.length));
        expect(scenario.origin.underWay).toEqual([]);
      },
    );
  }, 60_000);

  it('deliver a prefix and leave the rest when drained at any step', async () => {
    await atEveryThirdStep(
      (scenario) => scenario.token.drain('stop'),
      (scenario) => {
        expect(scenario.failure).toBeNull();
        expect(scenario.arena.stats().usedBytes).toBe(0);
        expect(scenario.delivered).toEqual(keys.slice(0, scenario.delivered.length));
        expect(scenario.record!.delivered).toBe(scenario.delivered.length);
        expect(scenario.record!.dropped).toBe(0);
      },
    );
  }, 60_000);

  it('lose nothing when a worker dies at any step', async () => {
    await atEveryThirdStep(
      (scenario) => scenario.sim.crashWorker(1),
      (scenario) => {
        expect(scenario.failure).toBeNull();
        expect(scenario.delivered).toEqual(keys);
        expect(scenario.arena.stats().usedBytes).toBe(0);
      },
    );
  }, 60_000);

  it('lose nothing when a worker hangs at any step', async () => {
    await atEveryThirdStep(
      (scenario) => scenario.sim.hangWorker(0),
      (scenario) => {
        expect(scenario.failure).toBeNull();
        expect(scenario.delivered).toEqual(keys);
      },
    );
  }, 60_000);
});
