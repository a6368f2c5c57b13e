/** What the cores of the supervisor are given in these tests: plan entries, streams without workers, workers without threads. */
import { Crew, type Worker } from '../../../dist/actors/supervisor/crew.js';
import type { CrewLimits } from '../../../dist/actors/supervisor/load.js';
import { Stream } from '../../../dist/actors/supervisor/stream.js';
import { newTask } from '../../../dist/actors/supervisor/tasks.js';
import {
  type ItemRecord,
  type PlanEntry,
  type RangePlan,
  type StreamOptions,
  type Task,
  TaskState,
} from '../../../dist/actors/supervisor/types.js';
import { type Arena, PAGE_BYTES } from '../../../dist/protocol/arena.js';
import {
  OwnWord,
  type SupervisorContext,
  type WorkerExit,
  type WorkerLink,
} from '../../../dist/protocol/context.js';
import type { JobMessage, ResultMessage } from '../../../dist/protocol/messages.js';
import { PortReceiver, PortSender } from '../../../dist/protocol/port.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { handClock, type HandClock } from '../../protocol/hand-clock.js';
import { createPipe } from '../../protocol/pipe.js';

export const MIB = 1024 * 1024;
export const pages = (count: number): number => count * PAGE_BYTES;
export const WHOLE: RangePlan = { splitThreshold: Infinity, partBytes: 8 * MIB, maxPerObject: 4 };

/** A key that is not UTF-8 and tells its number. */
export const keyOf = (number: number): Uint8Array => Uint8Array.of(0xff, ...Buffer.from(`key-${number}`));

export function entryOf(number: number, more: Partial<PlanEntry> = {}): PlanEntry {
  const unversioned = { store: 1, key: keyOf(number), size: 1000, version: null, pinned: false };
  return { ...unversioned, start: 0, length: -1, ...more };
}

export function taskOf(sequence: number, entry: Partial<PlanEntry> = {}, more: Partial<Task> = {}): Task {
  return { ...newTask(sequence, entryOf(sequence, entry)), ...more };
}

export function valueItem(sequence: number, more: Partial<ItemRecord> = {}): ItemRecord {
  const payload = { kind: 'value' as const, value: sequence };
  const place = { entry: entryOf(sequence), sequence, index: 0, last: true };
  return { ...place, version: null, size: 0, verified: null, payload, ...more };
}

export function bytesItem(sequence: number, bytes: number): ItemRecord {
  return valueItem(sequence, { payload: { kind: 'bytes', bytes: new Uint8Array(bytes) } });
}

const DEFAULTS: StreamOptions = {
  order: 'sequence',
  batchSize: 4,
  batchBytes: MIB,
  dropLast: false,
  windowObjects: 1000,
  windowBytes: Infinity,
  maxConcurrentObjects: 1000,
  ranges: null,
  onError: 'fail',
  transform: null,
  verify: 'never',
  maxAttempts: 5,
  throttleTimeoutMs: 0,
};

export interface StreamKit {
  readonly stream: Stream;
  /** Lets the plan in. */
  readonly pull: () => Promise<void>;
}

let nextId = 1;

export function createStream(
  arena: Arena,
  entries: readonly PlanEntry[],
  options: Partial<StreamOptions> = {},
): StreamKit {
  const left = [...entries];
  const token = new CancellationToken({ clock: handClock() });
  const id = nextId++;
  const source = {
    next: (limit: number) => Promise.resolve(left.length === 0 ? null : left.splice(0, limit)),
  };
  const stream = new Stream({ ...DEFAULTS, ...options }, source, {
    id,
    slot: id,
    epoch: id * 10,
    arena,
    token,
    now: () => id,
    uri: uriOf,
    stopError: () => token.error(),
    onGivenUp: () => {},
    poke: () => {},
    closed: () => {},
    list: () => Promise.reject(new Error('no lists here')),
    head: () => Promise.reject(new Error('no heads here')),
    write: () => Promise.reject(new Error('no writes here')),
    verifiable: () => false,
  });
  return {
    stream,
    pull: async () => {
      while (stream.peek() === null && !stream.over) {
        stream.pull(1000);
        await Promise.resolve();
      }
    },
  };
}

export const uriOf = (entry: PlanEntry): string =>
  `fake://bucket/${Buffer.from(entry.key).toString('latin1')}`;

/** What a granted task would do on its way through a worker: all of its jobs came back well. */
export function settle(stream: Stream, task: Task): void {
  const at = stream.granted.indexOf(task);
  if (at >= 0) stream.granted.splice(at, 1);
  task.state = TaskState.Sent;
  stream.settled(task);
}

/** Settles everything that is granted now. */
export function settleAll(stream: Stream): void {
  for (const task of stream.granted.slice()) settle(stream, task);
}

export interface FakeLink extends WorkerLink {
  readonly index: number;
  readonly incarnation: number;
  exit(exit: Partial<WorkerExit>): void;
  beat(): void;
  /** Job messages that it was sent and that nobody looked at yet. */
  received(): JobMessage[];
}

const JOBS_CAPACITY = 3;

function createLink(index: number, incarnation: number): FakeLink {
  const ownWords = new Int32Array(new SharedArrayBuffer(4 * (OwnWord.Transforming + 4)));
  const [jobs, results] = [createPipe(), createPipe()];
  const inbox = new PortReceiver<JobMessage>(jobs.receiver, ownWords, OwnWord.Jobs);
  let onExit: (exit: WorkerExit) => void = () => {};
  return {
    index,
    incarnation,
    name: `worker-${index}#${incarnation}`,
    ownWords,
    jobs: new PortSender(jobs.sender, ownWords, OwnWord.Jobs, JOBS_CAPACITY),
    results: new PortReceiver<ResultMessage>(results.receiver, ownWords, OwnWord.Results),
    control: { post: () => {}, onMessage: () => {} },
    onExit: (fn) => {
      onExit = fn;
    },
    stats: () => Promise.reject(new Error('no figures here')),
    abandon: () => {},
    exit: (exit) => onExit({ clean: false, cause: null, ...exit }),
    beat: () => void Atomics.add(ownWords, OwnWord.Heartbeat, 1),
    received: () => {
      jobs.deliver();
      const messages: JobMessage[] = [];
      for (let message = inbox.tryReceive(); message !== null; message = inbox.tryReceive())
        messages.push(message);
      return messages;
    },
  };
}

export interface CrewKit {
  readonly crew: Crew;
  readonly context: SupervisorContext;
  readonly clock: HandClock;
  /** Every incarnation, in the order of their starts. */
  readonly links: FakeLink[];
  /** What the crew told: `+worker-0#0`, `-worker-0#0`. */
  readonly events: string[];
  /** The worker that is in a place now. */
  readonly at: (index: number) => Worker;
}

/** `closed`: stores whose origins are. */
export function createCrew(
  size: number,
  limits: Partial<CrewLimits> = {},
  closed: ReadonlySet<number> = new Set(),
): CrewKit {
  const clock = handClock();
  const links: FakeLink[] = [];
  const events: string[] = [];
  const spawn = (index: number, incarnation: number): FakeLink => {
    const link = createLink(index, incarnation);
    links.push(link);
    return link;
  };
  const context = {
    spawn,
    now: () => clock.now(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
    random: () => 0.5,
    soon: (fn: () => void) => fn(),
    watchLoad: () => ({ read: () => ({ busyMs: 0, eventLoopDelayMs: 0 }), stop: () => {} }),
    refreshStore: () => Promise.reject(new Error('no stores here')),
  };
  const crew = new Crew(
    size,
    context,
    { maxRows: 128, maxOutstanding: 64 * MIB, ...limits },
    {
      started: (worker) => events.push(`+${worker.link.name}`),
      exited: (worker) => events.push(`-${worker.link.name}`),
      waiting: () => events.push('waiting'),
    },
    (store) => closed.has(store),
  );
  crew.start();
  const at = (index: number): Worker => {
    for (const worker of crew.alive()) if (worker.index === index) return worker;
    throw new Error(`nobody in place ${index}`);
  };
  return { crew, context, clock, links, events, at };
}
