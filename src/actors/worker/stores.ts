/**
 * The stores of one worker: opened once, given fresher snapshots as they come, and the wait for one that was asked for.
 *
 * Invariant: a snapshot is never replaced by an older one, in whatever order the control and the job port deliver.
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
  snapshot: StoreSnapshot;
  failure: MillraceError | null;
  readonly waiters: Set<() => void>;
}

export class Stores {
  readonly #context: WorkerContext;
  readonly #entries = new Map<number, Entry>();
  readonly #open = new Set<Store>();

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  add(spec: StoreSpec): void {
    if (this.#entries.has(spec.id)) return this.update(spec.id, spec.snapshot);
    const store = this.#context.openStore(spec).then((opened) => {
      this.#open.add(opened);
      const { snapshot } = this.#entries.get(spec.id)!;
      if (snapshot.version > spec.snapshot.version) opened.update(snapshot);
      return opened;
    });
    // Whoever uses it meets the rejection.
    store.catch(() => {});
    this.#entries.set(spec.id, {
      name: spec.name,
      store,
      snapshot: spec.snapshot,
      failure: null,
      waiters: new Set(),
    });
  }

  async get(id: number): Promise<Store> {
    const entry = this.#entries.get(id);
    if (entry === undefined)
      throw new MillraceError(ErrorCode.Internal, `no store ${id} in ${this.#context.name}`);
    try {
      return await entry.store;
    } catch (thrown) {
      throw asMillraceError(thrown, ErrorCode.ModuleUnavailable, { phase: 'prepare' });
    }
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
    void entry.store.then((store) => store.update(snapshot)).catch(() => {});
    this.#wake(entry);
  }

  fail(id: number, error: MillraceError): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.failure = error;
    this.#wake(entry);
  }

  /** Waits for a fresher snapshot than the one that was refused. The error says why there is none. */
  async refresh(id: number, token: TurnSignal): Promise<MillraceError | null> {
    const entry = this.#entries.get(id)!;
    const stale = entry.snapshot.version;
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
    for (const store of this.#open) store.close();
    this.#open.clear();
  }

  #wake(entry: Entry): void {
    for (const wake of entry.waiters) wake();
  }
}
