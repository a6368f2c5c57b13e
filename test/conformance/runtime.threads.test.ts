import { expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { createRuntimeWords } from '../../dist/protocol/words.js';
import { createServiceContext } from '../../dist/runtime/threads/service.js';
import { spawnThread } from '../../dist/runtime/threads/spawn.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { runtimeConformance } from './runtime.conformance.js';
import { type Bench, upTo, Watched } from './runtime.kit.js';

const ENTRY = new URL('./thread-entry.mjs', import.meta.url).href;

/** Conditions that are looked at when something has changed. */
function createWaits(): Pick<Bench, 'until' | 'changed'> {
  const waits = new Set<() => void>();
  return {
    until: (condition) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!condition()) return;
          waits.delete(look);
          resolve();
        };
        waits.add(look);
        look();
      }),
    changed: () => {
      for (const look of waits) look();
    },
  };
}

function openBench(actor: string): Bench {
  const arena = new SharedArrayBuffer(4096);
  const words = createRuntimeWords();
  const context = createServiceContext({
    spawn: (index, incarnation) =>
      spawnThread({
        entry: ENTRY,
        index,
        incarnation,
        arena,
        words,
        concurrency: 2,
        settings: { actor },
        heapLimitMiB: null,
      }),
    refreshStore: async (id, stale) => {
      if (id === 1) return { ...simStoreSpec(stale + 1), id };
      throw new MillraceError(ErrorCode.Unauthenticated, 'no');
    },
  });
  return { context, arena, ...createWaits() };
}

runtimeConformance('threads', openBench);

it('threads that hold on to a core are seen to, while they do and when they have ended', async () => {
  const bench = openBench('burner');
  const watch = bench.context.watchLoad();
  const worker = new Watched(bench);
  await worker.untilHeard('ready');
  const before = watch.read().busyMs;
  worker.tell('go');
  // When it says so the third time, it has done so for two tenths of a second.
  await bench.until(() => worker.heard.length >= 4);
  const during = watch.read().busyMs - before;
  expect(during).toBeGreaterThan(150);
  await worker.stop();
  expect(watch.read().busyMs - before).toBeGreaterThanOrEqual(during);
  watch.stop();
});

it('an event loop of the service that is held up turn after turn shows in every reading', async () => {
  const { context } = openBench('echo');
  const watch = context.watchLoad();
  for (const _ of upTo(4)) {
    const untilMs = context.now() + 150;
    while (context.now() < untilMs);
    await new Promise<void>((resolve) => {
      context.soon(resolve);
    });
    expect(watch.read().eventLoopDelayMs).toBeGreaterThan(100);
  }
  watch.stop();
});
