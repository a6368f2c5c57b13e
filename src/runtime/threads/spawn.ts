/**
 * One incarnation of a worker: a piscina of exactly one thread, whose one long task is the actor.
 *
 * A pool of several threads could not start a replacement beside a stuck thread, nor be taken down while one is stuck.
 *
 * Invariants:
 * 1. `onExit` is called once: when the actor returned, or when the thread's own exit was seen. A rejected task alone
 *    is not the end, because a read in flight may still write.
 * 2. The pool is destroyed only when no actor runs in it: it has returned, or thrown.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { OwnWord, type WorkerExit, type WorkerLink } from '../../protocol/context.js';
import type { JobMessage, WorkerStats } from '../../protocol/messages.js';
import { PortReceiver, PortSender } from '../../protocol/port.js';
import { controlChannel, portChannel } from './channel.js';
import { Asker } from './questions.js';

/** Messages that may wait for a worker: one that it works on, and enough that it never runs dry. */
export const JOB_PORT_CAPACITY = 8;
export const RESULT_PORT_CAPACITY = 16;

export interface SpawnOptions {
  /** Module of the thread entry. */
  readonly entry: string;
  readonly index: number;
  readonly incarnation: number;
  readonly arena: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly concurrency: number;
  /** Cloneable; for the thread entry. */
  readonly settings: unknown;
  /** Heap limit of the thread in MiB, or null for Node's own. */
  readonly heapLimitMiB: number | null;
}

/** One incarnation on a real thread. */
export interface ThreadLink extends WorkerLink {
  /** Milliseconds that its event loop was busy since it began; 0 before that and once the thread has ended. */
  busyMs(): number;
}

/** What the thread entry is given. */
export interface ThreadTask {
  readonly name: string;
  readonly jobs: MessagePort;
  readonly results: MessagePort;
  readonly control: MessagePort;
  readonly questions: MessagePort;
  readonly arena: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly ownWords: Int32Array;
  readonly concurrency: number;
  readonly settings: unknown;
}

/**
 * Nearly all that a worker allocates is dead within a turn, and a young generation that fits into the processor's cache
 * is swept in less time than one that does not: objects of 4 KiB cost 10 % less CPU than with Node's default of 48 MiB,
 * and each worker takes 20 MiB less. A transform that allocates a MiB per object costs 3 % more.
 */
const YOUNG_GENERATION_MIB = 6;

export function spawnThread(options: SpawnOptions): ThreadLink {
  const name = `worker-${options.index}#${options.incarnation}`;
  const ownWords = new Int32Array(new SharedArrayBuffer((OwnWord.Transforming + options.concurrency) * 4));
  const jobs = new MessageChannel();
  const results = new MessageChannel();
  const control = new MessageChannel();
  const questions = new MessageChannel();
  const pool = new Piscina({
    filename: options.entry,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
    atomics: 'disabled',
    recordTiming: false,
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
      ...(options.heapLimitMiB === null ? {} : { maxOldGenerationSizeMb: options.heapLimitMiB }),
    },
  });
  // Without a listener a dead thread would be an uncaught exception of the service; the task's rejection tells us.
  pool.on('error', () => {});
  const thread = pool.threads[0] as unknown as Worker;
  let piscinaWorker: object = {};
  pool.on('workerCreate', (worker: object) => {
    piscinaWorker = worker;
  });
  const task: ThreadTask = {
    name,
    jobs: jobs.port2,
    results: results.port2,
    control: control.port2,
    questions: questions.port2,
    arena: options.arena,
    words: options.words,
    ownWords,
    concurrency: options.concurrency,
    settings: options.settings,
  };
  const asker = new Asker(questions.port1, name);
  const jobSender = new PortSender<JobMessage>(
    portChannel(jobs.port1),
    ownWords,
    OwnWord.Jobs,
    JOB_PORT_CAPACITY,
  );
  const life = new Life(pool, thread, () => {
    asker.close();
    // Whoever waits for a credit would wait for ever.
    jobSender.close();
    for (const channel of [jobs, results, control]) channel.port1.close();
  });
  const transferList = [jobs.port2, results.port2, control.port2, questions.port2];
  life.run(pool.run(task, { transferList: transferList as never }));
  return {
    name,
    ownWords,
    jobs: jobSender,
    results: new PortReceiver(portChannel(results.port1), ownWords, OwnWord.Results),
    control: controlChannel(control.port1),
    onExit: (fn) => life.onExit(fn),
    stats: () => asker.ask('stats') as Promise<WorkerStats>,
    busyMs: () => thread.performance.eventLoopUtilization().active,
    abandon: () => {
      thread.unref();
      unrefTask(piscinaWorker);
      for (const channel of [jobs, results, control]) channel.port1.unref();
    },
  };
}

/**
 * piscina holds the process open while a task runs, with a port of its own that it does not give out. It is reached by
 * the one symbol of what piscina's balancers are handed; without it a program with a stuck thread would never end.
 */
function unrefTask(worker: object): void {
  for (const symbol of Object.getOwnPropertySymbols(worker)) {
    const info = (worker as Record<symbol, { unref?(): void } | undefined>)[symbol];
    info?.unref?.();
  }
}

class Life {
  readonly #pool: Piscina;
  readonly #thread: Worker;
  readonly #release: () => void;
  #exit: WorkerExit | null = null;
  #threadEnded = false;
  #failure: Error | null = null;
  #failed = false;
  #listener: ((exit: WorkerExit) => void) | null = null;

  constructor(pool: Piscina, thread: Worker, release: () => void) {
    this.#pool = pool;
    this.#thread = thread;
    this.#release = release;
    this.#thread.once('exit', () => {
      this.#threadEnded = true;
      this.#settle();
    });
  }

  run(task: Promise<unknown>): void {
    task.then(
      () => this.#end({ clean: true, cause: null }),
      (error: unknown) => {
        this.#failed = true;
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.#settle();
        // An actor that threw leaves its thread idle behind: the exit that is waited for has to be brought about.
        this.#destroy();
      },
    );
  }

  onExit(fn: (exit: WorkerExit) => void): void {
    this.#listener = fn;
    if (this.#exit !== null) fn(this.#exit);
  }

  #settle(): void {
    if (this.#failed && this.#threadEnded) this.#end({ clean: false, cause: this.#failure });
  }

  #end(exit: WorkerExit): void {
    if (this.#exit !== null) return;
    this.#exit = exit;
    this.#listener?.(exit);
    this.#release();
    // No actor runs here any more; what is left is an idle thread, or the one that piscina put in the dead one's place.
    this.#destroy();
  }

  #destroy(): void {
    void this.#pool.destroy().catch(() => {});
  }
}
