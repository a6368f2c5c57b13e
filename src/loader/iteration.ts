/**
 * One epoch on its way: the iterator behind `for await (const batch of loader)`.
 *
 * Invariants:
 * 1. Calls of `next`, `return` and `throw` take effect in the order in which they were made.
 * 2. What is released and acknowledged by a `next()` is what its caller had been handed when it was called: of two
 *    calls at the same time the second does not release the batch of the first.
 * 3. The record is set before the last call settles.
 * 4. An iterator that nobody can reach any more ends its epoch: nothing here holds it.
 */
import type { Cursor, StreamHandle, SupervisorHandle, TerminalRecord } from '../actors/supervisor/types.js';
import { StopState } from '../protocol/stop.js';
import { Batch, type BatchWorld, createBatchWorld } from './batch.js';
import type { Dataset } from './datasets.js';
import type { ResolvedLoaderOptions } from './options.js';
import { createPlanSource } from './plan-source.js';
import type { EntrySource } from './sources.js';
import { createStoppableSource } from './stoppable.js';
import { linkStop, type LinkedStop } from './stop-options.js';

type Step = IteratorResult<Batch, undefined>;

const BEGINNING: Cursor = { version: 1, objects: 0, items: 0 };
const END: Step = { done: true, value: undefined };

/** What exists only between the first `next()` and the end. */
interface Running {
  readonly stream: StreamHandle;
  readonly source: EntrySource;
  readonly batches: BatchWorld;
}

/** The iterator that a consumer is handed. */
export function createIterator(iteration: Iteration): AsyncIterableIterator<Batch, undefined> {
  const iterator: AsyncIterableIterator<Batch, undefined> = {
    next: () => iteration.next(),
    return: () => iteration.return(),
    throw: (thrown: unknown) => iteration.throw(thrown),
    [Symbol.asyncIterator]: () => iterator,
  };
  forgotten.register(iterator, iteration);
  return iterator;
}

/** An iteration never reaches its iterator, so that it can be held here until that is gone. */
const forgotten = new FinalizationRegistry<Iteration>((iteration) => iteration.abandon());

/**
 * Gives an iteration the epoch that it is to go through; `begun` makes it the loader's running one. One that cannot begin uses
 * up no epoch, and the loader's cursor stays where it was.
 * @throws MillraceError InvalidArgument while another one runs
 */
export type Claim = (iteration: Iteration) => { readonly epoch: number; readonly begun: () => void };

export class Iteration {
  readonly #supervisor: SupervisorHandle;
  readonly #dataset: Dataset;
  readonly #options: ResolvedLoaderOptions;
  readonly #claim: Claim;
  #running: Running | null = null;
  /** Nothing more is asked of the stream. */
  #ending = false;
  #over = false;
  #record: TerminalRecord | null = null;
  /** Settles, without an error, when the last call has. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Handed out, and neither retained nor released by us. */
  #handed: Batch[] = [];
  #settleDone: () => void = () => {};
  #unlinkStop: () => void = () => {};
  readonly #done: Promise<TerminalRecord | null>;

  constructor(supervisor: SupervisorHandle, dataset: Dataset, options: ResolvedLoaderOptions, claim: Claim) {
    this.#claim = claim;
    this.#supervisor = supervisor;
    this.#dataset = dataset;
    this.#options = options;
    // Wait ends: with the end of the iteration, which the token of its stream brings about.
    this.#done = new Promise((resolve) => {
      this.#settleDone = () => resolve(this.#record);
    });
  }

  get over(): boolean {
    return this.#over;
  }

  get record(): TerminalRecord | null {
    return this.#record;
  }

  /** Resolves with the record; null when the iteration failed before anything began. */
  get done(): Promise<TerminalRecord | null> {
    // A stop settles it for those who wait while a batch is in hand, which may be acknowledged afterwards.
    return this.#over ? Promise.resolve(this.#record) : this.#done;
  }

  get cursor(): Cursor {
    return this.#running?.stream.cursor ?? BEGINNING;
  }

  next(): Promise<Step> {
    this.#letGo(this.#options.ack === 'auto');
    return this.#queue(() => this.#step());
  }

  /**
   * Leaves the epoch: resolves when nothing of it is in flight. The batch in hand is released, not acknowledged; a
   * `next()` that still waits ends without one.
   */
  return(): Promise<Step> {
    this.#leave();
    return this.#queue(async () => {
      await this.#end('break');
      return END;
    });
  }

  throw(thrown: unknown): Promise<Step> {
    this.#leave();
    return this.#queue(async () => {
      await this.#end('break');
      throw thrown;
    });
  }

  /**
   * Leaves the epoch for a consumer that dropped its iterator, once the calls that it made have settled. What it was
   * handed it may still use: that is released when it is forgotten too.
   */
  abandon(): void {
    void this.#queue(async () => {
      for (const batch of this.#handed.splice(0)) if (!batch.released) batch.retain();
      await this.#end('abandoned');
      return END;
    }).catch(() => {});
  }

  #leave(): void {
    this.#letGo(false);
    // The queue would wait for a `next()` under way, which may take long; `#end` looks at what this becomes.
    this.#running?.stream.finish('break').catch(() => {});
  }

  /** Acknowledges (if asked to) and releases what was handed out before this call. */
  #letGo(acknowledge: boolean): void {
    for (const batch of this.#handed.splice(0)) {
      if (acknowledge) batch.ack();
      if (!batch.retained && !batch.released) batch.release();
    }
  }

  #queue(call: () => Promise<Step>): Promise<Step> {
    const result = this.#tail.then(call);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #step(): Promise<Step> {
    if (this.#ending) return END;
    try {
      const { stream, batches } = (this.#running ??= this.#begin());
      const record = await stream.next();
      if (record !== null) {
        const batch = new Batch(record, batches);
        this.#handed.push(batch);
        return { done: false, value: batch };
      }
      await this.#end('completed');
      return END;
    } catch (thrown) {
      await this.#end('failed');
      throw thrown;
    }
  }

  #begin(): Running {
    const { epoch, begun } = this.#claim(this);
    const order = { ...this.#options, epoch };
    const stop = linkStop({
      token: this.#options.token ?? undefined,
      signal: this.#options.signal ?? undefined,
    });
    try {
      // The stream is there before the first pull: a source asks for it a turn of the microtask queue later.
      const { stores } = this.#supervisor;
      const plan = createPlanSource(this.#dataset, order, { stores, stream: () => stream });
      const source = createStoppableSource(plan, () => stream);
      const stream: StreamHandle = this.#supervisor.openStream(this.#options.stream, source, stop.token);
      const batches = createBatchWorld(this.#supervisor, stream, {
        checked: this.#options.checked,
        ordered: this.#options.stream.order === 'sequence',
      });
      this.#watchEnd(stream, source, stop);
      begun();
      return { stream, source, batches };
    } catch (thrown) {
      stop.dispose();
      throw thrown;
    }
  }

  /**
   * What ends a stream may be that its last batch was taken, which is acknowledged by the call after that: `#end` settles
   * then. When it is a stop, or one comes while that batch is in hand, the consumer may never come back: the producer and
   * the signal are let go, and those who wait for `done` too.
   */
  #watchEnd(stream: StreamHandle, source: EntrySource, stop: LinkedStop): void {
    this.#unlinkStop = () => stop.dispose();
    void stream.ended.then((record) => {
      source.close();
      const stopped = (): void => {
        this.#unlinkStop();
        this.#record ??= record;
        this.#settleDone();
      };
      if (stream.token.state !== StopState.Live) return stopped();
      const unlinks = [stream.token.onChange(stopped), stop.token?.onChange(stopped)];
      this.#unlinkStop = () => {
        for (const unlink of unlinks) unlink?.();
        stop.dispose();
      };
    });
  }

  async #end(reason: string): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    try {
      if (this.#running !== null) await this.#finish(this.#running, reason);
    } finally {
      this.#over = true;
      this.#settleDone();
    }
  }

  async #finish({ stream, source }: Running, reason: string): Promise<void> {
    source.close();
    try {
      const { state, reason: told = reason } = stream.token;
      this.#record = await stream.finish(state === StopState.Live ? reason : told);
    } finally {
      this.#unlinkStop();
    }
  }
}
