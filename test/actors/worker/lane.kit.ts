/** One lane over a store, an arena and a clock that a test moves. */
import { Lane, type LaneDeps, type LaneStream } from '../../../dist/actors/worker/lane.js';
import { Latencies } from '../../../dist/actors/worker/latencies.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import { newTicket } from '../../../dist/actors/worker/origins.js';
import type { Waiter } from '../../../dist/actors/worker/waiting.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest, type Store } from '../../../dist/protocol/store.js';
import {
  type DoneStatus,
  Job,
  JOB_STRIDE,
  TableBuilder,
  type PackedTable,
} from '../../../dist/protocol/tables.js';
import { createRuntimeWords, fillRetryBudget, writeToken } from '../../../dist/protocol/words.js';
import { attemptDeps } from './kit.js';

/** The store of all jobs. */
export const STORE = 2;
/** Of a job, unless it says otherwise; the arena has room for some of them. */
export const BYTES = 64;
const ARENA_BYTES = 4 * BYTES;

export const complete: ReadAnswer = {
  outcome: Outcome.Complete,
  landed: BYTES,
  size: BYTES,
  version: '"v"',
  error: null,
  retryAfterMs: 0,
};

export const transient: ReadAnswer = {
  ...complete,
  outcome: Outcome.Transient,
  landed: 0,
  size: -1,
  version: null,
};

export const problem = new MillraceError(ErrorCode.ServiceUnavailable, 'not now');

/** The first part of the bytes came, with the version that they are of. */
export const half: ReadAnswer = {
  ...complete,
  outcome: Outcome.Interrupted,
  landed: 24,
  size: -1,
  error: problem,
};

/** Cells of a job beside its key and flags. */
export interface JobCells {
  readonly version?: string;
  readonly offset?: number;
  readonly start?: number;
  readonly length?: number;
  readonly copyOffset?: number;
  readonly copyLength?: number;
}

/** A table whose second row is the job: what lies in front of it is another one's. */
function tableOf(key: string, flags: number, more: JobCells): PackedTable {
  const builder = new TableBuilder(JOB_STRIDE);
  builder.set(builder.addRow() + Job.BlobStart, builder.addText('other'));
  const base = builder.addRow();
  const { version = '', offset = 0, start = 0, length = BYTES, copyOffset = 0, copyLength = 0 } = more;
  builder.set(base + Job.Id, 7);
  builder.set(base + Job.Store, STORE);
  builder.set(base + Job.BlobStart, builder.addText(key));
  builder.set(base + Job.KeyLength, Buffer.byteLength(key));
  builder.addText(version);
  builder.set(base + Job.VersionLength, Buffer.byteLength(version));
  builder.set(base + Job.Offset, offset);
  builder.set(base + Job.Capacity, length);
  builder.set(base + Job.Start, start);
  builder.set(base + Job.Length, length);
  builder.set(base + Job.CopyOffset, copyOffset);
  builder.set(base + Job.CopyLength, copyLength);
  builder.set(base + Job.Flags, flags);
  return builder.take();
}

export function laneOf(store: () => Store | Promise<Store>, spec: Partial<LaneStream['spec']> = {}) {
  const words = createRuntimeWords();
  for (const slot of [0, 1]) writeToken(words, slot, 1, StopState.Live);
  fillRetryBudget(words);
  const ended: { status: DoneStatus; landed: number; version: string | null }[] = [];
  const state = {
    stopping: false,
    now: 0,
    watches: 0,
    /** Versions of credentials that were refused, and what comes of asking for others. */
    refused: [] as [store: number, version: number][],
    refusal: null as MillraceError | null,
    waits: [] as { waiter: Waiter; dueAtMs: number }[],
    sleeps: [] as number[],
    /** Called when fresh credentials are asked for. */
    onRefresh: (): void => {},
    /** Called when a job has ended. */
    onEnd: (): void => {},
  };
  const means = attemptDeps(words);
  const arena = new SharedArrayBuffer(ARENA_BYTES);
  const deps: LaneDeps<LaneStream> = {
    ...means,
    context: {
      ...means.context,
      now: () => state.now,
      sleep: (ms) => {
        state.sleeps.push(ms);
        return Promise.resolve();
      },
      arena,
    },
    credentials: (id) => id + 5,
    refresh: (id, version) => {
      state.onRefresh();
      state.refused.push([id, version]);
      return Promise.resolve(state.refusal);
    },
    wait: (waiter, dueAtMs) => void state.waits.push({ waiter, dueAtMs }),
    latencies: new Latencies(),
    watch: () => void (state.watches += 1),
    get stopping() {
      return state.stopping;
    },
    store,
    ended: ({ status, landed, version }) => {
      ended.push({ status, landed, version });
      state.onEnd();
    },
  };
  const lane = new Lane(0, deps);
  const streams = [0, 1].map((slot): LaneStream => ({
    spec: { maxAttempts: 3, throttleTimeoutMs: 0, ...spec },
    token: new LocalToken(words, slot, 1),
  }));
  const enter = (): boolean => means.origins.enter(STORE, false);
  /** The job of a stream, which is let in to its origin. */
  const begin = (key: string, flags = 0, more: JobCells = {}, stream = streams[0]!): void => {
    enter();
    lane.begin({ message: {} as JobMessage, open: 1 }, tableOf(key, flags, more), 1, stream);
  };
  /** Somebody was told to slow down there. */
  const closeOrigin = (): void => {
    const generation = means.origins.generation(STORE);
    means.origins.close(STORE, { ...newTicket(), generation }, 60_000);
  };
  const turn = (to: StopState): void => {
    writeToken(words, 0, 1, to);
    streams[0]!.token.turned();
  };
  /** Attempts that have a place of the origin. */
  const inFlight = (): number => means.origins.stats()[0]!.inFlight;
  return {
    begin,
    enter,
    closeOrigin,
    ended,
    state,
    lane,
    arena,
    streams,
    turn,
    inFlight,
    latencies: deps.latencies,
  };
}

/** A store whose reads are answered by `read`, and the keys that were read. */
export function storeOf(read: (done: (answer: ReadAnswer) => void) => void): {
  store: Store;
  keys: string[];
} {
  const keys: string[] = [];
  const store = {
    read: ({ key }, _target, _stop, done) => {
      keys.push(Buffer.from(key).toString());
      read(done);
    },
  } as Partial<Store> as Store;
  return { store, keys };
}

/** What one read was asked for. */
export interface Read extends Omit<ReadRequest, 'key'> {
  readonly key: string;
  /** Where in the arena its target begins, and how long that is. */
  readonly target: readonly [offset: number, length: number];
}

/** A store whose reads are answered one after the other, each at once, and what they were asked for. */
export function scriptedStore(...answers: ReadAnswer[]): { store: Store; reads: Read[] } {
  const reads: Read[] = [];
  const left = [...answers];
  const store = {
    read: ({ key, ...request }, target, _stop, done) => {
      const text = Buffer.from(key).toString();
      reads.push({ key: text, ...request, target: [target.byteOffset, target.length] });
      done(left.shift()!);
    },
  } as Partial<Store> as Store;
  return { store, reads };
}

/** All microtasks have run. */
export const settled = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
