/**
 * What is left in a process once many operations are over, by kind.
 *
 * Promises, ports, threads, timers and requests are counted by async_hooks from their making to their end, which for a
 * promise is its collection; objects of ours that a test watches, by weak references; listeners, leases, handles and
 * descriptors by those who hold them.
 *
 * An operation that leaves one thing behind leaves as many as there were operations; a cache, or something that is
 * replaced by the next operation, leaves one. So what counts is whether there is one for each of them.
 */
import { createHook } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Runtime } from '../../dist/index.js';
import { CountedToken } from '../kit/counted-token.js';
import { excess, takeBaseline } from '../kit/leaks.mjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What lives as long as a service and is passed to every operation, and what is watched of the operations. */
export class Ground {
  readonly token = new CountedToken();
  readonly controller = new AbortController();
  readonly #watched: WeakRef<object>[] = [];

  /** Counts as an object that is left for as long as it is not collected. */
  watch<T extends object>(object: T): T {
    this.#watched.push(new WeakRef(object));
    return object;
  }

  get listeners(): number {
    return this.token.linked + getEventListeners(this.controller.signal, 'abort').length;
  }

  get objects(): number {
    return this.#watched.filter((ref) => ref.deref() !== undefined).length;
  }
}

/** Kinds of async_hooks that are told apart; all others are requests. */
const KINDS: Readonly<Record<string, 'promise' | 'port' | 'thread' | 'timer'>> = {
  PROMISE: 'promise',
  MESSAGEPORT: 'port',
  WORKER: 'thread',
  Timeout: 'timer',
  Immediate: 'timer',
};

const counts = { promise: 0, port: 0, thread: 0, timer: 0, request: 0 };
export type Counts = typeof counts & { object: number; listener: number; lease: number };
export type Left = Counts & { readonly handles: readonly string[] };

const kinds = new Map<number, keyof typeof counts>();
const hook = createHook({
  init: (id, type) => {
    // A tick of the process is over before anything can be counted.
    if (type === 'TickObject') return;
    const kind = KINDS[type] ?? 'request';
    kinds.set(id, kind);
    counts[kind] += 1;
  },
  destroy: (id) => {
    const kind = kinds.get(id);
    if (kind === undefined) return;
    kinds.delete(id);
    counts[kind] -= 1;
  },
});

async function census(ground: Ground, runtime: Runtime): Promise<Counts> {
  const lease = (await runtime.stats()).arena.extents;
  // What was collected is told in the next turn, and may have held something else.
  for (let round = 0; round < 3; round += 1) {
    collect();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  return { ...counts, object: ground.objects, listener: ground.listeners, lease };
}

/** What waits for a turn of the event loop, or for the exit of a thread, gets so many rounds. */
const MAX_ROUNDS = 40;
const ROUND_MS = 25;

const pause = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ROUND_MS);
  });

/** Works three times to fill what is kept for good, then `times` times, and tells what there is more of than in between. */
export async function leftBy(
  times: number,
  ground: Ground,
  runtime: Runtime,
  work: (turn: number) => Promise<void>,
): Promise<Left> {
  hook.enable();
  try {
    for (let turn = 0; turn < 3; turn += 1) await work(turn);
    await pause();
    const holdings = await takeBaseline();
    const before = await census(ground, runtime);
    for (let turn = 0; turn < times; turn += 1) await work(3 + turn);
    for (let rounds = 0; ; rounds += 1) {
      const after = await census(ground, runtime);
      const more = Object.entries(after).map(
        ([kind, count]) => [kind, count - before[kind as keyof Counts]] as const,
      );
      const handles = excess(holdings);
      const isClean = handles.length === 0 && more.every(([, count]) => count <= 0);
      if (isClean || rounds === MAX_ROUNDS) return { ...(Object.fromEntries(more) as Counts), handles };
      await pause();
    }
  } finally {
    hook.disable();
  }
}
