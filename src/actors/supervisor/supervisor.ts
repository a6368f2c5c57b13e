/**
 * The supervisor actor, on the service's own thread: admits, grants, dispatches, reassigns, and hands results to their
 * streams. It touches messages and tables, never bodies.
 *
 * Invariants:
 * 1. `#pump` is where work is given out, and every event leads to it, by `#poke`: it never runs inside itself.
 * 2. The words of a token are written before anybody is told that it turned.
 */
import type { Arena } from '../../protocol/arena.js';
import type { SupervisorContext, WorkerExit } from '../../protocol/context.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { ControlReply, DoneMessage, ResultMessage, StoreSpec } from '../../protocol/messages.js';
import { StopState } from '../../protocol/stop.js';
import { generationOf, isClosed } from '../../protocol/origin-words.js';
import { DoneStatus } from '../../protocol/tables.js';
import type { CancellationToken } from '../../protocol/token.js';
import { TokenSlots, writeToken } from '../../protocol/words.js';
import { answerIn, Asks } from './asks.js';
import { crashLoopError, exhaustedError } from './blame.js';
import { Crew, type Worker } from './crew.js';
import { crewLimits, unload } from './load.js';
import { Dispatcher } from './dispatch.js';
import { Fills } from './fills.js';
import { Gate, type GateStats } from './gate.js';
import { Grants } from './grants.js';
import { HedgeBudget } from './hedge.js';
import { Hedges, type HedgeStats } from './hedges.js';
import { endJob, type FetchJobRecord, type ResultDeps } from './jobs.js';
import { IntMap } from './int-map.js';
import { afterRunning } from './late.js';
import { Losses } from './losses.js';
import { Plans } from './plans.js';
import { Relief } from './relief.js';
import { ResultRows } from './results.js';
import { Stream } from './stream.js';
import { follow, onFirstStop } from './follow.js';
import { rotate } from './turns.js';
import {
  type PlanEntry,
  type PlanSource,
  type RuntimeRecord,
  type StoreDirectory,
  type StreamHandle,
  type StreamOptions,
  type SupervisorHandle,
  type SupervisorOptions,
} from './types.js';

/** Deaths in a row, without a single result in between, after which the runtime gives up. */
const MAX_DEATHS_IN_A_ROW = 12;

export class Supervisor implements SupervisorHandle {
  readonly stores: StoreDirectory;
  readonly arena: Arena;
  readonly token: CancellationToken;
  readonly #context: SupervisorContext;
  readonly #options: SupervisorOptions;
  readonly #slots: TokenSlots;
  readonly #crew: Crew;
  readonly #grants: Grants;
  readonly #relief: Relief;
  readonly #dispatcher: Dispatcher;
  readonly #hedges: Hedges;
  readonly #gate: Gate;
  readonly #losses: Losses;
  readonly #asks = new Asks();
  readonly #streams = new Set<Stream>();
  readonly #jobs = new IntMap<FetchJobRecord>();
  readonly #results: ResultDeps;
  #rotation: Stream[] = [];
  #nextStream = 1;
  #pumpSoon = false;
  #crewEnds = false;
  #stopWatch: (() => void) | null = null;
  #closed: Promise<RuntimeRecord> | null = null;
  #onQuiet: (() => void) | null = null;

  constructor(
    context: SupervisorContext,
    arena: Arena,
    words: Int32Array,
    stores: StoreDirectory,
    options: SupervisorOptions,
  ) {
    this.#context = context;
    this.#options = options;
    this.stores = stores;
    this.arena = arena;
    this.token = options.token;
    this.#slots = new TokenSlots(words);
    const uri = (entry: PlanEntry): string => stores.uri(entry.store, entry.key);
    const plans = new Plans(stores);
    this.#results = { arena, uri };
    this.#grants = new Grants({ arena, workers: options.workers, ranges: plans.ranges, uri });
    this.#relief = new Relief({
      arena,
      grants: this.#grants,
      timeoutMs: options.budgetTimeoutMs,
      after: (ms, fn) => context.after(ms, fn),
      poke: () => this.#poke(),
    });
    const events = {
      started: (worker: Worker): void => this.#started(worker),
      exited: (worker: Worker, exit: WorkerExit): void => this.#exited(worker, exit),
      waiting: (): void => this.#poke(),
    };
    this.#crew = new Crew(options.workers, context, crewLimits(options.concurrency), events, (store) =>
      isClosed(generationOf(words, store)),
    );
    this.#gate = new Gate({
      context,
      limits: options.admission ?? null,
      inFlight: () => this.#crew.inFlight,
      busy: () => this.#streams.size > 0,
      poke: () => this.#poke(),
    });
    const parts = { arena, context, crew: this.#crew, gate: this.#gate, asks: this.#asks, jobs: this.#jobs };
    this.#dispatcher = new Dispatcher({
      ...parts,
      fills: new Fills({ arena, uri, again: () => this.#poke() }),
      stores,
      ranges: plans.ranges,
      hedgePlan: plans.hedge,
    });
    this.#hedges = new Hedges({
      ...parts,
      budget: new HedgeBudget(),
      send: (job, worker, extent) => this.#dispatcher.sendHedge(job, worker, extent),
      hasSpare: () =>
        this.#grants.turn === null && this.#rotation.every(({ blockedBytes }) => blockedBytes === 0),
      apply: (job, row) => endJob(job, row, this.#results),
    });
    this.#losses = new Losses({
      ...parts,
      hedges: this.#hedges,
      results: this.#results,
      concurrency: options.concurrency,
      closeTimeoutMs: options.closeTimeoutMs,
      fenced: () => this.#gone(),
    });
  }

  start(): void {
    this.#crew.start();
    const stuck = (worker: Worker): void => this.#losses.fence(worker);
    this.#stopWatch = this.#crew.watch(this.#options.stuckAfterMs, stuck);
  }

  get workers(): number {
    return this.#options.workers;
  }

  openStream(options: StreamOptions, source: PlanSource, caller: CancellationToken | null): StreamHandle {
    return this.#openStream(options, source, this.token, caller);
  }

  openCleanup(options: StreamOptions, source: PlanSource, token: CancellationToken): StreamHandle {
    // Nobody is left to work for one that comes when the streams are over.
    return this.#openStream(options, source, this.#crewEnds ? this.token : token, null);
  }

  #openStream(
    options: StreamOptions,
    source: PlanSource,
    parent: CancellationToken,
    caller: CancellationToken | null,
  ): StreamHandle {
    const token = parent.child();
    const slot = this.#slots.acquire();
    if (slot === null) {
      throw new MillraceError(
        ErrorCode.Throttled,
        'too many loaders and direct calls at the same time: await some before beginning more',
      );
    }
    const unlinkCaller = caller?.onChange(() => follow(token, caller)) ?? null;
    // Looked at behind the link: a deadline that passed in between is told to nobody.
    if (caller !== null) follow(token, caller);
    let opened: Stream | null = null;
    let unlinkAbove: (() => void) | null = null;
    const unlinkWords = token.onChange((state) => {
      // A stream whose token turns while it is made is over before anybody knows of it.
      if (opened !== null) this.#turned(opened, state);
    });
    const stopError = (): MillraceError => (caller?.cancelled === true ? caller.error() : token.error());
    const stream: Stream = new Stream(options, source, {
      id: this.#nextStream++,
      ...slot,
      arena: this.arena,
      token,
      stopError,
      onGivenUp: (fn) => {
        unlinkAbove = onFirstStop(caller === null ? [parent] : [parent, caller], fn);
      },
      now: () => this.#context.now(),
      uri: (entry) => this.stores.uri(entry.store, entry.key),
      verifiable: ({ store }) => this.stores.defaults(store).checksums === true,
      poke: () => this.#poke(),
      list: (from, request) => this.#answered(this.#asks.list(from, request)),
      head: (from, store, key) => this.#answered(this.#asks.head(from, store, key)),
      write: (from, store, request) => this.#answered(this.#asks.write(from, store, request)),
      closed: (over) => {
        unlinkCaller?.();
        unlinkWords();
        unlinkAbove?.();
        this.#forget(over);
      },
    });
    opened = stream;
    if (!stream.over) this.#streams.add(stream);
    this.#rotation = [...this.#streams];
    this.#gate.opened();
    this.#poke();
    return stream;
  }

  /** A store has a fresher snapshot: every worker that uses it gets it. */
  storeRefreshed(spec: StoreSpec): void {
    for (const worker of this.#crew.alive()) {
      if (worker.knownStores.has(spec.id))
        worker.link.control.post({ kind: 'store', id: spec.id, snapshot: spec.snapshot });
    }
  }

  get links(): Iterable<Worker> {
    return this.#crew.alive();
  }

  get stats(): { deaths: number; streams: number } & HedgeStats & GateStats {
    const own = { deaths: this.#losses.deaths, streams: this.#streams.size };
    return { ...own, ...this.#hedges.stats(), ...this.#gate.stats() };
  }

  /** Drains, then cancels at the deadline; resolves when every worker has ended or was fenced. Memoised. */
  close(reason = 'close', deadlineMs?: number): Promise<RuntimeRecord> {
    this.token.drain(reason, deadlineMs === undefined ? {} : { deadlineMs });
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<RuntimeRecord> {
    // Streams that clean up behind others may have been opened meanwhile.
    while (this.#streams.size > 0) await Promise.all([...this.#streams].map((stream) => stream.ended));
    this.#crewEnds = true;
    this.#crew.closing();
    for (const worker of this.#crew.alive()) worker.link.control.post({ kind: 'stop' });
    const { closeTimeoutMs } = this.#options;
    const cancelTimer = afterRunning(this.#context, closeTimeoutMs, () => this.#losses.fenceAll());
    // Wait ends: with the last exit, or when the timer has fenced those that do not end.
    if (!this.#crew.allGone) {
      // Wait ends: as above.
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
    }
    cancelTimer();
    this.#stopWatch?.();
    this.#gate.stop();
    this.token.cancel('closed');
    return {
      reason: this.token.reason ?? 'close',
      stuckWorkers: [...this.#crew.fenced].map(({ link }) => link.name),
      unreleasedBytes: this.arena.stats().usedBytes - this.arena.stats().quarantinedBytes,
      deaths: this.#losses.deaths,
    };
  }

  // ---- giving out work

  /** Pumps once what is running now has returned: many results and releases of one turn are one pump. */
  #poke(): void {
    if (this.#pumpSoon) return;
    this.#pumpSoon = true;
    this.#context.soon(() => {
      this.#pumpSoon = false;
      this.#gate.timed(() => this.#pump());
    });
  }

  #pump(): void {
    if (this.#crew.exhausted) this.#failAll(exhaustedError(this.#crew.fenced.size));
    this.#dispatcher.beginTurn();
    this.#gate.beginTurn();
    do {
      this.#dispatcher.sendAsks();
      while (this.#round());
    } while (this.#relief.relieve(this.#streams, this.#jobs.size + this.#hedges.size === 0));
    if (this.#grants.turn === null) this.#hedges.serve();
    else this.#hedges.giveWay();
  }

  /** One message for each stream that has work and a worker; true when anything was done. */
  #round(): boolean {
    let progress = false;
    for (const stream of this.#turns()) {
      if (!stream.open) continue;
      stream.pull(stream.options.windowObjects);
      // Memory is not granted either to what may not go: others need it, and their time comes sooner.
      if (this.#gate.limits && !this.#gate.admits()) continue;
      if (stream.granted.length === 0) {
        if (!this.#crew.hasRoom || !this.#grants.grantNext(stream)) continue;
        progress = true;
      }
      if (this.#dispatcher.send(stream)) progress = true;
      else if (this.#crew.hasRoom && this.#grants.grantNext(stream)) progress = true;
    }
    return progress;
  }

  /** The streams in the order of this round. */
  #turns(): readonly Stream[] {
    if (this.#gate.limits) return this.#gate.turns(this.#streams);
    return rotate(this.#rotation);
  }

  #answered<T>(answer: Promise<T>): Promise<T> {
    this.#poke();
    return answer;
  }

  // ---- what workers say

  #started(worker: Worker): void {
    worker.link.results.listen((message) => this.#gate.timed(() => this.#received(worker, message)));
    worker.link.control.onMessage((message) => this.#replied(worker, message));
    this.#poke();
  }

  #replied(worker: Worker, message: ControlReply): void {
    if (message.kind === 'ready') worker.ready = true;
    if (message.kind === 'slow') {
      this.#hedges.slow(worker, message.jobs);
      this.#poke();
    }
    if (message.kind !== 'stale-store') return;
    const { id, version } = message;
    this.#context.refreshStore(id, version).then(
      (spec) => this.storeRefreshed(spec),
      (error: MillraceError) => worker.link.control.post({ kind: 'store-failed', id, error: error.toWire() }),
    );
  }

  #received(worker: Worker, message: ResultMessage): void {
    if (message.kind === 'done') this.#rows(worker, message);
    else {
      const ask = this.#asks.take(message.jobId, worker);
      if (ask === null) return;
      unload(worker, ask.body.store, 0);
      const answer = answerIn(message);
      const error = message.error === null ? null : MillraceError.fromWire(message.error);
      ask.settle(message.status === DoneStatus.Ok ? answer : null, error);
      ask.stream.jobEnded();
    }
    this.#crew.succeeded();
    this.#poke();
  }

  #rows(worker: Worker, message: DoneMessage): void {
    const rows = new ResultRows(message, this.arena);
    for (let id = rows.next(); id >= 0; id = rows.next()) {
      const job = this.#jobs.get(id);
      if (job === undefined) this.#hedges.back(id, worker, rows);
      if (job === undefined || job.worker !== worker) continue;
      this.#jobs.delete(id);
      unload(worker, job.task.entry.store, job.weight);
      rows.unpack(job);
      this.#gate.ended(job, rows);
      if (job.hedge !== null) this.#hedges.pay(job.hedge, rows);
      if (this.#hedges.size === 0 || !this.#hedges.jobBack(job, rows)) endJob(job, rows, this.#results);
    }
    this.#gate.reported();
  }

  // ---- tokens

  #turned(stream: Stream, state: StopState): void {
    writeToken(this.#slots.words, stream.slot, stream.epoch, state);
    this.#crew.turned(stream, state);
    this.#asks.turned(stream);
    if (state === StopState.Cancelled) this.#losses.cancelled(stream);
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream);
    // A stream may come to its end while a question of it still waits; no worker will know the stream any more.
    this.#asks.turned(stream);
    this.#losses.forget(stream);
    this.#rotation = [...this.#streams];
    this.#grants.forget(stream);
    this.#relief.forget(stream);
    this.#slots.release(stream.slot);
    this.#crew.forget(stream);
    this.#poke();
  }

  // ---- deaths

  #exited(worker: Worker, exit: WorkerExit): void {
    for (const message of worker.link.results.takePending()) this.#received(worker, message);
    this.#losses.exited(worker, exit);
    if (this.#crew.deathsInARow >= MAX_DEATHS_IN_A_ROW)
      this.#failAll(crashLoopError(this.#crew.deathsInARow, exit.cause));
    this.#gone();
  }

  /** One worker less. */
  #gone(): void {
    if (this.#crew.allGone) this.#onQuiet?.();
    this.#poke();
  }

  #failAll(error: MillraceError): void {
    for (const stream of this.#streams) stream.fail(error);
  }
}
