import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { createRuntimeWords } from '../../dist/protocol/words.js';
import { createServiceContext } from '../../dist/runtime/threads/service.js';
import { spawnThread } from '../../dist/runtime/threads/spawn.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { runtimeConformance } from './runtime.conformance.js';
import type { Bench } from './runtime.kit.js';

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
