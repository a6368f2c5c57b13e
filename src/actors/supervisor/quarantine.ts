/**
 * The memory that stuck workers may still write to.
 *
 * Invariant: an extent is out of use from the loss of its worker until the exit of that worker was seen, whoever else held it.
 */
import type { Arena, Extent } from '../../protocol/arena.js';
import type { Worker } from './crew.js';
import type { FetchJobRecord } from './jobs.js';

export class Quarantine {
  readonly #arena: Arena;
  readonly #extents = new Map<Worker, Set<Extent>>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Takes the extents of lost jobs, and those of lost hedges, which are held for it already. */
  take(worker: Worker, lost: readonly FetchJobRecord[], hedged: readonly Extent[]): void {
    const extents = new Set<Extent>();
    for (const { task } of lost) if (task.extent !== null) extents.add(task.extent);
    for (const extent of extents) this.#arena.hold(extent);
    for (const extent of hedged) extents.add(extent);
    for (const extent of extents) this.#arena.quarantine(extent);
    this.#extents.set(worker, extents);
  }

  /** The worker's exit was seen. */
  release(worker: Worker): void {
    const extents = this.#extents.get(worker);
    this.#extents.delete(worker);
    for (const extent of extents ?? []) this.#arena.unquarantine(extent);
  }
}
