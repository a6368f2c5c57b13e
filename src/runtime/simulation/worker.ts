/**
 * One incarnation of a simulated worker: its thread, the devices that work for it, and both ends of its ports.
 *
 * Invariants:
 * 1. A dead thread does nothing: what it posts is lost, what was posted to it is not taken, its waits never end.
 * 2. Its devices go on (a read in flight still writes into the arena) until its exit is delivered, and not after.
 * 3. The exit is delivered exactly once, in no order to the messages that were sent before it.
 */
import {
  OwnWord,
  type ControlChannel,
  type TransformFunction,
  type TurnSignal,
  type WorkerContext,
  type WorkerExit,
  type WorkerLink,
} from '../../protocol/context.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type {
  ControlMessage,
  ControlReply,
  ResultMessage,
  StoreSpec,
  TransformSpec,
  WorkerStats,
} from '../../protocol/messages.js';
import { PortReceiver, PortSender } from '../../protocol/port.js';
import type { Store } from '../../protocol/store.js';
import { createChannel, type ChannelPair, type Mortal } from './channel.js';
import type { Oracle } from './oracle.js';
import type { Party, Scheduler } from './scheduler.js';
import type { FaultSites } from './sites.js';

/** Where the virtual wall clock stands at virtual time zero: 2026-01-01. */
const WALL_EPOCH_MS = 1_767_225_600_000;
/** A thread that is slow to start takes so much longer than others. */
export const SLOW_START_MS = 3000;

/** What a simulated store is given of the thread it works for. */
export interface SimWorld {
  /** The worker's name. */
  readonly name: string;
  now(): number;
  /** Latencies, sizes of pieces: a whole number of `[least, most]`. */
  between(least: number, most: number, label: string): number;
  /**
   * Work outside the thread (a kernel, a disk): happens after `delayMs` even when the thread hangs, and even when it
   * is dead, until its exit was delivered. Returns the function that takes it back.
   */
  device(label: string, delayMs: number, fn: () => void): () => void;
  /** What the service does with something that has left this machine: happens whatever becomes of the thread. */
  service(label: string, delayMs: number, fn: () => void): void;
  /** Something the thread has to turn for: never happens to one that is dead, waits for one that hangs. */
  complete(label: string, fn: () => void): void;
}

export interface WorkerSetup {
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly sites: FaultSites;
  readonly supervisor: Mortal;
  /** The storage service. */
  readonly service: Party;
  readonly runWorker: (context: WorkerContext) => Promise<void>;
  readonly stores: (spec: StoreSpec, world: SimWorld) => Store;
  readonly transforms: (spec: TransformSpec, worker: SimWorker) => TransformFunction;
  readonly arena: () => SharedArrayBuffer;
  readonly words: Int32Array;
  readonly concurrency: number;
  readonly jobsCapacity: number;
  readonly resultsCapacity: number;
  /** Longest time until a thread has started, and until the exit of a dead one is seen. */
  readonly startMs: number;
  readonly exitMs: number;
}

export type SimWorkerState = 'starting' | 'live' | 'hung' | 'dead' | 'exited';
export type SimChannelName = 'jobs' | 'results' | 'control';

type Answers = { stats(): WorkerStats };

export class SimWorker {
  readonly index: number;
  readonly incarnation: number;
  readonly name: string;
  readonly ownWords: Int32Array;
  readonly link: WorkerLink;
  abandoned = false;
  #state: SimWorkerState = 'starting';
  #resumesTo: 'starting' | 'live' = 'starting';
  readonly #setup: WorkerSetup;
  readonly #thread: Mortal;
  readonly #device: Party;
  readonly #channels: Record<SimChannelName | 'questions', ChannelPair>;
  readonly #completions: { push(label: string, payload: unknown): void };
  #onExit: (exit: WorkerExit) => void = () => {};
  #answers: Answers | null = null;
  #results: PortSender<ResultMessage> | null = null;
  readonly #questions: { resolve(stats: WorkerStats): void; reject(error: MillraceError): void }[] = [];

  constructor(setup: WorkerSetup, index: number, incarnation: number) {
    this.#setup = setup;
    this.index = index;
    this.incarnation = incarnation;
    this.name = `worker-${index}#${incarnation}`;
    const { scheduler } = setup;
    this.#thread = { name: this.name, turning: true, dead: false, thrown: (error) => this.crash(error) };
    this.#device = { name: `${this.name} device`, turning: true, thrown: rethrow };
    const channel = (name: string): ChannelPair =>
      createChannel(setup, `${this.name} ${name}`, setup.supervisor, this.#thread);
    this.#channels = {
      jobs: channel('jobs'),
      results: channel('results'),
      control: channel('control'),
      questions: channel('questions'),
    };
    const completions = scheduler.queue(`${this.name} completions`, this.#thread);
    completions.deliver = (fn) => (fn as () => void)();
    this.#completions = completions;
    this.ownWords = new Int32Array(new SharedArrayBuffer(4 * (OwnWord.Transforming + setup.concurrency)));
    this.link = this.#createLink();
    const slow = setup.sites.strikes('worker.slow-start') ? SLOW_START_MS : 0;
    const startMs = slow + setup.oracle.between(0, setup.startMs, 'start of a thread');
    scheduler.after(this.#thread, `${this.name} starts`, startMs, () => this.#start());
  }

  get state(): SimWorkerState {
    return this.#state;
  }

  /** Time has moved: a thread that turns shows it. */
  beat(): void {
    if (this.#state === 'live') Atomics.add(this.ownWords, OwnWord.Heartbeat, 1);
  }

  /** The thread dies where it stands. Nothing happens when it is dead already. */
  crash(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#end({ clean: false, cause: error });
  }

  /** The thread blocks in one call: it neither takes anything nor beats. */
  hang(): void {
    if (this.#state !== 'live' && this.#state !== 'starting') return;
    this.#resumesTo = this.#state;
    this.#state = 'hung';
    this.#thread.turning = false;
  }

  /** The call returns. */
  resume(): void {
    if (this.#state !== 'hung') return;
    this.#state = this.#resumesTo;
    this.#thread.turning = true;
  }

  /** Its thread is at work for so long; resolves while it turns, and never once it is dead. */
  work(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#thread.dead) this.#setup.scheduler.after(this.#thread, `${this.name} works`, ms, resolve);
    });
  }

  /** How often a sender on either side was refused for lack of a credit. */
  get fullCount(): number {
    return this.link.jobs.fullCount + (this.#results?.fullCount ?? 0);
  }

  /** What is wrong with the credits of its ports: more messages under way than a port holds, or less than none. */
  creditFaults(): string[] {
    const { jobsCapacity, resultsCapacity } = this.#setup;
    return [
      ...creditFault(this.name, 'jobs', this.ownWords[OwnWord.Jobs]!, jobsCapacity),
      ...creditFault(this.name, 'results', this.ownWords[OwnWord.Results]!, resultsCapacity),
    ];
  }

  /** What it would answer now, without a message; null for one that does not live, or is hung. */
  get stats(): WorkerStats | null {
    return this.#state === 'live' ? (this.#answers?.stats() ?? null) : null;
  }

  closeChannel(name: SimChannelName): void {
    this.#channels[name].sever();
  }

  #start(): void {
    this.#state = 'live';
    const context = this.#createContext();
    this.#setup.runWorker(context).then(
      () => this.#end({ clean: true, cause: null }),
      (error: unknown) => this.crash(error),
    );
  }

  #end(exit: WorkerExit): void {
    if (this.#thread.dead) return;
    this.#state = 'dead';
    this.#thread.dead = true;
    this.#thread.turning = false;
    const { scheduler, supervisor, oracle, exitMs } = this.#setup;
    scheduler.forget(this.#thread);
    const exitAfterMs = oracle.between(0, exitMs, 'exit of a thread');
    scheduler.after(supervisor, `${this.name} exits`, exitAfterMs, () => {
      this.#state = 'exited';
      scheduler.forget(this.#device);
      for (const question of this.#questions.splice(0)) question.reject(gone(this.name, exit));
      this.#onExit(exit);
      // Whoever waits for a credit would wait for ever.
      this.link.jobs.close();
    });
  }

  #createLink(): WorkerLink {
    const { jobs, results, control } = this.#channels;
    return {
      name: this.name,
      jobs: new PortSender(jobs.near, this.ownWords, OwnWord.Jobs, this.#setup.jobsCapacity),
      results: new PortReceiver(results.near, this.ownWords, OwnWord.Results),
      control: control.near as ControlChannel<ControlMessage, ControlReply>,
      ownWords: this.ownWords,
      onExit: (fn) => {
        this.#onExit = fn;
      },
      stats: () => this.#ask(),
      abandon: () => {
        this.abandoned = true;
      },
    };
  }

  #ask(): Promise<WorkerStats> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'exited') return reject(gone(this.name, { clean: false, cause: null }));
      this.#questions.push({ resolve, reject });
      const { near } = this.#channels.questions;
      near.onMessage((stats) => this.#questions.shift()?.resolve(stats as WorkerStats));
      near.post({ kind: 'stats' });
    });
  }

  #createContext(): WorkerContext {
    const { name } = this;
    const setup = this.#setup;
    const { scheduler } = setup;
    const { jobs, results, control, questions } = this.#channels;
    this.#results = new PortSender(results.far, this.ownWords, OwnWord.Results, setup.resultsCapacity);
    return {
      name,
      arena: setup.arena(),
      words: setup.words,
      ownWords: this.ownWords,
      concurrency: setup.concurrency,
      now: () => scheduler.now,
      random: () => setup.oracle.fraction('dice of a worker'),
      wallNow: () => WALL_EPOCH_MS + scheduler.now,
      jobs: new PortReceiver(jobs.far, this.ownWords, OwnWord.Jobs),
      results: this.#results,
      control: control.far as ControlChannel<ControlReply, ControlMessage>,
      sleep: (ms, stop) => this.#sleep(ms, stop),
      openStore: (spec) => this.#load(`open ${spec.name}`, () => setup.stores(spec, this.#createWorld())),
      loadTransform: (spec) => this.#load(`import ${spec.url}`, () => setup.transforms(spec, this)),
      answer: (answers) => {
        this.#answers = answers;
        questions.far.onMessage(() => questions.far.post(this.#answers?.stats()));
      },
      transportStats: () => NO_TRANSPORT,
    };
  }

  #createWorld(): SimWorld {
    const { scheduler, oracle } = this.#setup;
    return {
      name: this.name,
      now: () => scheduler.now,
      between: (least, most, label) => oracle.between(least, most, label),
      device: (label, delayMs, fn) => {
        if (this.#state === 'exited') return () => {};
        return scheduler.after(this.#device, `${this.name} ${label}`, delayMs, fn);
      },
      service: (label, delayMs, fn) => {
        scheduler.after(this.#setup.service, `service: ${this.name} ${label}`, delayMs, fn);
      },
      complete: (label, fn) => {
        if (!this.#thread.dead) this.#completions.push(label, fn);
      },
    };
  }

  /** What takes a thread a turn or more: an import, an open. */
  #load<T>(label: string, make: () => T): Promise<T> {
    const delayMs = this.#setup.oracle.between(0, this.#setup.startMs, 'an import');
    return new Promise((resolve, reject) => {
      if (this.#thread.dead) return;
      this.#setup.scheduler.after(this.#thread, `${this.name} ${label}`, delayMs, () => {
        try {
          resolve(make());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #sleep(ms: number, stop: TurnSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#thread.dead) return;
      let unlink: (() => void) | null = null;
      let over = false;
      const wake = (): void => {
        over = true;
        cancel();
        unlink?.();
        resolve();
      };
      const cancel = this.#setup.scheduler.after(this.#thread, `${this.name} sleep`, ms, wake);
      unlink = stop.onTurn(wake);
      if (over) unlink();
    });
  }
}

const NO_TRANSPORT = {
  bouncedBytes: 0,
  bufferedBytes: 0,
  connectionsOpened: 0,
  connectionsReused: 0,
  connectionsActive: 0,
  connectionsIdle: 0,
  endpoints: [],
};

/** Far below zero a port is closed, and late takers count it down further. */
const LEAST_CLOSED = -0x2000_0000;

function creditFault(worker: string, port: string, inFlight: number, capacity: number): string[] {
  if (inFlight < LEAST_CLOSED || (inFlight >= 0 && inFlight <= capacity)) return [];
  return [`${inFlight} messages are under way on the port of ${worker} for ${port}, which holds ${capacity}`];
}

function gone(name: string, exit: WorkerExit): MillraceError {
  return new MillraceError(ErrorCode.WorkerCrashed, `${name} is gone and answers no question`, {
    worker: name,
    cause: exit.cause ?? undefined,
  });
}

function rethrow(error: unknown): never {
  throw error;
}
