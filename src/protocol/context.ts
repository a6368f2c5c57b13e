/**
 * What actors are given. An actor touches the world only through its context, so the same actor file runs on threads
 * and in the deterministic simulation.
 */
import type {
  ControlMessage,
  ControlReply,
  JobMessage,
  ResultMessage,
  StoreSpec,
  TransformSpec,
  WorkerStats,
} from './messages.js';
import type { PortReceiver, PortSender } from './port.js';
import type { Store } from './store.js';
import type { StopSignal } from './stop.js';

/** A stop signal that also tells when it begins to drain. */
export interface TurnSignal extends StopSignal {
  /** Calls `fn` at each change of state (once at once if it is no longer live). Returns the function that unlinks it. */
  onTurn(fn: () => void): () => void;
}

export interface Clock {
  /** Monotonic milliseconds: one clock for all threads of a process, which no setting of the time of day moves. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
}

/** A small ordered pipe for control messages; both sides may post at any time. */
export interface ControlChannel<Send, Receive> {
  post(message: Send): void;
  onMessage(fn: (message: Receive) => void): void;
}

export interface TransformContext {
  readonly uri: string;
  readonly key: string;
  readonly size: number;
  readonly version: string | null;
  readonly options: unknown;
  /** Aborted when the loader is cancelled. */
  readonly signal: AbortSignal;
}

/** A user's transform: bytes, a cloneable value, an array of several of these, or undefined/null/[] for nothing. */
export type TransformFunction = (bytes: Uint8Array, context: TransformContext) => unknown;

/** The worker actor's world. */
export interface WorkerContext extends Clock {
  /** Such as `worker-2#1`: index and incarnation. */
  readonly name: string;
  readonly jobs: PortReceiver<JobMessage>;
  readonly results: PortSender<ResultMessage>;
  readonly control: ControlChannel<ControlReply, ControlMessage>;
  readonly arena: SharedArrayBuffer;
  /** The runtime's shared words (tokens, retry budget). */
  readonly words: Int32Array;
  /** This incarnation's own words: what it is doing, for whoever has to explain its death. */
  readonly ownWords: Int32Array;
  /** How many jobs to run at the same time. */
  readonly concurrency: number;
  /** Ends early, without an error, when the signal turns (drains or is cancelled). */
  sleep(ms: number, stop: TurnSignal): Promise<void>;
  /** Wall-clock milliseconds, for whoever has to compare with a service's dates. */
  wallNow(): number;
  openStore(spec: StoreSpec): Promise<Store>;
  loadTransform(spec: TransformSpec): Promise<TransformFunction>;
  /** Answers questions (comlink on threads) for as long as the actor lives. */
  answer(questions: { stats(): WorkerStats }): void;
  /** What the thread's connections and direct reads came to. */
  readonly transportStats: () => Pick<
    WorkerStats,
    | 'connectionsOpened'
    | 'connectionsReused'
    | 'connectionsActive'
    | 'connectionsIdle'
    | 'bouncedBytes'
    | 'bufferedBytes'
    | 'endpoints'
  >;
}

/** Words of one incarnation of a worker. */
export const OwnWord = {
  /** Grows while the thread's event loop turns. */
  Heartbeat: 0,
  Jobs: 1,
  Results: 3,
  /** From here on, one word per concurrent job: low bits of the id of the job whose transform runs there, or 0. */
  Transforming: 5,
} as const;

/** Why an incarnation is over. */
export interface WorkerExit {
  /** True when the actor returned after `stop`. */
  readonly clean: boolean;
  /** What killed it, where that is known. */
  readonly cause: Error | null;
}

/** One incarnation of a worker, as the supervisor holds it. */
export interface WorkerLink {
  readonly name: string;
  readonly jobs: PortSender<JobMessage>;
  readonly results: PortReceiver<ResultMessage>;
  readonly control: ControlChannel<ControlMessage, ControlReply>;
  readonly ownWords: Int32Array;
  /** Called once, when the thread has really ended: from then on it writes nothing. */
  onExit(fn: (exit: WorkerExit) => void): void;
  stats(): Promise<WorkerStats>;
  /** Gives up on a thread that cannot be ended: it no longer holds the process open, nor the runtime's close. */
  abandon(): void;
}

/** How busy the runtime's threads are. */
export interface LoadReading {
  /** Milliseconds that the event loops of all workers were busy, since the runtime began; never less than before. */
  readonly busyMs: number;
  /** By how much timers of the service's own event loop were late, at the most, since the last reading. */
  readonly eventLoopDelayMs: number;
}

/** A look at the load that goes on until it is stopped. */
export interface LoadWatch {
  read(): LoadReading;
  stop(): void;
}

/** The supervisor actor's world. */
export interface SupervisorContext extends Clock {
  /** Starts an incarnation. Its exit is reported even if it never came up. */
  spawn(index: number, incarnation: number): WorkerLink;
  /** Calls `fn` after `ms`. Returns the function that takes it back. With `holds` the wait keeps the process alive. */
  after(ms: number, fn: () => void, holds?: boolean): () => void;
  /** Calls `fn` once what is running now has returned. */
  soon(fn: () => void): void;
  /** Begins to measure; costs nothing while nobody does. */
  watchLoad(): LoadWatch;
  /** A fresher snapshot than `staleVersion` for a store that was opened. */
  refreshStore(id: number, staleVersion: number): Promise<StoreSpec>;
}
