/**
 * The worker actor: takes jobs from its port, runs a bounded number of them at the same time, reports many results in
 * one message, and ends when it is told to stop.
 *
 * Invariants:
 * 1. At most `concurrency` jobs run; the others wait in the backlog, or for their origin after they have begun, and are
 *    handed back in the turn in which their token turns.
 * 2. Control messages act at once, whatever the data ports hold.
 * 3. After `stop` the inbox refuses before it is emptied, every row that was in flight is reported, and `stopped` is
 *    the last message.
 */
import {
  OwnWord,
  type TransformFunction,
  type TurnSignal,
  type WorkerContext,
} from '../../protocol/context.js';
import { asMillraceError, ErrorCode, MillraceError } from '../../protocol/errors.js';
import {
  isSink,
  type ControlMessage,
  type JobMessage,
  type SinkSpec,
  type StreamSpec,
  type WorkerStats,
} from '../../protocol/messages.js';
import { NEVER, StopState } from '../../protocol/stop.js';
import type { Store } from '../../protocol/store.js';
import { DoneStatus, Job, JobFlag, JOB_STRIDE } from '../../protocol/tables.js';
import { answerTo, attemptAt, bytesOf, type QuestionMessage } from './answers.js';
import { ask } from './asking.js';
import type { Pending, Withdrawn } from './backlog.js';
import { Lane, type LaneDeps } from './lane.js';
import { Latencies } from './latencies.js';
import type { Origins } from './origins.js';
import { NOTHING_DONE, Reporter } from './report.js';
import { Revocations } from './revocations.js';
import { Schedule, type ScheduleDeps } from './schedule.js';
import { SlowWatch } from './slow.js';
import { Stores } from './stores.js';
import { givenUp, LocalToken } from './tokens.js';
import { optionsOf, toOutputs, transformFailed } from './transform.js';
import { verifyLanded } from './verify.js';
import type { Waiter } from './waiting.js';
import { attemptWrite, sinkRequest } from './writes.js';

/** How long finished rows wait for the rest of their message, so that one slow object does not hold up its neighbours. */
const FLUSH_AFTER_MS = 5;
/** So many finished rows are worth a message of their own. */
const FULL_ROWS = 48;

interface Stream {
  readonly spec: StreamSpec;
  readonly token: LocalToken;
  /** When it came. */
  readonly sinceMs: number;
  readonly transform: Promise<TransformFunction> | null;
  readonly sink: SinkSpec | null;
}

/** Runs one incarnation until it is told to stop. Resolves when all is reported; rejects only on a defect. */
export async function runWorker(context: WorkerContext): Promise<void> {
  await new Worker(context).run();
}

class Worker implements LaneDeps<Stream>, ScheduleDeps {
  readonly #context: WorkerContext;
  readonly #reporter: Reporter;
  readonly #schedule: Schedule;
  readonly #stores: Stores;
  /** Of all jobs that run or wait for their origin, and those without one: as many as there ever were at the same time. */
  readonly #lanes: Lane<Stream>[] = [];
  readonly #idle: Lane<Stream>[] = [];
  readonly latencies = new Latencies();
  readonly #slow: SlowWatch;
  readonly #revocations: Revocations;
  readonly #streams = new Map<number, Stream>();
  #flushTimer = false;
  #stopping = false;
  #retries = 0;
  #bytes = 0;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#reporter = new Reporter(context.results);
    this.#stores = new Stores(context);
    this.#schedule = new Schedule(this);
    this.#slow = new SlowWatch(context, this.latencies, this.#lanes);
    this.#revocations = new Revocations(this.#schedule, this.#lanes);
  }

  async run(): Promise<void> {
    const { context } = this;
    context.control.onMessage((message) => this.#obey(message));
    context.answer({ stats: () => this.#stats() });
    context.control.post({ kind: 'ready' });
    for (;;) {
      // Wait ends: with a message, or when `stop` has closed the port and the last message was taken.
      const message = await context.jobs.receive(NEVER);
      if (message !== null) this.#accept(message);
      else if (this.#stopping) break;
    }
    await this.#schedule.slots.idle();
    this.#slow.stop();
    await this.#reporter.flush();
    this.#stores.close();
    this.#schedule.close();
    const { delivered, left } = this.#reporter;
    context.control.post({ kind: 'stopped', delivered, left, error: null });
  }

  // ---- what lanes need

  get context(): WorkerContext {
    return this.#context;
  }

  get origins(): Origins {
    return this.#schedule.origins;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  store(id: number): Store | Promise<Store> {
    return this.#stores.get(id);
  }

  credentials(store: number): number {
    return this.#stores.version(store);
  }

  refresh(store: number, refused: number, token: TurnSignal): Promise<MillraceError | null> {
    return this.#stores.refresh(store, refused, token);
  }

  watch(): void {
    this.#slow.began();
  }

  wait(waiter: Waiter, dueAtMs: number): void {
    this.#schedule.wait(waiter, dueAtMs);
  }

  ended(lane: Lane<Stream>): void {
    this.#retries += lane.retries;
    this.#bytes += lane.landed;
    // A first part that is not the whole object is transformed when all of it is there.
    if (lane.unverified) void this.#verify(lane);
    else this.#step(lane);
  }

  // ----

  /** What is to be done with the bytes of a lane that has ended. */
  #step(lane: Lane<Stream>): void {
    const wanted = (lane.flags & JobFlag.Transform) !== 0 && lane.complete;
    const { transform, sink } = lane.stream;
    if (lane.status !== DoneStatus.Ok || !wanted) this.#report(lane);
    else if (sink !== null) void this.#write(lane, sink);
    else if (transform !== null) void this.#transform(lane, transform);
    else this.#report(lane);
  }

  #obey(message: ControlMessage): void {
    switch (message.kind) {
      case 'token':
        for (const { token } of this.#streams.values()) {
          if (token.slot === message.slot && token.epoch === message.epoch) token.turned();
        }
        return this.#handBack();
      case 'store':
        return this.#stores.update(message.id, message.snapshot);
      case 'store-failed':
        return this.#stores.fail(message.id, MillraceError.fromWire(message.error));
      case 'close-stream':
        this.#streams.delete(message.stream);
        return;
      case 'revoke':
        return this.#revocations.revoke(message.job);
      case 'stop':
        this.#stopping = true;
        this.context.jobs.close();
        return this.#handBack();
    }
  }

  #accept(message: JobMessage): void {
    for (const store of message.stores) {
      this.#stores.add(store);
      this.#schedule.origins.add(store);
    }
    if (message.open !== null) this.#open(message.open);
    const { spec, sinceMs } = this.#streamOf(message);
    this.#schedule.push(message, spec.throttleTimeoutMs, sinceMs);
    this.#revocations.came(message);
    // There is no order between two ports: its token may have turned before it came.
    this.#handBack();
    this.#schedule.run();
  }

  // ---- what the schedule needs

  begin(pending: Pending, row: number, slot: number): void {
    const { message } = pending;
    const stream = this.#streamOf(message);
    if (message.kind !== 'fetch') return void this.#answer(message, stream, slot);
    const lane = this.#idle.pop() ?? this.#addLane(slot);
    lane.slot = slot;
    lane.begin(pending, message.table, row, stream);
  }

  #addLane(slot: number): Lane<Stream> {
    const lane = new Lane<Stream>(slot, this);
    this.#lanes.push(lane);
    return lane;
  }

  returned({ message, rows }: Withdrawn, status: DoneStatus, error: MillraceError | null): void {
    if (message.kind === 'fetch') {
      const { cells } = message.table;
      for (const row of rows) {
        const id = cells[row * JOB_STRIDE + Job.Id]!;
        this.#reporter.add({ ...NOTHING_DONE, id, status, error });
      }
      void this.#reporter.flush();
      return;
    }
    this.#schedule.slots.join(this.#reporter.send(answerTo(message, { status, value: null, error })));
  }

  // ----

  /** The last step of every fetch job. */
  #report(lane: Lane<Stream>): void {
    const { pending, slot } = lane;
    this.#reporter.add(lane);
    pending.open -= 1;
    // While there is more to do nobody waits for single rows; a message wakes the service's thread, which costs as much
    // as ten of them.
    const last = pending.open === 0 && this.#schedule.rows === 0;
    if (last || lane.revoked || this.#reporter.waiting >= FULL_ROWS) void this.#reporter.flush();
    else this.#flushSoon();
    this.#idle.push(lane);
    this.#schedule.slots.release(slot);
  }

  #streamOf({ stream: id }: JobMessage): Stream {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    throw new MillraceError(ErrorCode.Internal, `no stream ${id} in ${this.context.name}`);
  }

  /** Reports what has not begun and will not, because its token has turned or the worker ends. */
  #handBack(): void {
    for (const [id, { token }] of this.#streams) {
      const stopping = this.#stopping && token.state === StopState.Live;
      if (!stopping && token.state === StopState.Live) continue;
      const status = stopping ? DoneStatus.Left : givenUp(token);
      this.#schedule.handBack(id, status);
    }
    this.#schedule.turned();
  }

  async #transform(lane: Lane<Stream>, transform: Promise<TransformFunction>): Promise<void> {
    const { context } = this;
    const { stream, slot } = lane;
    // Who explains this thread's death has to know whose transform was running.
    Atomics.store(context.ownWords, OwnWord.Transforming + slot, lane.id & 0x7fff_ffff);
    const signal = new AbortController();
    const unlink = stream.token.onStop(() => signal.abort());
    try {
      const apply = await transform;
      // Nobody wants what it would make, and one that waits for the event of its signal would wait for ever.
      if (stream.token.state === StopState.Cancelled) lane.status = DoneStatus.Cancelled;
      else {
        const { landed, offset, capacity, version } = lane;
        const lease = { bytes: new Uint8Array(context.arena, offset, capacity), landed };
        const key = decoder.decode(lane.key);
        const returned = await apply(lease.bytes.subarray(0, landed), {
          uri: this.#stores.uri(lane.store, key),
          key,
          size: landed,
          version,
          options: optionsOf(stream.spec),
          signal: signal.signal,
        });
        lane.outputs = toOutputs(returned, lease);
      }
    } catch (thrown) {
      lane.status = DoneStatus.Failed;
      lane.error = thrown instanceof MillraceError ? thrown : transformFailed(thrown);
    }
    unlink();
    Atomics.store(context.ownWords, OwnWord.Transforming + slot, 0);
    this.#report(lane);
  }

  async #verify(lane: Lane<Stream>): Promise<void> {
    const { store, key, version, policy, offset, landed, stream } = lane;
    const bytes = new Uint8Array(this.context.arena, offset, landed);
    const uri = this.#stores.uri(store, decoder.decode(key));
    const { verdict, ...asked } = await verifyLanded(
      { store, key, version, policy, bytes, uri },
      { ...limitsOf(stream), seat: lane },
      this,
    );
    lane.status = verdict.status;
    lane.error = verdict.error;
    lane.verified = verdict.verified;
    this.#askedAgain(lane, asked);
    this.#step(lane);
  }

  /** Writes what landed to the stream's sink; the output is a receipt. Never rejects. */
  async #write(lane: Lane<Stream>, sink: SinkSpec): Promise<void> {
    const { stream, offset, landed } = lane;
    const body = new Uint8Array(this.context.arena, offset, landed);
    const request = sinkRequest(sink, lane.key, lane.start, body);
    const { status, value, error, ...asked } = await ask(
      {
        store: sink.store,
        ...limitsOf(stream),
        seat: lane,
        entered: false,
        again: (lane.flags & JobFlag.Again) !== 0,
        bytes: landed,
        attempt: (store, earlier) => attemptWrite(store, request, stream.token, earlier),
      },
      this,
    );
    lane.status = status;
    lane.error = error;
    this.#askedAgain(lane, asked);
    if (value !== null)
      lane.outputs = [{ kind: 'value', value: { version: value.version, part: value.part } }];
    this.#report(lane);
  }

  #askedAgain(lane: Lane<Stream>, { retries, throttled }: { retries: number; throttled: number }): void {
    this.#retries += retries;
    lane.askedAgain += retries;
    lane.throttled += throttled;
  }

  async #answer(message: QuestionMessage, stream: Stream, slot: number): Promise<void> {
    const seat = { slot };
    const ended = await ask(
      {
        store: message.store,
        ...limitsOf(stream),
        seat,
        entered: true,
        again: message.kind === 'write' && message.again,
        bytes: bytesOf(message),
        attempt: (store, earlier) => attemptAt(message, store, stream.token, earlier),
      },
      this,
    );
    this.#retries += ended.retries;
    try {
      await this.#reporter.send(answerTo(message, ended));
    } catch (thrown) {
      // A user's store may give what cannot be sent; the answer is about it then, and the thread goes on.
      const error = asMillraceError(thrown, ErrorCode.Internal, { phase: message.kind });
      await this.#reporter.send(
        answerTo(message, { ...ended, status: DoneStatus.Failed, value: null, error }),
      );
    } finally {
      this.#schedule.slots.release(seat.slot);
    }
  }

  #open(spec: StreamSpec): void {
    const sink = isSink(spec.transform) ? spec.transform : null;
    const transform =
      spec.transform === null || isSink(spec.transform) ? null : this.context.loadTransform(spec.transform);
    // Whoever applies it meets the rejection; without a listener a failed import would end the thread.
    transform?.catch(() => {});
    const token = new LocalToken(this.context.words, spec.tokenSlot, spec.tokenEpoch);
    const sinceMs = this.context.now();
    this.#streams.set(spec.id, { spec, token, sinceMs, transform, sink });
  }

  #flushSoon(): void {
    if (this.#flushTimer) return;
    this.#flushTimer = true;
    void this.context.sleep(FLUSH_AFTER_MS, NO_TURN).then(() => {
      this.#flushTimer = false;
      return this.#reporter.flush();
    });
  }

  #stats(): WorkerStats {
    return {
      busy: this.#schedule.slots.busy,
      queued: this.#schedule.rows,
      delivered: this.#reporter.delivered,
      retries: this.#retries,
      bytes: this.#bytes,
      doneFull: this.context.results.fullCount,
      origins: this.#schedule.origins.stats(),
      ...this.context.transportStats(),
    };
  }
}

const decoder = new TextDecoder();

/** How far a stream's questions and writes go before they fail. */
function limitsOf({ spec, token, sinceMs }: Stream) {
  return { token, maxAttempts: spec.maxAttempts, patienceMs: spec.throttleTimeoutMs, streamSinceMs: sinceMs };
}

// Wait ends: with the few milliseconds of the sleep that it is given to.
const NO_TURN: TurnSignal = { ...NEVER, onTurn: () => () => {} };
