/**
 * The memory of a stream's tasks: given, trimmed, set aside, taken back.
 *
 * Invariants:
 * 1. `bytes` is the sum of the capacities of the tasks that have an extent.
 * 2. An extent or a prefix is released once, and the caller sees to it that none of the task's jobs is out.
 */
import type { Arena, Extent } from '../../protocol/arena.js';
import type { Task } from './types.js';

export class TaskMemory {
  readonly #arena: Arena;
  #bytes = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get bytes(): number {
    return this.#bytes;
  }

  give(task: Task, extent: Extent, offset: number, capacity: number): void {
    task.extent = extent;
    task.offset = offset;
    task.capacity = capacity;
    this.#bytes += capacity;
  }

  /** The task needs no more than the first `bytes` of the extent that it has for itself. */
  trim(task: Task, bytes: number): void {
    this.#arena.trim(task.extent!, bytes);
    this.#bytes -= task.capacity - bytes;
    task.capacity = bytes;
  }

  /** Keeps the first `bytes` of an object that turned out to have more, for its next job to copy. */
  setAside(task: Task, bytes: number): void {
    task.prefix = { extent: task.extent!, offset: task.offset, length: bytes, stale: false };
    this.#bytes -= task.capacity;
    task.extent = null;
  }

  /** The extent belongs to whoever holds the task's items from now on. */
  handOver(task: Task): void {
    this.#bytes -= task.capacity;
  }

  dropPrefix(task: Task): void {
    if (task.prefix !== null) this.#arena.release(task.prefix.extent);
    task.prefix = null;
  }

  dropExtent(task: Task): void {
    if (task.extent === null) return;
    this.#bytes -= task.capacity;
    this.#arena.release(task.extent);
    task.extent = null;
    for (const output of task.outputs ?? []) {
      if (output.kind === 'bytes') this.#arena.uncharge(output.bytes.length);
    }
  }

  dropAll(task: Task): void {
    this.dropPrefix(task);
    this.dropExtent(task);
  }
}
