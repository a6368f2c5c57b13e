/**
 * The bounce memory of a worker: where direct reads go whose target, or whose first or last block, is not aligned.
 *
 * Invariants:
 * 1. A slot belongs to one read from the moment it is given until `giveBack`, so no read writes into another's.
 * 2. Bounded: a read that finds every slot taken waits for the first one that is given back, in the order of asking.
 * 3. The memory is made once and used again. Pages that no read came to are not there.
 */
import { BOUNCE_BYTES } from './direct-plan.js';
import { MAX_MEMORY_BYTES, MAX_PROBE_BYTES } from './direct-probe.js';

/** Twice as many as the threads that libuv reads with by default: more would wait there. 4 MiB for each worker. */
const SLOTS = 8;
/** The page behind each slot is for the pad, which may be another one for each device. */
const STRIDE_BYTES = BOUNCE_BYTES + MAX_MEMORY_BYTES;
/** Behind the pad, and behind the largest alignment that is tried. */
const PROBE_BYTES = MAX_PROBE_BYTES + 2 * MAX_MEMORY_BYTES;

export interface Bounces {
  readonly memory: Uint8Array;
  /** Where in `memory` devices are probed: no slot, so that a probe overwrites nothing that a read waits for. */
  readonly probeOffset: number;
  /**
   * Calls `use` with the offset of a slot in `memory`, at once or when one is given back.
   * Wait ends: with a read that is under way, whose callback always comes.
   */
  take(use: (offset: number) => void): void;
  /** The slot at `offset` again. */
  giveBack(offset: number): void;
}

export function createBounces(slots: number = SLOTS): Bounces {
  let memory: Uint8Array | null = null;
  const free = Array.from({ length: slots }, (_, slot) => slot * STRIDE_BYTES);
  const waiting: ((offset: number) => void)[] = [];
  return {
    get memory() {
      memory ??= new Uint8Array(new ArrayBuffer(slots * STRIDE_BYTES + PROBE_BYTES));
      return memory;
    },
    probeOffset: slots * STRIDE_BYTES,
    take(use) {
      const offset = free.pop();
      if (offset === undefined) waiting.push(use);
      else use(offset);
    },
    giveBack(offset) {
      const next = waiting.shift();
      if (next === undefined) free.push(offset);
      else next(offset);
    },
  };
}
