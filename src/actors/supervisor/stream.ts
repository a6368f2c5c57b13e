/**
 * One loader or one direct call, on the supervisor's side: what was admitted, what is on its way, the batches that
 * are ready, and the consumer that waits.
 *
 * Invariants:
 * 1. Every admitted object ends in exactly one column of the ledger.
 * 2. Memory of a task is released only when none of its jobs is with a worker.
 * 3. After the token turned nothing is admitted. A drain delivers what is complete up to the first gap and counts the
 *    rest as left; a cancel drops what was not handed out, also of a stream that has failed by then.
 * 4. `ended` resolves when nothing of the stream is in flight and nothing is left to hand out.
 */
import type { Arena } from '../../protocol/arena.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { isSink, type BareWriteRequest } from '../../protocol/messages.js';
import { StopState } from '../../protocol/stop.js';
import type { KeyPage, ObjectInfo } from '../../protocol/store.js';
import type { CancellationToken } from '../../protocol/token.js';
import type { WriteResult } from '../../protocol/writes.js';
import { CursorTrack } from './cursor.js';
import { Intake } from './intake.js';
import { IntMap } from './int-map.js';
import { itemsOf, releaseItems, wholeItem } from './items.js';
import { Ledger } from './ledger.js';
import { Outlet } from './outlet.js';
import { TaskMemory } from './task-memory.js';
import { evictedTasks, newTask, plannedLength, resetTask } from './tasks.js';
import {
  TaskState,
  type BatchRecord,
  type Cursor,
  type PlanEntry,
  type PlanSource,
  type StreamHandle,
  type StreamListRequest,
  type StreamOptions,
  type Task,
  type TerminalRecord,
} from './types.js';

/** What a stream needs of its supervisor. */
export interface StreamDeps {
  readonly id: number;
  readonly slot: number;
  readonly epoch: number;
  readonly arena: Arena;
  readonly token: CancellationToken;
  now(): number;
  uri(entry: PlanEntry): string;
  /** Whether the entry's store tells checksums by a head. */
  verifiable(entry: PlanEntry): boolean;
  /** The error that tells why the token ended: the caller's own where it has one. */
  stopError(): MillraceError;
  /** Calls `fn` once a token above the stream's own is cancelled, unless the stream is closed before. */
  onGivenUp(fn: () => void): void;
  /** Something changed that may let the supervisor go on. */
  poke(): void;
  /** Nothing of the stream is left. */
  closed(stream: Stream): void;
  list(stream: Stream, request: StreamListRequest): Promise<KeyPage>;
  head(stream: Stream, store: number, key: Uint8Array): Promise<ObjectInfo>;
  write(stream: Stream, store: number, request: BareWriteRequest): Promise<WriteResult>;
}

export class Stream implements StreamHandle {
  readonly id: number;
  readonly slot: number;
  readonly epoch: number;
  readonly options: StreamOptions;
  readonly token: CancellationToken;
  readonly ledger: Ledger;
  readonly memory: TaskMemory;
  readonly ended: Promise<TerminalRecord>;
  /** Its objects are written to another store: what it hands out are receipts. */
  readonly hasSink: boolean;
  /** Admitted and not yet given to the assembler, by sequence. */
  readonly tasks = new IntMap<Task>();
  /** Tasks without memory that come before anything new: another size, an eviction, a fenced worker. */
  readonly planned: Task[] = [];
  /** Tasks that have memory, and jobs to send. */
  readonly granted: Task[] = [];
  /** Jobs with workers, listings and heads included. */
  jobsOut = 0;
  /** Tasks with at least one job out. */
  tasksOut = 0;
  /** Tasks that were given memory, however often. */
  grants = 0;
  /** Bytes that the next grant needs, when the arena had no room for them; else 0. */
  blockedBytes = 0;
  readonly #deps: StreamDeps;
  readonly #intake: Intake;
  readonly #outlet: Outlet;
  readonly #cursor = new CursorTrack();
  #nextSequence = 0;
  #emitSequence = 0;
  #halted: { reason: string; error: MillraceError | null } | null = null;
  #over = false;
  #resolveEnded!: (record: TerminalRecord) => void;
  readonly #unlinkToken: () => void;

  constructor(options: StreamOptions, source: PlanSource, deps: StreamDeps) {
    this.#deps = deps;
    this.#intake = new Intake(source, (error) => this.#pulled(error));
    this.id = deps.id;
    this.slot = deps.slot;
    this.epoch = deps.epoch;
    this.options = options;
    this.hasSink = isSink(options.transform);
    this.token = deps.token;
    this.memory = new TaskMemory(deps.arena);
    this.ledger = new Ledger(deps.now());
    this.#outlet = new Outlet(options);
    // Wait ends: by #close, which every way of ending a stream leads to.
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#unlinkToken = deps.token.onChange(() => this.#turned());
    if (deps.token.state !== StopState.Live) this.#turned();
  }

  // ---- for the consumer

  next(): Promise<BatchRecord | null> {
    const batch = this.#take();
    if (batch !== null) return Promise.resolve(batch);
    if (this.#halted?.error) return Promise.reject(this.#halted.error);
    if (this.#over || this.#halted !== null) return Promise.resolve(null);
    if (this.#outlet.waitingSince !== null) {
      return Promise.reject(
        new MillraceError(ErrorCode.InvalidArgument, 'next() was called while an earlier call still waits'),
      );
    }
    const waiting = this.#outlet.wait(this.#deps.now());
    this.#advance();
    this.#deps.poke();
    return waiting;
  }

  release(batch: BatchRecord): void {
    releaseItems(batch, this.#deps.arena);
    this.#deps.poke();
  }

  acknowledge(batch: BatchRecord): void {
    for (const item of batch.items) this.#cursor.acknowledge(item);
  }

  get cursor(): Cursor {
    return this.#cursor.value;
  }

  async finish(reason: string): Promise<TerminalRecord> {
    if (!this.#over) this.#halt(reason, null, false);
    const record = await this.ended;
    // The last batch is acknowledged after it was handed out, which may have ended the stream.
    return { ...record, cursor: this.cursor };
  }

  readonly list: StreamHandle['list'] = (request) => this.#deps.list(this, request);
  readonly head: StreamHandle['head'] = (store, key) => this.#deps.head(this, store, key);
  readonly write: StreamHandle['write'] = (store, request) => this.#deps.write(this, store, request);

  // ---- for the supervisor

  /** Whether new work may begin. */
  get open(): boolean {
    return !this.#over && this.token.state === StopState.Live;
  }

  /** Whether nothing of it is left. */
  get over(): boolean {
    return this.#over;
  }

  /** When its consumer began to wait, or null: an empty queue and a waiting consumer have precedence for memory. */
  get waitingSince(): number | null {
    return this.#outlet.waitingSince;
  }

  /** Asks the plan for more when little is left of it. */
  pull(limit: number): void {
    if (this.open) this.#intake.pull(limit);
  }

  /** Whether the window has room for one more object of `bytes`. */
  hasRoom(bytes: number): boolean {
    const { windowObjects, windowBytes } = this.options;
    if (this.ledger.open >= windowObjects) return false;
    const held = this.memory.bytes + this.#outlet.readyBytes;
    return held === 0 || held + bytes <= windowBytes;
  }

  /** The next entry that is not admitted yet. */
  peek(): PlanEntry | null {
    return this.#intake.peek();
  }

  /** The next entries that are not admitted yet, as many as the window still takes. */
  upcoming(limit: number): readonly PlanEntry[] {
    return this.#intake.upcoming(Math.max(1, Math.min(limit, this.options.windowObjects - this.ledger.open)));
  }

  admit(): Task {
    const entry = this.#intake.take();
    const task = newTask(this.#nextSequence, entry, this.#deps.verifiable(entry));
    this.#nextSequence += 1;
    this.ledger.planned += 1;
    this.tasks.set(task.sequence, task);
    // A batch that this one will not fit into may leave before it is here.
    if (this.#emitSequence === task.sequence) this.#closeBefore(task);
    return task;
  }

  /** Sends the task, whose bytes are all there, to a worker again: for its checksum, the transform, or both. */
  landedNext(task: Task): void {
    task.assembled = true;
    task.state = TaskState.Granted;
    this.granted.unshift(task);
    this.#deps.poke();
  }

  /** A task is over, or was handed back: goes on as far as that lets it. */
  settled(task: Task): void {
    task.state = TaskState.Settled;
    if (task.error !== null || task.left) this.memory.dropAll(task);
    else this.memory.dropPrefix(task);
    // What goes out as it comes waits for nobody: the others need not be looked at.
    const free = this.options.order === 'completion' && !task.left;
    if (free && !this.#over && this.#halted === null) this.#emit(task);
    this.#advance();
  }

  /** Puts a task that lost its memory, or never had any, in front of the plan. */
  replan(task: Task): void {
    if (task.prefix?.stale !== false) this.memory.dropPrefix(task);
    this.memory.dropExtent(task);
    resetTask(task);
    let at = this.planned.length;
    while (at > 0 && this.planned[at - 1]!.sequence > task.sequence) at -= 1;
    this.planned.splice(at, 0, task);
    if (!this.open) this.#advance();
  }

  /**
   * Gives up what is complete and not handed out, so that another stream whose consumer waits can go on; it is fetched
   * again later. Returns the bytes that this freed.
   */
  evict(): number {
    // Receipts hold no memory, and what they are for would be written a second time.
    if (this.hasSink) return this.evictOwn();
    const before = this.#heldBytes();
    const records = this.#outlet.takeAll();
    for (const record of records) releaseItems(record, this.#deps.arena);
    for (const task of evictedTasks(records, (entry) => this.#deps.verifiable(entry))) {
      this.tasks.set(task.sequence, task);
      this.#emitSequence = Math.min(this.#emitSequence, task.sequence);
      this.replan(task);
    }
    this.evictOwn();
    return before - this.#heldBytes();
  }

  /** Gives up what of its own is complete but lies behind the task that is short of memory. */
  evictOwn(): number {
    const before = this.#heldBytes();
    for (const task of this.tasks.values()) {
      if (task.state === TaskState.Settled && task.extent !== null) this.replan(task);
    }
    for (const task of this.planned) {
      this.memory.dropPrefix(task);
      resetTask(task);
    }
    return before - this.#heldBytes();
  }

  /**
   * Gives the waiting consumer a batch that may end here, so that its memory comes back: in completion order any, in
   * plan order one that the next item, which is short of memory, will not fit into. False when there is none.
   */
  handOutEarly(): boolean {
    const { order, transform } = this.options;
    if (order === 'completion') return this.handOutPartial();
    const entry = this.peek();
    const next = this.planned[0]?.length ?? (entry === null ? -1 : plannedLength(entry));
    // A length that is not known, -1, ends no batch.
    return transform === null && this.#handOut(this.#outlet.closeBefore(next));
  }

  /** Gives the waiting consumer what there is of the next batch. False when there is nothing. */
  handOutPartial(): boolean {
    return this.#handOut(this.#outlet.flush());
  }

  /** Ends the consumer's wait, which nothing else would. */
  refuse(error: MillraceError): void {
    this.#outlet.takeWaiter()?.reject(error);
  }

  /** Ends the stream with an error of the runtime itself. */
  fail(error: MillraceError): void {
    this.#halt('failed', error, true);
  }

  /** A job came back. */
  jobEnded(): void {
    this.jobsOut -= 1;
    // The last job back may be what the end was waiting for.
    if (this.jobsOut === 0 || !this.open) this.#advance();
  }

  // ---- inside

  /** Gives the consumer what has become ready, if anything has. */
  #handOut(made: boolean): boolean {
    if (made) this.#wake();
    return made;
  }

  #heldBytes(): number {
    const { usedBytes, chargedBytes } = this.#deps.arena.stats();
    return usedBytes + chargedBytes;
  }

  #pulled(error: MillraceError | null): void {
    if (this.#intake.ended) this.ledger.listedAll = true;
    if (error !== null && this.token.state === StopState.Live) return this.#halt('failed', error, true);
    this.#advance();
    this.#deps.poke();
  }

  #turned(): void {
    if (this.#over) return;
    if (this.token.state === StopState.Cancelled) {
      if (this.#halted === null) this.#halt(this.token.reason ?? 'cancelled', this.#deps.stopError(), false);
      return;
    }
    this.#advance();
  }

  #halt(reason: string, error: MillraceError | null, keepReady: boolean): void {
    if (this.#halted === null) {
      this.#halted = { reason, error };
      if (keepReady) this.#outlet.flush();
      this.token.cancel(reason);
      // Its own token has turned: that nobody wants what is left of it is heard from those above it alone.
      if (keepReady) this.#deps.onGivenUp(() => this.#halt(reason, error, false));
    }
    if (!keepReady) this.#dropReady();
    this.#advance();
    this.#wake();
  }

  #dropReady(): void {
    for (const batch of this.#outlet.takeAll()) {
      this.ledger.drop(batch);
      releaseItems(batch, this.#deps.arena);
    }
  }

  /** Goes on as far as the state allows: assembles, ends, wakes the consumer. Every change leads here. */
  #advance(): void {
    if (this.#over) return;
    if (this.#halted === null && this.options.order === 'sequence') this.#assemble();
    // Whoever looks at the token may be the first to see that a deadline has passed, and tells us before it answers.
    const { state } = this.token;
    // That, or a failed item, ends the stream from within: what ended there must not end a second time.
    if (this.#over) return;
    // Whatever halts a stream cancels its token.
    const stopping = state !== StopState.Live;
    const quiet = this.jobsOut === 0 && !this.#intake.pulling;
    if (stopping && quiet) this.#giveUpRest();
    if ((stopping || this.#intake.exhausted) && this.tasks.size === 0 && quiet) this.#finishAssembly(state);
    this.#wake();
  }

  /** What is not settled when everything has come back was handed back. */
  #giveUpRest(): void {
    for (const task of this.tasks.values()) {
      // After a drain the complete ones behind a gap are left too: the next process fetches them in their order.
      this.memory.dropAll(task);
      this.ledger.left += 1;
    }
    this.tasks.clear();
    this.planned.length = 0;
    this.granted.length = 0;
    this.tasksOut = 0;
  }

  #finishAssembly(state: StopState): void {
    const dropped = this.#halted !== null || (this.options.dropLast && state === StopState.Live);
    // A batch that waits may be evicted, and an object that reaches from it into the last one comes again as a whole.
    if (dropped && !this.#outlet.empty) return;
    if (dropped) this.#dropReady();
    else this.#outlet.flush();
    if (this.#outlet.empty) this.#close(state);
  }

  #close(state: StopState): void {
    this.#over = true;
    this.#unlinkToken();
    // Objects that were split between a batch that was handed out and one that was dropped have no column yet.
    this.ledger.left += this.ledger.open;
    const reason =
      this.#halted?.reason ?? (state === StopState.Live ? 'completed' : (this.token.reason ?? 'drain'));
    this.#intake.clear();
    const waiter = this.#outlet.takeWaiter();
    if (this.#halted?.error) waiter?.reject(this.#halted.error);
    else waiter?.resolve(null);
    this.#deps.closed(this);
    this.#resolveEnded(this.ledger.record(reason, this.#cursor.value, this.#deps.now()));
  }

  /** Hands on what is complete, up to the first gap in the plan. */
  #assemble(): void {
    for (;;) {
      const task = this.tasks.get(this.#emitSequence);
      if (task === undefined) {
        if (this.#emitSequence >= this.#nextSequence) return;
        // Filtered or skipped before its neighbours were evicted: it is not fetched again with them.
        this.#emitSequence += 1;
        continue;
      }
      if (task.state !== TaskState.Settled) {
        this.#closeBefore(task);
        return;
      }
      if (task.left) return;
      this.#emitSequence += 1;
      this.#emit(task);
      if (this.#halted !== null) return;
    }
  }

  #closeBefore(task: Task): void {
    if (this.options.transform !== null || task.length < 0) return;
    this.#handOut(this.#outlet.closeBefore(task.length));
  }

  #emit(task: Task): void {
    this.tasks.delete(task.sequence);
    this.ledger.retries += task.retries;
    this.ledger.throttled += task.throttled;
    if (task.error !== null) {
      this.ledger.fail(this.#deps.uri(task.entry), task.error);
      this.options.onFailure?.(task.entry, task.error);
      // Whoever goes on from the cursor of a load that failed gets to what it failed at; what is skipped is done with.
      if (this.options.onError === 'fail') this.#halt('failed', task.error, true);
      else this.#cursor.settle(task.sequence);
      return;
    }
    this.memory.handOver(task);
    if (task.outputs === null) return this.#outlet.push(wholeItem(task));
    const items = itemsOf(task, this.#deps.arena);
    if (items.length === 0) {
      // Nothing may be left of one that had handed out items before it was fetched again.
      if (task.skipItems > 0) this.ledger.delivered += 1;
      else this.ledger.filtered += 1;
      this.#cursor.settle(task.sequence);
      return;
    }
    for (const item of items) this.#outlet.push(item);
  }

  #wake(): void {
    if (this.#outlet.empty && this.#halted === null) return;
    // Taking the last batch may end the stream, which must not find this waiter again.
    const waiter = this.#outlet.takeWaiter();
    if (waiter === null) return;
    const batch = this.#take();
    if (batch !== null) waiter.resolve(batch);
    else if (this.#halted?.error) waiter.reject(this.#halted.error);
    else waiter.resolve(null);
  }

  #take(): BatchRecord | null {
    const batch = this.#outlet.take();
    if (batch === null) return null;
    this.ledger.deliver(batch);
    if (this.#outlet.empty) this.#advance();
    this.#deps.poke();
    return batch;
  }
}
