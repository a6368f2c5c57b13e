/** A relief over an arena of its own, whose waits pass when a test says so. */
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { Relief } from '../../../dist/actors/supervisor/relief.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import type { PlanEntry } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { entryOf, uriOf, WHOLE } from './kit.js';

export const TIMEOUT_MS = 60_000;

/** `pass` lets the time pass that a consumer waits for others; `timers` says how many of such waits there are. */
export function createRelief(budgetBytes: number, timeoutMs = TIMEOUT_MS) {
  const arena = new Arena(budgetBytes);
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: uriOf });
  const timers = new Set<() => void>();
  /** How long each of them was to be. */
  const waits: number[] = [];
  const relief = new Relief({
    arena,
    grants,
    timeoutMs,
    after: (ms, fn) => {
      waits.push(ms);
      timers.add(fn);
      return () => void timers.delete(fn);
    },
    poke: () => {},
  });
  const pass = (): void => {
    // The last part of the wait has a timer of its own.
    for (let part = 0; part < 2; part += 1)
      for (const fn of [...timers].splice(0)) if (timers.delete(fn)) fn();
  };
  return { arena, grants, relief, timers, waits, pass };
}

export function sized(sizes: readonly number[]): PlanEntry[] {
  return sizes.map((size, i) => entryOf(i, { size }));
}

export function sequences(tasks: readonly { readonly sequence: number }[]): number[] {
  return tasks.map(({ sequence }) => sequence);
}

/** As far as there is room. */
export function grantAll(grants: Grants, stream: Stream): void {
  while (grants.grantNext(stream));
}
