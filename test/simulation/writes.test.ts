/**
 * Puts in the simulation, disturbed at every moment: by deaths and hangs of workers, by a cancel, a drain and a close.
 *
 * What every run keeps true: a body that a worker writes is the object's, when its write begins and when it ends; nothing is
 * begun after a cancel but what cleans up; an upload whose begin was answered is completed or aborted; nothing is left.
 */
import { describe, expect, it } from 'vitest';
import { Supervisor } from '../../dist/actors/supervisor/supervisor.js';
import type { RuntimeRecord, StoreDirectory } from '../../dist/actors/supervisor/types.js';
import { runWorker } from '../../dist/actors/worker/worker.js';
import { putObject } from '../../dist/loader/writes/put.js';
import { Arena } from '../../dist/protocol/arena.js';
import { MillraceError } from '../../dist/protocol/errors.js';
import { StopState, type StopSignal } from '../../dist/protocol/stop.js';
import { Outcome, type Answer } from '../../dist/protocol/store.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { createRuntimeWords, fillRetryBudget } from '../../dist/protocol/words.js';
import { written, type WriteRequest, type WriteResult } from '../../dist/protocol/writes.js';
import { createSimOrigin } from '../../dist/runtime/simulation/origin.js';
import { createSimulation } from '../../dist/runtime/simulation/simulation.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import type { SimWorld } from '../../dist/runtime/simulation/worker.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { SIM_STORE, simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { tries } from '../kit/effort.js';
import { PAGE } from './load.kit.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SIZES = { small: 2000, large: 3 * PAGE + 7, other: 2 * PAGE + 1 };

/** A service that takes writes, and looks at their bodies. */
class Target {
  readonly wrong: string[] = [];
  readonly objects = new Map<string, string>();
  /** By name: open, completed or aborted. */
  readonly uploads = new Map<string, string>();
  /** By key: a begin that had no answer is made again, and of the upload that it made nobody knows the name. */
  readonly lastUploads = new Map<string, string>();

  write(world: SimWorld, request: WriteRequest, stop: StopSignal): Promise<Answer<WriteResult>> {
    if (stop.state === StopState.Cancelled) this.wrong.push(`${request.kind} begins after the cancel`);
    const look = (when: string): void => {
      if (request.kind !== 'put' && request.kind !== 'part') return;
      const start = request.kind === 'part' ? request.start : 0;
      const at = verifyPattern(objectIdOf(decoder.decode(request.key)), start, request.body);
      if (at >= 0)
        this.wrong.push(`${request.kind} of ${decoder.decode(request.key)} at ${start}: ${when}, byte ${at}`);
    };
    look('as it begins');
    return new Promise((resolve) => {
      let over = false;
      let unlink = (): void => {};
      const end = (answer: Answer<WriteResult>): void => {
        if (over) return;
        over = true;
        cancel();
        unlink();
        resolve(answer);
      };
      const cancel = world.device(`${request.kind} arrives`, 3, () => {
        look('as it is sent');
        const answer = written(this.#done(request));
        world.complete(request.kind, () => {
          // However late: until its thread has turned, or is gone, it may read them.
          if (!over) look('as it is answered');
          end(answer);
        });
      });
      unlink = stop.onStop(() =>
        end({ outcome: Outcome.Cancelled, value: null, error: null, retryAfterMs: 0 }),
      );
      if (over) unlink();
    });
  }

  #done(request: WriteRequest): Partial<WriteResult> {
    if (request.kind === 'put') this.objects.set(decoder.decode(request.key), 'put');
    if (request.kind === 'begin') {
      const upload = `u${this.uploads.size}`;
      this.uploads.set(upload, 'open');
      this.lastUploads.set(decoder.decode(request.key), upload);
      return { upload, partsInFlight: 2 };
    }
    if (request.kind === 'part') return { part: `p${request.index}` };
    if (request.kind === 'complete' && this.uploads.get(request.upload) === 'open') {
      this.uploads.set(request.upload, 'completed');
      this.objects.set(decoder.decode(request.key), request.parts.join());
    }
    if (request.kind === 'abort' && this.uploads.get(request.upload) === 'open')
      this.uploads.set(request.upload, 'aborted');
    return { version: 'v' };
  }
}

const SCHEME = { splitThreshold: 2 * PAGE, partBytes: PAGE, maxPartsPerObject: 2 };
const LIMITS = {
  multipartThreshold: PAGE,
  partBytes: PAGE,
  partAlignment: 1,
  maxPartBytes: 4 * PAGE,
  maxParts: 100,
  maxObjectBytes: Infinity,
  deletesPerRequest: 10,
};
const STORES: StoreDirectory = {
  locate: (uri) => ({ store: 'sim', key: encoder.encode(uri) }),
  idOf: () => SIM_STORE,
  open: () => Promise.resolve(SIM_STORE),
  uri: (_id, key) => `sim://${decoder.decode(key)}`,
  defaults: () => SCHEME,
  writes: () => LIMITS,
  schemeOf: () => ({ name: 'sim', defaults: SCHEME }),
  spec: () => simStoreSpec(1),
};

function createWorld(seed: number) {
  const target = new Target();
  const origin = createSimOrigin({ objects: new Map() });
  // Memory for a few parts: what is taken too early is given to the next one at once.
  const arena = new Arena(6 * PAGE);
  const words = createRuntimeWords();
  fillRetryBudget(words);
  const sim = createSimulation({
    seed,
    runWorker,
    words,
    concurrency: 2,
    arena: arena.buffer,
    stores: (spec, world) => ({
      ...createSimStore(world, origin, spec.snapshot),
      write: (request, stop) => target.write(world, request, stop),
    }),
  });
  const token = new CancellationToken({ clock: sim.clock });
  const supervisor = new Supervisor(sim.context, arena, words, STORES, {
    workers: 2,
    concurrency: 2,
    stuckAfterMs: 5000,
    budgetTimeoutMs: 10_000,
    closeTimeoutMs: 3000,
    token,
  });
  supervisor.start();
  const ends: string[] = [];
  for (const [key, size] of Object.entries(SIZES)) {
    putObject(supervisor, key, patternBytes(objectIdOf(key), size)).then(
      () => ends.push('done'),
      (thrown: unknown) => ends.push(thrown instanceof MillraceError ? thrown.code : String(thrown)),
    );
  }
  return { target, arena, sim, token, supervisor, ends };
}

type World = ReturnType<typeof createWorld>;

async function finish(world: World): Promise<string[]> {
  const { sim, ends, supervisor, arena, target } = world;
  await sim.run(() => ends.length === Object.keys(SIZES).length, 30_000);
  const resume = (): void => sim.workers.forEach((worker) => worker.state === 'hung' && worker.resume());
  resume();
  let record: RuntimeRecord | null = null;
  void supervisor.close('close').then((ended) => {
    record = ended;
  });
  await sim.run(() => record !== null, 30_000);
  resume();
  await sim.run(() => sim.waiting().length === 0, 30_000);
  const { usedBytes, quarantinedBytes, extents } = arena.stats();
  const wrong = [...target.wrong];
  if (usedBytes + quarantinedBytes + extents > 0)
    wrong.push(`${usedBytes} used, ${quarantinedBytes} quarantined`);
  for (const upload of target.lastUploads.values())
    if (target.uploads.get(upload) === 'open') wrong.push(`${upload} is open`);
  return wrong;
}

async function stepsOf(seed: number): Promise<number> {
  const world = createWorld(seed);
  expect(await finish(world)).toEqual([]);
  expect(world.ends).toEqual(['done', 'done', 'done']);
  expect([...world.target.objects.values()].toSorted()).toEqual(['p0,p1,p2', 'p0,p1,p2,p3', 'put']);
  return world.sim.steps;
}

const DISTURBANCES: readonly (readonly [string, (world: World) => void, RegExp])[] = [
  ['the death of a worker', ({ sim }) => sim.crashWorker(0), /^done$/],
  ['a hang of a worker', ({ sim }) => sim.hangWorker(0), /^done$/],
  ['a cancel', ({ token }) => token.cancel('enough'), /^(done|Cancelled)$/],
  ['a drain', ({ token }) => token.drain('enough'), /^(done|Draining|Cancelled)$/],
];

describe('puts', () => {
  it.each(DISTURBANCES)(
    'keep what they promise, at whatever moment %s comes',
    async (_what, disturb, ends) => {
      const failures: string[] = [];
      for (const seed of [1, 2]) {
        const steps = await stepsOf(seed);
        for (let step = 0; step < steps && failures.length < 5; step += tries(1, 13)) {
          const world = createWorld(seed);
          world.sim.atStep(step, () => disturb(world));
          try {
            const wrong = await finish(world);
            for (const end of world.ends) if (!ends.test(end)) wrong.push(`a put ended with ${end}`);
            if (wrong.length > 0) failures.push(`seed ${seed}, step ${step}: ${wrong.join('; ')}`);
          } catch (thrown) {
            failures.push(`seed ${seed}, step ${step}: ${String(thrown)}`);
          }
        }
      }
      expect(failures).toEqual([]);
    },
  );
});
