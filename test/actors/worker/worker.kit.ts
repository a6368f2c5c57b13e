/** One worker actor over ports whose messages arrive, stores that answer and sleeps that end when a test says so. */
import { runWorker } from '../../../dist/actors/worker/worker.js';
import {
  OwnWord,
  type TransformFunction,
  type TurnSignal,
  type WorkerContext,
} from '../../../dist/protocol/context.js';
import { ErrorCode, MillraceError, type WireError } from '../../../dist/protocol/errors.js';
import type {
  ControlMessage,
  ControlReply,
  JobMessage,
  Output,
  ResultMessage,
  StoreSpec,
  StreamSpec,
  WorkerStats,
} from '../../../dist/protocol/messages.js';
import { PortReceiver, PortSender } from '../../../dist/protocol/port.js';
import { StopState } from '../../../dist/protocol/stop.js';
import {
  type Answer,
  Outcome,
  type ReadAnswer,
  type Store,
  type StoreSnapshot,
} from '../../../dist/protocol/store.js';
import {
  Done,
  DONE_STRIDE,
  type DoneStatus,
  Job,
  JOB_STRIDE,
  TableBuilder,
} from '../../../dist/protocol/tables.js';
import { createRuntimeWords, fillRetryBudget, writeToken } from '../../../dist/protocol/words.js';
import { createPipe } from '../../protocol/pipe.js';

export const STORE = 3;
/** Of a job, unless it says otherwise. */
export const BYTES = 16;
/** So that what is landed may be of several classes of size. */
const ARENA_BYTES = 32 * 1024;

export interface JobCells {
  readonly id: number;
  readonly key?: string;
  readonly store?: number;
  readonly flags?: number;
  readonly version?: string;
  readonly offset?: number;
  readonly start?: number;
  readonly length?: number;
}

/** One row of a result. */
export interface Row {
  readonly id: number;
  readonly status: DoneStatus;
  readonly landed: number;
  readonly retries: number;
  readonly throttled: number;
  readonly error: WireError | null;
  readonly outputs: readonly Output[] | null;
}

/** A read that waits for its answer. */
export interface OpenRead {
  readonly key: string;
  /** Complete, with all bytes, unless it says otherwise. */
  answer(more?: Partial<ReadAnswer>): void;
}

export function storeSpec(id = STORE, more: Partial<StoreSpec> = {}): StoreSpec {
  const snapshot: StoreSnapshot = { version: 1, expiresAtMs: null, config: null };
  return { id, name: `s3://shelf-${id}`, dataModule: 'data.js', kind: 'direct', snapshot, ...more };
}

/** What a message with the first job of its store tells. */
export const stores = [storeSpec()];

export const transform = { url: 'file:///transform.js', options: { of: 'the user' } };

export const problem = new MillraceError(ErrorCode.ServiceUnavailable, 'not now');

export function answerOf<T>(value: T): Answer<T> {
  return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
}

export function streamSpec(id: number, more: Partial<StreamSpec> = {}): StreamSpec {
  return { id, tokenSlot: id, tokenEpoch: 1, transform: null, maxAttempts: 3, throttleTimeoutMs: 0, ...more };
}

export function fetchOf(
  stream: number,
  jobs: readonly JobCells[],
  more: Partial<JobMessage> = {},
): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const { id, key = `k${id}`, store = STORE, flags = 0, version = '', ...place } of jobs) {
    const base = table.addRow();
    const { offset = id * BYTES, start = 0, length = BYTES } = place;
    table.set(base + Job.Id, id);
    table.set(base + Job.Store, store);
    table.set(base + Job.BlobStart, table.addText(key));
    table.set(base + Job.KeyLength, Buffer.byteLength(key));
    table.addText(version);
    table.set(base + Job.VersionLength, Buffer.byteLength(version));
    table.set(base + Job.Offset, offset);
    table.set(base + Job.Capacity, length);
    table.set(base + Job.Start, start);
    table.set(base + Job.Length, length);
    table.set(base + Job.Flags, flags);
  }
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [], ...more } as JobMessage;
}

/** Each byte of the object tells its key and its place. */
export const byteOf = (key: string, at: number): number => (key.charCodeAt(key.length - 1) * 31 + at) & 0xff;

export interface WorkerKitOptions {
  readonly concurrency?: number;
  readonly resultsCapacity?: number;
  readonly transform?: TransformFunction | Error;
  /** What stores do beside reading; by id. */
  readonly stores?: Readonly<Record<number, Partial<Store>>>;
}

export function workerOf({
  concurrency = 4,
  resultsCapacity = 64,
  transform: apply,
  stores: means = {},
}: WorkerKitOptions = {}) {
  const words = createRuntimeWords();
  fillRetryBudget(words);
  for (let slot = 0; slot < 8; slot += 1) writeToken(words, slot, 1, StopState.Live);
  const ownWords = new Int32Array(new SharedArrayBuffer(4 * (OwnWord.Transforming + concurrency)));
  const arena = new SharedArrayBuffer(ARENA_BYTES);
  const [jobs, results] = [createPipe(), createPipe()];
  const inbox = new PortReceiver<ResultMessage>(results.receiver, ownWords, OwnWord.Results);
  const sender = new PortSender<JobMessage>(jobs.sender, ownWords, OwnWord.Jobs, 64);
  let obey: (message: ControlMessage) => void = () => {};
  let questions: { stats(): WorkerStats } | null = null;
  const state = { now: 1000, over: null as string | null };
  const reads: OpenRead[] = [];
  const replies: ControlReply[] = [];
  const messages: ResultMessage[] = [];
  const sleeps: { ms: number; end: () => void }[] = [];
  /** Ids of the stores that were opened, and closed. */
  const opened: number[] = [];
  const closed: number[] = [];
  /** Modules of transforms that were asked for. */
  const loads: string[] = [];
  const updates: [store: number, version: number][] = [];

  const openStore = (id: number): Store => ({
    read: (request, target, stop, done) => {
      const key = Buffer.from(request.key).toString();
      const { start } = request;
      const unlink = stop.onStop(() => read.answer({ outcome: Outcome.Cancelled, landed: 0 }));
      const read: OpenRead = {
        key,
        answer: (more = {}) => {
          unlink();
          reads.splice(reads.indexOf(read), 1);
          const answer = {
            outcome: Outcome.Complete,
            landed: target.length,
            size: -1,
            version: '"v"',
            ...more,
          };
          for (let i = 0; i < answer.landed; i += 1) target[i] = byteOf(key, start + i);
          done({ error: null, retryAfterMs: 0, ...answer });
        },
      };
      reads.push(read);
    },
    head: () => Promise.reject(new Error('no heads here')),
    list: () => Promise.reject(new Error('no lists here')),
    write: () => Promise.reject(new Error('no writes here')),
    update: ({ version }) => void updates.push([id, version]),
    close: () => void closed.push(id),
    ...means[id],
  });

  const context: WorkerContext = {
    name: 'worker-0#0',
    jobs: new PortReceiver<JobMessage>(jobs.receiver, ownWords, OwnWord.Jobs),
    results: new PortSender<ResultMessage>(results.sender, ownWords, OwnWord.Results, resultsCapacity),
    control: { post: (reply) => void replies.push(reply), onMessage: (fn) => void (obey = fn) },
    arena,
    words,
    ownWords,
    concurrency,
    now: () => state.now,
    wallNow: () => 0,
    random: () => 0,
    sleep: (ms: number, stop: TurnSignal) =>
      new Promise<void>((resolve) => {
        let unlink = (): void => {};
        const sleep = {
          ms,
          end: () => {
            unlink();
            const at = sleeps.indexOf(sleep);
            if (at >= 0) sleeps.splice(at, 1);
            resolve();
          },
        };
        sleeps.push(sleep);
        unlink = stop.onTurn(sleep.end);
      }),
    openStore: (spec) => {
      opened.push(spec.id);
      return Promise.resolve(openStore(spec.id));
    },
    loadTransform: ({ url }) => {
      loads.push(url);
      if (apply instanceof Error) return Promise.reject(apply);
      return Promise.resolve(apply as TransformFunction);
    },
    answer: (given) => void (questions = given),
    transportStats: () => ({ connectionsOpened: 5 }) as ReturnType<WorkerContext['transportStats']>,
  };
  const running = runWorker(context).then(
    () => void (state.over = 'over'),
    (thrown: unknown) => void (state.over = (thrown as Error).message),
  );

  /** Everything arrives that is on its way, and what that causes. */
  const flow = async (takes = true): Promise<void> => {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      const came = jobs.deliver() + (takes ? results.deliver() : 0);
      if (takes) {
        for (let each = inbox.tryReceive(); each !== null; each = inbox.tryReceive()) {
          messages.push(each);
          quiet = 0;
        }
      }
      await new Promise(setImmediate);
      if (came > 0) quiet = 0;
    }
  };
  const send = async (...sent: JobMessage[]): Promise<void> => {
    for (const message of sent) sender.trySend(message);
    await flow();
  };
  const control = async (message: ControlMessage): Promise<void> => {
    obey(message);
    await flow();
  };
  const turn = (slot: number, to: StopState): Promise<void> => {
    writeToken(words, slot, 1, to);
    return control({ kind: 'token', slot, epoch: 1, state: to });
  };
  /** Ends the sleeps of so many ms. */
  const wake = async (ms: number): Promise<void> => {
    for (const sleep of sleeps.slice()) if (sleep.ms === ms) sleep.end();
    await flow();
  };
  /** Lets the sleeps that there are come to their end, those that come from that too. */
  const untilQuiet = async (): Promise<void> => {
    for (let left = 50; sleeps.length > 0 && left > 0; left -= 1) {
      state.now += 1000;
      for (const sleep of sleeps.slice()) sleep.end();
      await flow();
    }
  };
  return {
    send,
    flow,
    control,
    turn,
    wake,
    untilQuiet,
    running,
    state,
    reads,
    replies,
    messages,
    sleeps,
    opened,
    closed,
    loads,
    updates,
    words,
    ownWords,
    arena,
    stats: () => questions!.stats(),
    rows: () => rowsOf(messages),
    read: (key: string) => reads.find((read) => read.key === key)!,
  };
}

/** All rows that came, one message after the other. */
function rowsOf(messages: readonly ResultMessage[]): Row[] {
  return messages.flatMap((message) => {
    if (message.kind !== 'done') return [];
    const { cells, count } = message.table;
    const [errors, outputs] = [new Map(message.errors), new Map(message.outputs)];
    return Array.from({ length: count }, (_, row) => {
      const at = (column: number): number => cells[row * DONE_STRIDE + column]!;
      return {
        id: at(Done.Id),
        status: at(Done.Status) as DoneStatus,
        landed: at(Done.Landed),
        retries: at(Done.Retries),
        throttled: at(Done.Throttled),
        error: errors.get(row) ?? null,
        outputs: outputs.get(row) ?? null,
      };
    });
  });
}
