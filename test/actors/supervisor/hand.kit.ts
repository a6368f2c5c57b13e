/** A supervisor with workers that a test plays by hand: it sees what each was sent, and says what comes of it. */
import { Supervisor } from '../../../dist/actors/supervisor/supervisor.js';
import type {
  BatchRecord,
  PlanEntry,
  PlanSource,
  StoreDirectory,
  StreamHandle,
  StreamOptions,
  SupervisorOptions,
} from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { OwnWord, type WorkerExit, type WorkerLink } from '../../../dist/protocol/context.js';
import type { MillraceError } from '../../../dist/protocol/errors.js';
import type {
  ControlMessage,
  ControlReply,
  FetchMessage,
  JobMessage,
  ResultMessage,
  StoreSpec,
} from '../../../dist/protocol/messages.js';
import { PortReceiver, PortSender } from '../../../dist/protocol/port.js';
import {
  Done,
  DONE_STRIDE,
  DoneStatus,
  Job,
  JOB_STRIDE,
  TableBuilder,
} from '../../../dist/protocol/tables.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { createRuntimeWords } from '../../../dist/protocol/words.js';
import { handClock } from '../../protocol/hand-clock.js';
import { createPipe } from '../../protocol/pipe.js';
import { entryOf, pages } from './kit.js';

const CAPACITY = 8;
/** Entries of `entryOf` are there. */
const STORE = 1;

/** A fetch job as its worker sees it. */
export interface HandJob {
  readonly id: number;
  /** The key's number. */
  readonly key: number;
  readonly length: number;
  readonly flags: number;
}

export interface HandRow {
  readonly status?: DoneStatus;
  readonly landed?: number;
  /** Of the object; what landed, unless it is told. */
  readonly size?: number;
  readonly version?: string;
  readonly error?: MillraceError;
}

export interface HandWorker extends WorkerLink {
  /** Messages that it got; `jobs` of them are those of fetches. */
  readonly inbox: JobMessage[];
  readonly fetched: HandJob[];
  /** What was said to it beside its jobs. */
  readonly heard: ControlMessage[];
  abandoned: boolean;
  say(reply: ControlReply): void;
  /** Sends a message of results, which arrives with the next turn. */
  report(message: ResultMessage): void;
  /** Reports jobs, as landed unless told otherwise. */
  done(jobs: readonly HandJob[], row?: HandRow): void;
  exit(exit?: Partial<WorkerExit>): void;
  beat(): void;
}

interface InnerWorker extends HandWorker {
  deliver(): number;
}

function jobsIn({ table }: FetchMessage): HandJob[] {
  return Array.from({ length: table.count }, (_, row) => {
    const cell = (column: number): number => table.cells[row * JOB_STRIDE + column]!;
    const start = cell(Job.BlobStart);
    const key = Buffer.from(table.blob.subarray(start, start + cell(Job.KeyLength))).toString('latin1');
    const number = Number(key.slice('?key-'.length));
    return { id: cell(Job.Id), key: number, length: cell(Job.Length), flags: cell(Job.Flags) };
  });
}

function doneMessage(
  jobs: readonly HandJob[],
  { status, landed, size, version, error }: HandRow,
): ResultMessage {
  const table = new TableBuilder(DONE_STRIDE);
  for (const job of jobs) {
    const base = table.addRow();
    table.set(base + Done.Id, job.id);
    table.set(base + Done.Status, status ?? DoneStatus.Ok);
    table.set(base + Done.Landed, landed ?? job.length);
    table.set(base + Done.Size, size ?? landed ?? job.length);
    if (version === undefined) continue;
    table.set(base + Done.BlobStart, table.addText(version));
    table.set(base + Done.VersionLength, Buffer.byteLength(version));
  }
  const errors = error === undefined ? [] : jobs.map((_, row) => [row, error.toWire()] as const);
  return { kind: 'done', table: table.take(), errors, outputs: [] };
}

export function createWorker(index: number, incarnation: number): InnerWorker {
  const ownWords = new Int32Array(new SharedArrayBuffer(4 * (OwnWord.Transforming + 4)));
  const [jobs, results] = [createPipe(), createPipe()];
  const receiver = new PortReceiver<JobMessage>(jobs.receiver, ownWords, OwnWord.Jobs);
  const sender = new PortSender<ResultMessage>(results.sender, ownWords, OwnWord.Results, CAPACITY);
  let onExit: (exit: WorkerExit) => void = () => {};
  let onReply: (reply: ControlReply) => void = () => {};
  const inbox: JobMessage[] = [];
  const fetched: HandJob[] = [];
  const heard: ControlMessage[] = [];
  receiver.listen((message) => {
    inbox.push(message);
    if (message.kind === 'fetch') fetched.push(...jobsIn(message));
  });
  const worker: InnerWorker = {
    inbox,
    fetched,
    heard,
    ownWords,
    abandoned: false,
    name: `worker-${index}#${incarnation}`,
    jobs: new PortSender(jobs.sender, ownWords, OwnWord.Jobs, CAPACITY),
    results: new PortReceiver<ResultMessage>(results.receiver, ownWords, OwnWord.Results),
    control: { post: (message) => void heard.push(message), onMessage: (fn) => void (onReply = fn) },
    onExit: (fn) => void (onExit = fn),
    stats: () => Promise.reject(new Error('no figures here')),
    abandon: () => void (worker.abandoned = true),
    say: (reply) => onReply(reply),
    report: (message) => void sender.trySend(message),
    done: (some, row = {}) => worker.report(doneMessage(some, row)),
    exit: (exit = {}) => onExit({ clean: false, cause: null, ...exit }),
    beat: () => void Atomics.add(ownWords, OwnWord.Heartbeat, 1),
    deliver: () => jobs.deliver() + results.deliver(),
  };
  return worker;
}

export const specOf = (id: number, version = 1): StoreSpec => ({
  id,
  name: `fake://store-${id}`,
  dataModule: 'file:///none.js',
  kind: 'direct',
  snapshot: { version, expiresAtMs: null, config: null },
});

const STREAM: StreamOptions = {
  order: 'sequence',
  batchSize: 1,
  batchBytes: pages(64),
  dropLast: false,
  windowObjects: 100,
  windowBytes: Infinity,
  maxConcurrentObjects: 100,
  ranges: null,
  onError: 'skip',
  transform: null,
  verify: 'never',
  maxAttempts: 5,
  throttleTimeoutMs: 0,
};

function planOf(entries: readonly PlanEntry[]): PlanSource {
  const left = [...entries];
  return { next: (limit) => Promise.resolve(left.length === 0 ? null : left.splice(0, limit)) };
}

/** A plan that says nothing until its stream turns: for questions. */
const idle = (stream: () => StreamHandle): PlanSource => ({
  next: () =>
    new Promise((resolve) => {
      stream().token.onChange(() => resolve(null));
    }),
});

export function createHand(
  workers: number,
  {
    options = {},
    budgetBytes = pages(64),
    stores = {},
    busyMs = 0,
  }: {
    options?: Partial<SupervisorOptions>;
    budgetBytes?: number;
    stores?: Partial<StoreDirectory>;
    /** Of the processor, from one look to the next. */
    busyMs?: number;
  } = {},
) {
  const clock = handClock();
  const arena = new Arena(budgetBytes);
  const words = createRuntimeWords();
  const links: InnerWorker[] = [];
  const soon: (() => void)[] = [];
  const refreshed: unknown[] = [];
  const turns = { soon: 0, watches: 0 };
  let usedMs = 0;
  /** What a refresh of a store comes to; for the test to say. */
  const refresh = { answer: (): Promise<StoreSpec> => Promise.reject(new Error('no stores here')) };
  const token = options.token ?? new CancellationToken({ clock });
  const context = {
    spawn: (index: number, incarnation: number) => {
      const link = createWorker(index, incarnation);
      links.push(link);
      return link;
    },
    now: () => clock.now(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
    random: () => 0.5,
    soon: (fn: () => void) => {
      turns.soon += 1;
      soon.push(fn);
    },
    watchLoad: () => {
      turns.watches += 1;
      return {
        read: () => ({ busyMs: (usedMs += busyMs), eventLoopDelayMs: 0 }),
        stop: () => void (turns.watches -= 1),
      };
    },
    refreshStore: (...given: unknown[]) => {
      refreshed.push(given);
      return refresh.answer();
    },
  };
  const ranges = { splitThreshold: Infinity, partBytes: pages(2), maxPartsPerObject: 4 };
  const directory = {
    uri: (id: number, key: Uint8Array) => `fake://${id}/${Buffer.from(key.subarray(1)).toString()}`,
    defaults: () => ranges,
    spec: specOf,
    ...stores,
  } as unknown as StoreDirectory;
  const supervisor = new Supervisor(context, arena, words, directory, {
    workers,
    concurrency: 4,
    stuckAfterMs: 2000,
    budgetTimeoutMs: 5000,
    closeTimeoutMs: 3000,
    ...options,
    token,
  });
  supervisor.start();
  /** Lets everything happen that can without time. */
  const settle = async (): Promise<void> => {
    for (let still = 0; still < 2;) {
      let moved = soon.length;
      for (const fn of soon.splice(0)) fn();
      for (const link of links) moved += link.deliver();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      still = moved === 0 && soon.length === 0 ? still + 1 : 0;
    }
  };
  const open = (
    plan: readonly PlanEntry[] | null,
    more: Partial<StreamOptions> = {},
    caller: CancellationToken | null = null,
  ) => {
    const stream: StreamHandle = supervisor.openStream(
      { ...STREAM, ...more },
      plan === null ? idle(() => stream) : planOf(plan),
      caller,
    );
    return stream;
  };
  const cleanup = (bound: CancellationToken) => {
    const stream: StreamHandle = supervisor.openCleanup(
      STREAM,
      idle(() => stream),
      bound,
    );
    return stream;
  };
  return {
    clock,
    arena,
    words,
    links,
    refresh,
    refreshed,
    token,
    turns,
    supervisor,
    settle,
    open,
    cleanup,
    used: (): number => arena.stats().usedBytes,
    /** Whoever is in that place now. */
    at: (index: number): HandWorker => links.findLast(({ name }) => name.startsWith(`worker-${index}#`))!,
    /** Lets time pass, in which workers turn unless they are named. */
    pass: async (ms: number, ...still: readonly HandWorker[]): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 100) {
        for (const link of links) if (!still.includes(link)) link.beat();
        clock.advance(Math.min(100, ms - passed));
      }
      await settle();
    },
  };
}

export const entries = (count: number, more: Partial<PlanEntry> = {}): PlanEntry[] =>
  Array.from({ length: count }, (_, i) => entryOf(i, { store: STORE, ...more }));

/** Of unknown size: each has a message of its own. */
export const ALONE = { size: -1 };
export const small = { landed: 100 };
export const LIST = {
  store: 1,
  prefix: new Uint8Array(0),
  delimiter: null,
  continuation: null,
  limit: 10,
};
export const keysOf = ({ fetched }: HandWorker): number[] => fetched.map(({ key }) => key);
export const kinds = ({ heard }: HandWorker): string[] => heard.map(({ kind }) => kind);
export const keyIn = (batch: BatchRecord | null): number | undefined => batch?.items[0]?.sequence;

/** Reports everything that these workers have and have not reported. */
export function finishAll(workers: readonly HandWorker[]): void {
  for (const worker of workers) worker.done(worker.fetched.splice(0), small);
}

export async function rest(stream: StreamHandle): Promise<(number | undefined)[]> {
  const got = [];
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    got.push(keyIn(batch));
    stream.release(batch);
  }
  return got;
}
