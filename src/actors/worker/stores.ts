/**
 * The stores of one worker: opened once, given fresher snapshots as they come, and the wait for one that was asked for.
 *
 * Invariants:
 * 1. A snapshot is never replaced by an older one, in whatever order the control and the job port deliver.
 * 2. Every store that was opened is closed, one that comes open after the end too.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import { asMillraceError, ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { StoreSpec } from '../../protocol/messages.js';
import type { Store, StoreSnapshot } from '../../protocol/store.js';
import { wokenBy } from './tokens.js';

/** Longest wait for fresh credentials; the service thread bounds its own resolution well below this. */
const REFRESH_TIMEOUT_MS = 20_000;

interface Entry {
  readonly name: string;
  readonly store: Promise<Store>;
  /** The store once it is open, so that each job need not wait a turn for a promise that is resolved. */
  opened: Store | null;
  snapshot: StoreSnapshot;
  /** Version of the snapshot that the store itself works with; a moment behind the newest one. */
  applied: number;
  failure: MillraceError | null;
  readonly waiters: Set<() => void>;
}

export class Stores {
  readonly #context: WorkerContext;
  readonly #entries = new Map<number, Entry>();
  readonly #open = new Set<Store>();
  #closed = false;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  add(spec: StoreSpec): void {
    if (this.#entries.has(spec.id)) return this.update(spec.id, spec.snapshot);
    const store = this.#context.openStore(spec).then((opened) => {
      // All rows may have been handed back before it was there.
      if (this.#closed) opened.close();
      else this.#open.add(opened);
      const entry = this.#entries.get(spec.id)!;
      entry.opened = opened;
      apply(entry, opened, entry.snapshot);
      return opened;
    });
    // Whoever uses it meets the rejection.
    store.catch(() => {});
    this.#entries.set(spec.id, {
      name: spec.name,
      store,
      opened: null,
      snapshot: spec.snapshot,
      applied: spec.snapshot.version,
      failure: null,
      waiters: new Set(),
    });
  }

  get(id: number): Store | Promise<Store> {
    const entry = this.#entries.get(id);
    if (entry === undefined)
      throw new MillraceError(ErrorCode.Internal, `no store ${id} in ${this.#context.name}`);
    return (
      entry.opened ??
      entry.store.catch((thrown: unknown) => {
        throw asMillraceError(thrown, ErrorCode.ModuleUnavailable, { phase: 'prepare' });
      })
    );
  }

  uri(id: number, key: string): string {
    const name = this.#entries.get(id)?.name ?? '';
    return name.endsWith('/') ? `${name}${key}` : `${name}/${key}`;
  }

  update(id: number, snapshot: StoreSnapshot): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || snapshot.version <= entry.snapshot.version) return;
    entry.snapshot = snapshot;
    entry.failure = null;
    void entry.store.then((store) => apply(entry, store, snapshot)).catch(() => {});
    this.#wake(entry);
  }

  fail(id: number, error: MillraceError): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.failure = error;
    this.#wake(entry);
  }

  /** Version of the snapshot that an attempt which begins now works with. */
  version(id: number): number {
    return this.#entries.get(id)?.applied ?? 0;
  }

  /**
   * Waits for a fresher snapshot than version `stale`, which was refused. Returns at once when it is here already: an
   * attempt may have begun before the refresh that another one asked for. The error says why there is none.
   */
  async refresh(id: number, stale: number, token: TurnSignal): Promise<MillraceError | null> {
    const entry = this.#entries.get(id)!;
    if (entry.applied > stale) return null;
    entry.failure = null;
    this.#context.control.post({ kind: 'stale-store', id, version: stale });
    const woken = wokenBy(token, (wake) => {
      entry.waiters.add(wake);
      return () => entry.waiters.delete(wake);
    });
    await this.#context.sleep(REFRESH_TIMEOUT_MS, woken);
    if (entry.snapshot.version > stale || token.state !== 0) return null;
    return (
      entry.failure ??
      new MillraceError(
        ErrorCode.Unauthenticated,
        `no fresh credentials for ${entry.name} within ${REFRESH_TIMEOUT_MS} ms`,
        {
          phase: 'prepare',
        },
      )
    );
  }

  close(): void {
    this.#closed = true;
    for (const store of this.#open) store.close();
    this.#open.clear();
  }

  #wake(entry: Entry): void {
    for (const wake of entry.waiters) wake();
  }
}

/** Both come here when two updates cross: the store keeps the newer one. */
function apply(entry: Entry, store: Store, snapshot: StoreSnapshot): void {
  if (snapshot.version <= entry.applied) return;
  entry.applied = snapshot.version;
  store.update(snapshot);
}
