/**
 * A supervisor's end that a test drives by hand: it sends fetch jobs to simulated workers and collects what they report.
 *
 * What it keeps true for every test that uses it: no job is reported twice, and from the moment a job is reported its
 * lease holds a sentinel, so that `lateWrites()` finds whatever is written after a result.
 */
import { runWorker } from '../../dist/actors/worker/worker.js';
import type { TransformFunction, WorkerExit, WorkerLink } from '../../dist/protocol/context.js';
import type { WireError } from '../../dist/protocol/errors.js';
import type {
  ControlReply,
  JobMessage,
  Output,
  ResultMessage,
  StreamSpec,
} from '../../dist/protocol/messages.js';
import { NEVER, StopState } from '../../dist/protocol/stop.js';
import {
  Done,
  DONE_STRIDE,
  type DoneStatus,
  Job,
  JobFlag,
  JOB_STRIDE,
  TableBuilder,
  tableTransfer,
} from '../../dist/protocol/tables.js';
import { createRuntimeWords, fillRetryBudget, TokenSlots, writeToken } from '../../dist/protocol/words.js';
import {
  createSimOrigin,
  type SimFault,
  type SimObject,
  type SimOrigin,
} from '../../dist/runtime/simulation/origin.js';
import {
  createSimulation,
  type Simulation,
  type SimulationOptions,
} from '../../dist/runtime/simulation/simulation.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import { SIM_STORE as STORE, simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { fillPattern, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';

export const ARENA_BYTES = 1 << 20;
const SENTINEL = 0xee;
const STREAM = 7;

export interface HandOptions {
  readonly seed: number;
  readonly objects: ReadonlyMap<string, SimObject>;
  readonly faults?: readonly SimFault[];
  readonly slowCancel?: boolean;
  readonly maxPieces?: number;
  readonly concurrency?: number;
  readonly maxAttempts?: number;
  readonly throttleTimeoutMs?: number;
  readonly transform?: TransformFunction;
  readonly simulation?: Partial<SimulationOptions>;
}

export interface JobRequest {
  readonly key: string;
  readonly start?: number;
  /** Without it the whole object, as its size is known to the origin. */
  readonly length?: number;
  readonly version?: string;
}

export interface Row {
  readonly id: number;
  readonly request: JobRequest;
  readonly status: DoneStatus;
  readonly landed: number;
  readonly size: number;
  readonly retries: number;
  readonly error: WireError | null;
  readonly outputs: readonly Output[] | null;
  /** What lay in the lease when the row came. */
  readonly bytes: Uint8Array;
}

interface Lease {
  readonly request: JobRequest;
  readonly start: number;
  readonly offset: number;
  readonly capacity: number;
}

/** An object whose every byte tells its key, its generation and its offset. */
export function patternObject(key: string, size: number, generation = 0): SimObject {
  const id = objectIdOf(key, generation);
  return {
    size,
    version: `v${generation}`,
    fill: (offset, target) => fillPattern(id, offset, target),
  };
}

export function patternObjects(sizes: Readonly<Record<string, number>>): Map<string, SimObject> {
  return new Map(Object.entries(sizes).map(([key, size]) => [key, patternObject(key, size)]));
}

/** Index of the first byte of a row that is not the object's, or -1. */
export function firstWrongByte(row: Row, generation = 0): number {
  const { key, start } = row.request;
  return verifyPattern(objectIdOf(key, generation), start ?? 0, row.bytes.subarray(0, row.landed));
}

/** One simulated worker, and the hand that drives it. */
export class Hand {
  readonly sim: Simulation;
  readonly origin: SimOrigin;
  readonly words = createRuntimeWords();
  readonly arena = new SharedArrayBuffer(ARENA_BYTES);
  readonly link: WorkerLink;
  /** What was reported, in order of arrival. */
  readonly rows: Row[] = [];
  readonly replies: ControlReply[] = [];
  exit: WorkerExit | null = null;
  /** Jobs sent. */
  sent = 0;
  /** Messages of results that came, and how many of them `takePending` found at the exit. */
  messages = 0;
  foundAtExit = 0;
  readonly #token: { slot: number; epoch: number };
  readonly #spec: StreamSpec;
  readonly #leases = new Map<number, Lease>();
  #opened = false;
  #nextByte = 0;

  constructor(options: HandOptions) {
    const { origin, sim } = this.#build(options);
    this.origin = origin;
    this.sim = sim;
    fillRetryBudget(this.words);
    this.#token = new TokenSlots(this.words).acquire()!;
    this.#spec = {
      id: STREAM,
      tokenSlot: this.#token.slot,
      tokenEpoch: this.#token.epoch,
      transform: options.transform === undefined ? null : { url: 'sim:transform', options: null },
      maxAttempts: options.maxAttempts ?? 4,
      throttleTimeoutMs: options.throttleTimeoutMs ?? 0,
    };
    new Uint8Array(this.arena).fill(SENTINEL);
    this.link = this.sim.context.spawn(0, 1);
    this.link.results.listen((message) => this.#collect(message));
    this.link.control.onMessage((reply) => this.#obey(reply));
    this.link.onExit((exit) => {
      this.exit = exit;
      const found = this.link.results.takePending();
      this.foundAtExit = found.length;
      for (const message of found) this.#collect(message);
    });
  }

  /** Posts one message of jobs; waits for a credit, like a sender that has nothing else to do. */
  fetch(requests: readonly JobRequest[]): Promise<'ok' | 'closed' | 'cancelled'> {
    const table = new TableBuilder(JOB_STRIDE);
    for (const request of requests) this.#addJob(table, request);
    const packed = table.take();
    const message: JobMessage = {
      kind: 'fetch',
      stream: STREAM,
      table: packed,
      open: this.#opened ? null : this.#spec,
      stores: this.#opened ? [] : [simStoreSpec(1)],
    };
    this.#opened = true;
    return this.link.jobs.send(message, NEVER, tableTransfer(packed));
  }

  turn(state: StopState): void {
    writeToken(this.words, this.#token.slot, this.#token.epoch, state);
    this.link.control.post({ kind: 'token', ...this.#token, state });
  }

  cancel(): void {
    this.turn(StopState.Cancelled);
  }

  drain(): void {
    this.turn(StopState.Draining);
  }

  stop(): void {
    this.link.control.post({ kind: 'stop' });
  }

  /** Steps until every job that was sent is reported. */
  async untilReported(maxSteps = 5000): Promise<void> {
    await this.sim.run(() => this.rows.length >= this.sent, maxSteps);
  }

  async untilExit(maxSteps = 5000): Promise<WorkerExit> {
    await this.sim.run(() => this.exit !== null, maxSteps);
    return this.exit!;
  }

  /** Every byte of the arena that was written after the job that owned it was reported. */
  lateWrites(): number {
    const bytes = new Uint8Array(this.arena);
    let late = 0;
    const reported = new Set(this.rows.map((row) => row.id));
    for (const [id, lease] of this.#leases) {
      if (!reported.has(id)) continue;
      for (let i = 0; i < lease.capacity; i += 1) if (bytes[lease.offset + i] !== SENTINEL) late += 1;
    }
    return late;
  }

  /** Listeners that reads have left on the tokens they were given. */
  tokenListeners(): number {
    const tokens = new Set(this.origin.reads.map((read) => read.stop));
    let left = 0;
    for (const token of tokens) left += (token as unknown as { readonly listeners: number }).listeners;
    return left;
  }

  statuses(): DoneStatus[] {
    return this.rows.map((row) => row.status);
  }

  #build(options: HandOptions): { origin: SimOrigin; sim: Simulation } {
    const { objects, faults = [], slowCancel = false, maxPieces = 4 } = options;
    const origin = createSimOrigin({ objects, faults, slowCancel, maxPieces });
    const sim = createSimulation({
      seed: options.seed,
      runWorker,
      stores: (spec, world) => createSimStore(world, origin, spec.snapshot),
      transforms: () => options.transform!,
      arena: this.arena,
      words: this.words,
      concurrency: options.concurrency ?? 3,
      ...options.simulation,
    });
    return { origin, sim };
  }

  #addJob(table: TableBuilder, request: JobRequest): void {
    const size = this.origin.objects.get(request.key)?.size ?? 64;
    const start = request.start ?? 0;
    const length = request.length ?? size - start;
    const whole = request.start === undefined && request.length === undefined;
    const id = (this.sent += 1);
    const capacity = length + 8;
    const offset = this.#nextByte;
    this.#nextByte += capacity;
    this.#leases.set(id, { request, start, offset, capacity });
    const base = table.addRow();
    const key = new TextEncoder().encode(request.key);
    const version = new TextEncoder().encode(request.version ?? '');
    const flags = (whole ? JobFlag.Whole : 0) | (this.#spec.transform === null ? 0 : JobFlag.Transform);
    table.set(base + Job.Id, id);
    table.set(base + Job.Store, STORE);
    table.set(base + Job.BlobStart, table.addBytes(key));
    table.addBytes(version);
    table.set(base + Job.KeyLength, key.length);
    table.set(base + Job.VersionLength, version.length);
    table.set(base + Job.Offset, offset);
    table.set(base + Job.Capacity, capacity);
    table.set(base + Job.Start, start);
    table.set(base + Job.Length, length);
    table.set(base + Job.Flags, flags);
  }

  #collect(message: ResultMessage): void {
    if (message.kind !== 'done') throw new Error(`the hand did not ask for ${message.kind}`);
    this.messages += 1;
    const { cells, count } = message.table;
    const errors = new Map(message.errors);
    const outputs = new Map(message.outputs);
    for (let row = 0; row < count; row += 1) {
      const at = (column: number): number => cells[row * DONE_STRIDE + column]!;
      const id = at(Done.Id);
      const lease = this.#leases.get(id)!;
      if (this.rows.some((other) => other.id === id)) throw new Error(`job ${id} was reported twice`);
      const held = new Uint8Array(this.arena, lease.offset, lease.capacity);
      this.rows.push({
        id,
        request: lease.request,
        status: at(Done.Status) as DoneStatus,
        landed: at(Done.Landed),
        size: at(Done.Size),
        retries: at(Done.Retries),
        error: errors.get(row) ?? null,
        outputs: outputs.get(row) ?? null,
        bytes: held.slice(),
      });
      held.fill(SENTINEL);
    }
  }

  #obey(reply: ControlReply): void {
    this.replies.push(reply);
    if (reply.kind !== 'stale-store') return;
    void this.sim.context.refreshStore(reply.id, reply.version).then(
      ({ snapshot }) => this.link.control.post({ kind: 'store', id: reply.id, snapshot }),
      (error: { toWire(): WireError }) =>
        this.link.control.post({ kind: 'store-failed', id: reply.id, error: error.toWire() }),
    );
  }
}
