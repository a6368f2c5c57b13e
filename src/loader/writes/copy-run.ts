/**
 * One run of `copyPrefix`: the walk over the source, what each object needs, and the rows that come of it.
 *
 * Invariants:
 * 1. The stream of small objects ends last: its plan says that it is at its end when every copy beside it has ended.
 * 2. Each listed object makes exactly one row, unless the run was stopped: then what was copied has one, and the error of
 *    the stop comes behind it. Nothing is begun after a stop.
 * 3. Nothing is written to where the source is listed: it could be an object that is still to be copied, or a copy of a copy.
 */
import type { ItemRecord, PlanEntry, SupervisorHandle } from '../../actors/supervisor/types.js';
import { asMillraceError, ErrorCode, MillraceError } from '../../protocol/errors.js';
import { beginsWith } from '../../protocol/keys.js';
import type { SinkSpec } from '../../protocol/messages.js';
import type { ObjectLocation } from '../../protocol/store.js';
import { StopState } from '../../protocol/stop.js';
import type { CancellationToken } from '../../protocol/token.js';
import { type DirectStream, directStream, openDirect, openStore } from '../direct.js';
import { createPageWalk } from '../listing.js';
import type { CopiedRow } from './copy-prefix.js';
import { copySource, headOf, schemeOf } from './copy.js';
import { STOPS } from './options.js';
import { Lanes } from './lanes.js';
import type { WriteTerms } from './options.js';
import { Outbox } from './outbox.js';
import { isEqual, type ListedObject, Matcher, orEmpty, Rows } from './pairs.js';
import { thresholdOf } from './part-plan.js';
import { openWritable, sinkStream, type WritableStore } from './target.js';

export interface CopyPlan {
  readonly from: ObjectLocation;
  readonly to: ObjectLocation;
  /** Whether the source lies below the target, so that copies may come to lie in the source. */
  readonly isUp: boolean;
  readonly dryRun: boolean;
  readonly skipEqual: boolean;
  readonly skipExisting: boolean;
  readonly lanes: number;
  readonly terms: WriteTerms;
}

/** Uploads in parts beside each other: each has several parts under way by itself. */
const MAX_LARGE = 4;
const MAX_ROWS = 1000;

export class CopyRun {
  readonly #supervisor: SupervisorHandle;
  readonly #plan: CopyPlan;
  readonly #token: CancellationToken;
  readonly #out = new Outbox<CopiedRow>(MAX_ROWS);
  readonly #lanes: Lanes;
  readonly #inside: boolean;
  /** Carries the listings. */
  readonly #questions: DirectStream;
  #source = -1;
  #target!: WritableStore;
  #rows!: Rows;
  #matcher: Matcher | null = null;
  #copies: DirectStream | null = null;
  #pumped: Promise<void> = Promise.resolve();

  constructor(supervisor: SupervisorHandle, plan: CopyPlan, token: CancellationToken) {
    this.#supervisor = supervisor;
    this.#plan = plan;
    this.#token = token;
    this.#inside = schemeOf(plan.from.store) === schemeOf(plan.to.store);
    this.#lanes = new Lanes(this.#inside ? plan.lanes : MAX_LARGE);
    this.#questions = openDirect(supervisor, directStream(supervisor, {}), null, { token });
  }

  async open(): Promise<void> {
    const { from, to, skipEqual, skipExisting, lanes, terms } = this.#plan;
    const { stream } = this.#questions;
    this.#source = await openStore(this.#supervisor, from.store, stream.token);
    this.#target = await openWritable(this.#supervisor, to.store, stream.token);
    const walk = (store: number, prefix: Uint8Array): Rows =>
      new Rows(createPageWalk((request) => stream.list(request), { store, prefix, delimiter: null }));
    this.#rows = walk(this.#source, from.key);
    if (skipEqual || skipExisting) this.#matcher = new Matcher(orEmpty(walk(this.#target.id, to.key)));
    const sink: SinkSpec = {
      store: this.#target.id,
      prefix: to.key,
      strip: from.key.length,
      upload: null,
      ifAbsent: false,
      ifVersion: null,
      contentType: null,
    };
    const flow = {
      batchSize: 16,
      windowObjects: lanes * 2,
      maxConcurrentObjects: lanes,
      onError: 'skip' as const,
    };
    const options = {
      ...sinkStream(this.#supervisor, sink, terms, flow),
      onFailure: (entry: PlanEntry, error: MillraceError) =>
        this.#row(entry.key, entry.size, 'failed', error),
    };
    const source = { next: (limit: number) => this.#entries(limit), close: () => {} };
    this.#copies = openDirect(this.#supervisor, options, source, { token: this.#token });
    // Copies beside the stream may end after it: the rows of those that succeeded come before the end.
    this.#pumped = this.#pump(this.#copies).then(
      () => this.#out.end(null),
      async (thrown: unknown) => {
        await this.#lanes.idle();
        this.#out.end({ thrown });
      },
    );
  }

  next(): Promise<CopiedRow | null> {
    return this.#out.next();
  }

  /** Ends what is under way. Idempotent. */
  async close(): Promise<void> {
    this.#out.end(null);
    await this.#copies?.close('break');
    await this.#pumped;
    await this.#lanes.idle();
    await this.#questions.close('completed');
  }

  async #pump({ stream }: DirectStream): Promise<void> {
    for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
      for (const item of batch.items) this.#copied(item);
      stream.release(batch);
      await this.#out.room();
    }
    // A drain may have become a cancel by the time that the last batch was taken.
    const { listed, left, dropped } = await stream.ended;
    if (listed !== 'complete' || left + dropped > 0) throw stream.token.error();
  }

  #copied({ entry }: ItemRecord): void {
    this.#row(entry.key, entry.size, 'copied', null);
  }

  /** The next objects that go through the stream of small ones; what needs a copy of its own is begun beside it. */
  async #entries(limit: number): Promise<readonly PlanEntry[] | null> {
    const entries: PlanEntry[] = [];
    // After a stop nobody looks at what this gives, and nothing more may be begun.
    while (entries.length < limit && this.#isLive()) {
      await this.#out.room();
      // Nobody waits for the entries of a run that has ended, and what it would begin is not wanted.
      if (this.#copies?.stream.token.state !== StopState.Live) return [];
      const object = await this.#rows.next();
      if (object === null) {
        if (entries.length > 0) return entries;
        await this.#lanes.idle();
        return null;
      }
      const left = await this.#leftOut(object);
      if (left !== null) this.#row(object.key, object.size, left, null);
      else if (this.#isIntoSource(object)) this.#refuse(object);
      else if (this.#plan.dryRun) this.#row(object.key, object.size, 'would-copy', null);
      else if (this.#isSmall(object)) entries.push(entryOf(this.#source, object));
      else await this.#lanes.begin(() => this.#copyAlone(object));
    }
    return entries;
  }

  #isLive(): boolean {
    return this.#copies?.stream.token.state === StopState.Live;
  }

  async #leftOut(object: ListedObject): Promise<'exists' | 'equal' | null> {
    const { skipExisting } = this.#plan;
    const there = (await this.#matcher?.find(this.#targetKey(object.key))) ?? null;
    if (there !== null && skipExisting) return 'exists';
    if (there !== null && isEqual(object, there, this.#inside)) return 'equal';
    return null;
  }

  #isIntoSource({ key }: ListedObject): boolean {
    const { from, isUp } = this.#plan;
    return isUp && beginsWith(this.#targetKey(key), from.key);
  }

  #refuse({ key, size }: ListedObject): void {
    const { stores } = this.#supervisor;
    const uri = stores.uri(this.#target.id, this.#targetKey(key));
    const below = stores.uri(this.#source, this.#plan.from.key);
    const error = new MillraceError(
      ErrorCode.InvalidArgument,
      `${uri} lies below ${below}, from where is copied, and could replace an object that is still to be copied: ` +
        'copy it by itself when the others are done, or all to another place',
      { phase: 'write', uri },
    );
    this.#row(key, size, 'failed', error);
  }

  #isSmall({ size }: ListedObject): boolean {
    if (this.#inside || size < 0) return false;
    return size <= thresholdOf(this.#target.limits, this.#supervisor.arena.budgetBytes);
  }

  async #copyAlone({ key, size, version }: ListedObject): Promise<void> {
    if (!this.#isLive()) return;
    const token = this.#copies!.stream.token;
    const targetKey = this.#targetKey(key);
    const target = {
      ...this.#target,
      key: targetKey,
      uri: this.#supervisor.stores.uri(this.#target.id, targetKey),
    };
    const deps = {
      supervisor: this.#supervisor,
      target,
      terms: this.#plan.terms,
      tokens: [token],
      stop: { token },
    };
    try {
      const known =
        size < 0 || version === null
          ? await headOf(deps, this.#source, key)
          : { size, version, contentType: null };
      const source = { store: this.#source, storeName: this.#plan.from.store, key, ...known };
      await copySource(deps, source);
      this.#row(key, known.size, 'copied', null);
    } catch (thrown) {
      // A stop is told once, behind the rows, and not for each object that it has kept.
      if (!this.#isLive() && thrown instanceof MillraceError && STOPS.has(thrown.code)) return;
      this.#row(key, size, 'failed', asMillraceError(thrown, ErrorCode.Internal, { phase: 'write' }));
    }
  }

  #targetKey(key: Uint8Array): Uint8Array {
    const { from, to } = this.#plan;
    return new Uint8Array(Buffer.concat([to.key, key.subarray(from.key.length)]));
  }

  #row(key: Uint8Array, size: number, action: CopiedRow['action'], error: MillraceError | null): void {
    const { stores } = this.#supervisor;
    const from = stores.uri(this.#source, key);
    const to = stores.uri(this.#target.id, this.#targetKey(key));
    this.#out.put({ from, to, size, action, error });
  }
}

function entryOf(store: number, { key, size, version }: ListedObject): PlanEntry {
  return { store, key, size, version, pinned: false, start: 0, length: -1 };
}
