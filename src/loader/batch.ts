/**
 * What a consumer is handed: items, and the right to hold their memory.
 *
 * Invariants:
 * 1. The memory of a batch goes back exactly once; a second `release()` is an error, and no access succeeds after it.
 * 2. A retained batch belongs to its consumer: the loader does not release it.
 * 3. A batch is acknowledged at most once.
 */
import type { BatchRecord, Cursor, StreamHandle, SupervisorHandle } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { Item } from './item.js';
import { type LeakWatch, leakWatchOf } from './leaks.js';
import { type ByteSource, createByteSource } from './views.js';

/** What the batches of one iteration have in common. */
export interface BatchWorld {
  readonly supervisor: SupervisorHandle;
  readonly stream: Pick<StreamHandle, 'release' | 'acknowledge'>;
  readonly bytes: ByteSource;
  readonly leaks: LeakWatch;
  /** Whether the batches come in plan order, so that a cursor can be told. */
  readonly ordered: boolean;
}

export function createBatchWorld(
  supervisor: SupervisorHandle,
  stream: BatchWorld['stream'],
  options: { readonly checked: boolean; readonly ordered: boolean },
): BatchWorld {
  const { checked, ordered } = options;
  const bytes = createByteSource(supervisor.arena, checked);
  return { supervisor, stream, bytes, leaks: leakWatchOf(supervisor), ordered };
}

export class Batch implements Iterable<Item> {
  readonly #record: BatchRecord;
  readonly #world: BatchWorld;
  readonly #items: readonly Item[];
  #released = false;
  #retained = false;
  #acknowledged = false;

  constructor(record: BatchRecord, world: BatchWorld) {
    this.#record = record;
    this.#world = world;
    const shared = {
      stores: world.supervisor.stores,
      bytes: world.bytes,
      released: () => this.#released,
      onView: (view: Uint8Array) => {
        if (this.#retained) world.leaks.link(view, this);
      },
    };
    this.#items = record.items.map((item) => new Item(item, shared));
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  /** Number of items. */
  get length(): number {
    return this.#items.length;
  }

  /** Bytes of all items together. */
  get bytes(): number {
    return this.#record.bytes;
  }

  get released(): boolean {
    return this.#released;
  }

  get retained(): boolean {
    return this.#retained;
  }

  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  /** The place behind this batch, for when all before it is acknowledged too; null in completion order. */
  get cursor(): Cursor | null {
    return this.#world.ordered ? cursorBehind(this.#record) : null;
  }

  /** The item at an index; counted from the end when negative, undefined when there is none. */
  at(index: number): Item | undefined {
    return this.#items.at(index);
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.#items[Symbol.iterator]();
  }

  /**
   * Keeps the batch beyond the next one: the caller releases it. Memory that is held so counts against the budget.
   * @returns the batch itself
   * @throws MillraceError Released
   */
  retain(): this {
    if (this.#released) throw this.#misuse('retain');
    if (this.#retained) return this;
    this.#retained = true;
    const { stream, leaks } = this.#world;
    const record = this.#record;
    leaks.watch(this, () => stream.release(record));
    for (const item of this.#items) {
      const view = Item.viewOf(item);
      if (view !== null) leaks.link(view, this);
    }
    return this;
  }

  /**
   * Gives the memory back. The loader does it when the next batch is asked for, unless the batch was retained.
   * @throws MillraceError Released when it was released before
   */
  release(): void {
    if (this.#released) throw this.#misuse('release');
    this.#released = true;
    if (this.#retained) this.#world.leaks.forget(this);
    for (const item of this.#items) {
      const view = Item.viewOf(item);
      if (view !== null) this.#world.bytes.detach(view);
    }
    this.#world.stream.release(this.#record);
  }

  /** `using batch = ...` releases at the end of the block what is not released by then. */
  [Symbol.dispose](): void {
    if (!this.#released) this.release();
  }

  /** Says that the batch is done with: the cursor moves over it. Possible after the release too. Idempotent. */
  ack(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    this.#world.stream.acknowledge(this.#record);
  }

  #misuse(verb: string): MillraceError {
    const first = this.#items[0];
    const from = first === undefined ? '' : ` that begins with item ${first.sequence} (${first.uri})`;
    return new MillraceError(
      ErrorCode.Released,
      `${verb} of a batch${from}: it was already released; the loader releases a batch when the next one is ` +
        'asked for, unless batch.retain() was called before',
      { phase: 'deliver', ...(first === undefined ? {} : { uri: first.uri }) },
    );
  }
}

/** The place in the plan behind the last item of a batch that came in plan order. */
function cursorBehind(record: BatchRecord): Cursor | null {
  const last = record.items.at(-1);
  if (last === undefined) return null;
  return last.last
    ? { version: 1, objects: last.sequence + 1, items: 0 }
    : { version: 1, objects: last.sequence, items: last.index + 1 };
}
