/**
 * Sends granted work to workers: many small objects, or one part of a large one, per message.
 *
 * Invariants:
 * 1. Work goes to the worker with the least outstanding bytes that has a credit; nothing is queued for one that has
 *    none.
 * 2. A task whose worker died while it was being transformed runs alone, so that the next death has one explanation.
 */
import type { Extent } from '../../protocol/arena.js';
import { isSink, type SlowSpec, type StoreSpec, type StreamSpec } from '../../protocol/messages.js';
import { Job, JobFlag, JOB_STRIDE, TableBuilder, tableTransfer } from '../../protocol/tables.js';
import type { Asks } from './asks.js';
import type { Crew, Suspect, Worker } from './crew.js';
import { JOB_WEIGHT_BYTES, load } from './load.js';
import type { Fills } from './fills.js';
import type { Gate } from './gate.js';
import { DEFAULT_HEDGE, isHedgeable } from './hedge.js';
import type { IntMap } from './int-map.js';
import { MAX_PACK_ITEMS } from './grants.js';
import type { FetchJobRecord } from './jobs.js';
import { hasMoreParts, nextPart, type Part } from './parts.js';
import { isUnverified } from './tasks.js';
import type { Stream } from './stream.js';
import {
  TaskState,
  type HedgePlan,
  type PlanEntry,
  type RangePlan,
  type StoreDirectory,
  type Task,
} from './types.js';

/** A message is full with so many bytes, so that the parts of one object go to several workers. */
const MESSAGE_BYTES = 4 * 1024 * 1024;

export interface DispatchDeps {
  readonly crew: Crew;
  readonly gate: Gate;
  readonly asks: Asks;
  readonly fills: Fills;
  readonly jobs: IntMap<FetchJobRecord>;
  readonly stores: StoreDirectory;
  ranges(stream: Stream, entry: PlanEntry): RangePlan;
  /** Null where nothing is hedged. */
  hedgePlan(stream: Stream, entry: PlanEntry): HedgePlan | null;
}

export class Dispatcher {
  readonly #deps: DispatchDeps;
  readonly #table = new TableBuilder(JOB_STRIDE, MAX_PACK_ITEMS);
  #nextJob = 1;

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
  }

  beginTurn(): void {
    this.#deps.fills.beginTurn();
  }

  /** One message of the stream's granted tasks. False when there is no work that may go now, or nobody to take it. */
  send(stream: Stream): boolean {
    const filled = this.#deps.fills.step(stream);
    return this.#send(stream) || filled;
  }

  #send(stream: Stream): boolean {
    const head = stream.granted[0];
    if (head === undefined) return false;
    const alone = head.crashes > 0;
    const { crew } = this.#deps;
    const worker = alone ? crew.pickAlone(suspectOf(stream, head)) : crew.pick();
    if (worker === null) return false;
    const stores: StoreSpec[] = [];
    this.#fill(stream, worker, stores, alone);
    if (this.#table.count === 0) return false;
    worker.exclusive = alone;
    const table = this.#table.take();
    const message = {
      kind: 'fetch' as const,
      stream: stream.id,
      table,
      open: introduce(stream, worker),
      stores,
    };
    // The pick made sure of a credit, and nobody else sends to this worker.
    worker.link.jobs.trySend(message, tableTransfer(table));
    return true;
  }

  sendAsks(): void {
    const { asks, crew, gate } = this.#deps;
    for (let ask = asks.next; ask !== null; ask = asks.next) {
      const worker = ask.ends ? crew.pickBeyond() : crew.pick();
      if (worker === null || (gate.limits && !ask.ends && !gate.admitsQuestion())) return;
      const id = this.#nextJob++;
      const stores: StoreSpec[] = [];
      this.#introduceStore(ask.body.store, worker, stores);
      load(worker, ask.body.store, 0);
      ask.stream.jobsOut += 1;
      asks.sent(id, worker);
      worker.link.jobs.trySend({
        ...ask.body,
        jobId: id,
        stream: ask.stream.id,
        open: introduce(ask.stream, worker),
        stores,
      });
    }
  }

  /** Sends a second attempt at a job into an extent of its own; the pick made sure of a credit. */
  sendHedge({ stream, task, part }: FetchJobRecord, worker: Worker, extent: Extent): FetchJobRecord {
    const stores: StoreSpec[] = [];
    const id = this.#nextJob++;
    const weight = part.length + JOB_WEIGHT_BYTES;
    const single = task.length < 0 || (part.from === 0 && part.length === task.length);
    // It lands what the job would, and what follows is the job's.
    const flags = flagsOf(stream, task, part, single) & ~(JobFlag.Transform | JobFlag.Again);
    const table = this.#table;
    const base = this.#row(id, task, part, single);
    table.set(base + Job.Offset, extent.offset);
    table.set(base + Job.Capacity, part.length);
    table.set(base + Job.Flags, flags | JobFlag.Hedge);
    this.#introduceStore(task.entry.store, worker, stores);
    stream.jobsOut += 1;
    load(worker, task.entry.store, weight);
    this.#deps.gate.began(stream, part, weight);
    const packed = table.take();
    const open = introduce(stream, worker);
    const message = { kind: 'fetch' as const, stream: stream.id, table: packed, open, stores };
    worker.link.jobs.trySend(message, tableTransfer(packed));
    return { id, stream, task, worker, part, weight, hedge: null };
  }

  #fill(stream: Stream, worker: Worker, stores: StoreSpec[], alone: boolean): void {
    const { crew, gate } = this.#deps;
    let bytes = 0;
    let at = 0;
    while (at < stream.granted.length && this.#table.count < MAX_PACK_ITEMS && bytes < MESSAGE_BYTES) {
      const task = stream.granted[at]!;
      if (task.crashes > 0 && !alone) return;
      // The limit is one of objects: further parts of one that is under way may go.
      if (task.jobsOut === 0 && stream.tasksOut >= stream.options.maxConcurrentObjects) {
        // Objects begin in order: behind one that has not begun there is none that has.
        if (task.nextByte === 0) return;
        at += 1;
        continue;
      }
      // There may be others whose stores it can go on with.
      if (!crew.takes(worker, task.entry.store)) {
        at += 1;
        continue;
      }
      const ranges = this.#deps.ranges(stream, task.entry);
      const part = nextPart(task, ranges);
      if (part === null) {
        at += 1;
        continue;
      }
      // For the first row the round has asked.
      if (gate.limits && this.#table.count > 0 && !gate.admits()) return;
      this.#add(stream, task, part, worker, stores);
      bytes += part.length;
      if (task.length < 0 || !hasMoreParts(task, ranges)) {
        // What is taken is nearly always the first, and a shift moves nothing.
        if (at === 0) stream.granted.shift();
        else stream.granted.splice(at, 1);
        task.state = TaskState.Sent;
      }
      if (alone) return;
    }
  }

  #add(stream: Stream, task: Task, part: Part, worker: Worker, stores: StoreSpec[]): void {
    const { entry } = task;
    const id = this.#nextJob++;
    const weight = part.length + JOB_WEIGHT_BYTES;
    const single = task.length < 0 || (part.length === task.length && !part.landed);
    let flags = flagsOf(stream, task, part, single);
    const isPlain = isHedgeable(stream.options, task, part, stream.hasSink);
    const hedge = isPlain ? this.#deps.hedgePlan(stream, entry) : null;
    if (hedge !== null) flags |= JobFlag.Watched;
    const table = this.#table;
    const base = this.#row(id, task, part, single);
    table.set(base + Job.Offset, task.offset + part.from);
    table.set(base + Job.Capacity, task.capacity - part.from);
    table.set(base + Job.Flags, flags);
    this.#introduceStore(entry.store, worker, stores);
    const step = stream.options.transform;
    if (isSink(step)) this.#introduceStore(step.store, worker, stores);
    if (task.jobsOut === 0) stream.tasksOut += 1;
    task.jobsOut += 1;
    task.jobs += 1;
    task.nextByte = part.from + part.length;
    stream.jobsOut += 1;
    load(worker, entry.store, weight);
    this.#deps.gate.began(stream, part, weight);
    this.#deps.jobs.set(id, { id, stream, task, worker, part, weight, hedge });
  }

  /** Begins the row of a job; where it lands, and its flags, are for the caller to say. */
  #row(id: number, task: Task, part: Part, single: boolean): number {
    const { entry } = task;
    const table = this.#table;
    const base = table.addRow();
    // A whole object is wanted as it is now; parts have to be of one version.
    const version = entry.pinned ? entry.version : single ? null : task.version;
    table.set(base + Job.Id, id);
    table.set(base + Job.Store, entry.store);
    table.set(base + Job.BlobStart, table.addBytes(entry.key));
    table.set(base + Job.KeyLength, entry.key.length);
    if (version !== null) {
      const start = table.addText(version);
      table.set(base + Job.VersionLength, table.blobLength - start);
    }
    table.set(base + Job.Start, entry.start + part.from);
    table.set(base + Job.Length, part.length);
    if (part.copy !== null) {
      table.set(base + Job.CopyOffset, part.copy.offset);
      table.set(base + Job.CopyLength, part.copy.length);
    }
    return base;
  }

  #introduceStore(id: number, worker: Worker, stores: StoreSpec[]): void {
    if (worker.knownStores.has(id)) return;
    worker.knownStores.add(id);
    stores.push(this.#deps.stores.spec(id));
  }
}

function suspectOf(stream: Stream, task: Task): Suspect {
  return { task, isWanted: () => stream.open && stream.granted[0] === task };
}

function flagsOf({ options }: Stream, task: Task, part: Part, single: boolean): number {
  let flags = part.whole ? JobFlag.Whole : 0;
  if (task.length < 0) flags |= JobFlag.First;
  if (part.landed) flags |= JobFlag.Landed;
  if (options.transform !== null && (single || part.landed)) flags |= JobFlag.Transform;
  const verified = part.landed ? isUnverified(options.verify, task) : options.verify !== 'never';
  if (verified) flags |= JobFlag.Verify;
  if (options.verify === 'always') flags |= JobFlag.VerifyAlways;
  if (task.again) flags |= JobFlag.Again;
  return flags;
}

function slowSpec({ options }: Stream): SlowSpec {
  const { percentile, leastSamples } = options.hedge || DEFAULT_HEDGE;
  return { percentile, leastSamples };
}

function introduce(stream: Stream, worker: Worker): StreamSpec | null {
  if (worker.knownStreams.has(stream.id)) return null;
  worker.knownStreams.add(stream.id);
  return {
    id: stream.id,
    tokenSlot: stream.slot,
    tokenEpoch: stream.epoch,
    transform: stream.options.transform,
    maxAttempts: stream.options.maxAttempts,
    slow: slowSpec(stream),
    throttleTimeoutMs: stream.options.throttleTimeoutMs,
  };
}
