/**
 * The workers: one incarnation after another in each place, how much each has to do, and whether it still turns.
 *
 * Invariants:
 * 1. A place has at most one incarnation that gets jobs. One that is fenced never gets another job, and what it still
 *    reports is ignored.
 * 2. An incarnation that died is started again, at once the first time and with a growing pause after that; a success
 *    resets the pause.
 * 3. Of incarnations that were given up and have not ended there are so many at the most; after that places stay empty.
 * 4. What waits in a worker for an origin that is closed keeps nobody else's work from it: a worker is ahead of itself by so
 *    much that can go on, and by as much again of each store.
 */
import { OwnWord, type SupervisorContext, type WorkerExit, type WorkerLink } from '../../protocol/context.js';
import { LATE_MS } from './late.js';
import { isFull, NOTHING, type CrewLimits, type WorkerLoad } from './load.js';
import { StopState } from '../../protocol/stop.js';

/** Threads that were given up and have not ended, for each place: each keeps its stack, its heap and what it may still write to. */
const MAX_FENCED_PER_PLACE = 4;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5000;
const WATCH_MS = 500;

export interface Worker extends WorkerLoad {
  readonly index: number;
  readonly incarnation: number;
  readonly link: WorkerLink;
  /** Its load by store; a hole for a store that it never had anything of. */
  readonly byStore: WorkerLoad[];
  readonly knownStreams: Set<number>;
  readonly knownStores: Set<number>;
  /** Runs one suspect alone, so that a death has one explanation. */
  exclusive: boolean;
  ready: boolean;
  gone: boolean;
  beat: number;
  beatAt: number;
}

/** What workers know a stream by. */
interface KnownStream {
  readonly id: number;
  readonly slot: number;
  readonly epoch: number;
}

export interface CrewEvents {
  started(worker: Worker): void;
  exited(worker: Worker, exit: WorkerExit): void;
  /** Something waits for a closed origin, perhaps only since a moment ago: others may have room for more. */
  waiting(): void;
}

/** What runs alone, so that a death has one explanation. */
export interface Suspect {
  readonly task: object;
  /** Whether it is still to be sent. */
  isWanted(): boolean;
}

/** A worker that gets nothing more before it has nothing to do, and whom that is for. */
interface Kept {
  readonly worker: Worker;
  readonly suspect: Suspect;
}

export class Crew {
  readonly #context: SupervisorContext;
  readonly #events: CrewEvents;
  readonly #limits: CrewLimits;
  readonly #isClosed: (store: number) => boolean;
  readonly #places: (Worker | null)[];
  readonly #incarnations: number[];
  readonly #fenced = new Set<Worker>();
  readonly #timers = new Map<number, () => void>();
  /** Places that stay empty until a thread that was given up has ended. */
  readonly #vacant = new Set<number>();
  #kept: Kept | null = null;
  #deathsInARow = 0;
  #closing = false;

  /** `isClosed`: whether what there is for that store waits until its origin serves again. */
  constructor(
    size: number,
    context: SupervisorContext,
    limits: CrewLimits,
    events: CrewEvents,
    isClosed: (store: number) => boolean,
  ) {
    this.#isClosed = isClosed;
    this.#context = context;
    this.#events = events;
    this.#limits = limits;
    this.#places = Array.from({ length: size }, () => null);
    this.#incarnations = Array.from({ length: size }, () => 0);
  }

  start(): void {
    for (let index = 0; index < this.#places.length; index += 1) this.#spawn(index);
  }

  get size(): number {
    return this.#places.length;
  }

  /** Deaths since the last result of any worker. */
  get deathsInARow(): number {
    return this.#deathsInARow;
  }

  *alive(): Iterable<Worker> {
    for (const worker of this.#places) if (worker !== null) yield worker;
  }

  get fenced(): ReadonlySet<Worker> {
    return this.#fenced;
  }

  /** The worker with the least to do that may take more, `but` one, or null. */
  pick(but: Worker | null = null): Worker | null {
    return this.#least(this.#hasEnough, but);
  }

  /**
   * A worker that has nothing to do at all, or null. Where others keep all of them busy, one is given nothing more until it
   * is done, for as long as the suspect is there to be sent.
   */
  pickAlone(suspect: Suspect): Worker | null {
    const kept = this.#kept;
    if (kept?.suspect.task === suspect.task) this.#kept = null;
    const idle = this.#least(isBusy, null);
    if (idle !== null) return idle;
    if (kept !== null && this.#isKept(kept)) this.#kept = kept;
    else {
      const worker = this.#least((each) => !this.#goesOn(each), null);
      this.#kept = worker === null ? null : { worker, suspect };
    }
    return null;
  }

  /** The worker with the least to do, however much that is, for what goes before all the rest. */
  pickBeyond(): Worker | null {
    return this.#least(() => false, null);
  }

  /** The same for a second attempt at what a worker has: another one, or itself when it is alone. */
  pickBeside(worker: Worker): Worker | null {
    return this.pick(this.#places.length > 1 ? worker : null);
  }

  /** Whether a worker that was picked may take more of that store: what waits there has its bounds too. */
  takes({ byStore }: Worker, store: number): boolean {
    return !isFull(byStore[store] ?? NOTHING, this.#limits);
  }

  /** Whether anybody can take more. */
  get hasRoom(): boolean {
    return this.pick() !== null;
  }

  /** The weight of what workers have been sent, have not reported, and can go on with; above 0 while that is anything. */
  get inFlight(): number {
    let weight = 0;
    for (const worker of this.alive()) {
      const { rows, outstanding } = this.#active(worker);
      weight += outstanding + rows;
    }
    return weight;
  }

  /** A worker has reported something. */
  succeeded(): void {
    this.#deathsInARow = 0;
  }

  /** Counts from now how long workers have not turned. */
  forgive(): void {
    for (const worker of this.alive()) worker.beatAt = this.#context.now();
  }

  /** Workers whose event loop has not turned for `stuckAfterMs`. */
  stuck(stuckAfterMs: number): Worker[] {
    const now = this.#context.now();
    const stuck: Worker[] = [];
    for (const worker of this.alive()) {
      const beat = Atomics.load(worker.link.ownWords, OwnWord.Heartbeat);
      if (beat !== worker.beat) {
        worker.beat = beat;
        worker.beatAt = now;
      } else if (now - worker.beatAt >= stuckAfterMs) stuck.push(worker);
    }
    return stuck;
  }

  /** Tells of each worker with jobs that has stopped turning. Returns the function that ends the watch. */
  watch(stuckAfterMs: number, tell: (worker: Worker) => void): () => void {
    let due = 0;
    let cancel = (): void => {};
    const again = (): void => {
      due = this.#context.now() + WATCH_MS;
      cancel = this.#context.after(WATCH_MS, look);
    };
    const look = (): void => {
      // After a stop of the whole process, or a long turn of the service, every heartbeat looks old.
      if (this.#context.now() - due > LATE_MS) this.forgive();
      for (const worker of this.stuck(stuckAfterMs)) if (worker.rows > 0) tell(worker);
      // An origin closes without a message to this thread.
      if (this.#places.some((worker) => worker !== null && !this.#goesOn(worker))) this.#events.waiting();
      again();
    };
    again();
    return () => cancel();
  }

  /**
   * Gives the worker's place to a new incarnation, if not too many were given up before; the old one is watched until its
   * thread really ends, and told to end should it ever turn again.
   */
  fence(worker: Worker): void {
    this.#fenced.add(worker);
    this.#places[worker.index] = null;
    worker.link.jobs.close();
    worker.link.control.post({ kind: 'stop' });
    if (this.#closing) return;
    if (this.#fenced.size <= MAX_FENCED_PER_PLACE * this.size) this.#spawn(worker.index);
    else this.#vacant.add(worker.index);
  }

  /** Whether all places are empty, and stay so until a thread that was given up has ended. */
  get exhausted(): boolean {
    return this.#vacant.size === this.size;
  }

  /** The token of a stream has turned: those that know the stream are told. */
  turned({ id, slot, epoch }: KnownStream, state: StopState): void {
    for (const worker of this.alive()) {
      if (worker.knownStreams.has(id)) worker.link.control.post({ kind: 'token', slot, epoch, state });
    }
  }

  /** A stream is over. */
  forget({ id, slot, epoch }: KnownStream): void {
    for (const worker of this.alive()) {
      if (worker.knownStreams.delete(id)) worker.link.control.post({ kind: 'close-stream', stream: id });
    }
    // One that was given up and turns all the same would wait for answers that nobody wants any more, and never end.
    const state = StopState.Cancelled;
    for (const worker of this.#fenced) {
      if (worker.knownStreams.delete(id)) worker.link.control.post({ kind: 'token', slot, epoch, state });
    }
  }

  /** No incarnation is started any more. */
  closing(): void {
    this.#closing = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** Whether every thread that can end has ended. */
  get allGone(): boolean {
    return this.#places.every((worker) => worker === null);
  }

  #least(hasEnough: (worker: Worker) => boolean, but: Worker | null): Worker | null {
    const kept = this.#kept;
    let best: Worker | null = null;
    for (const worker of this.#places) {
      if (worker === null || worker === but || worker.exclusive || worker.link.jobs.credits === 0) continue;
      if (hasEnough(worker) || (worker === kept?.worker && this.#isKept(kept))) continue;
      if (best === null || worker.outstanding < best.outstanding) best = worker;
    }
    return best;
  }

  #isKept({ worker, suspect }: Kept): boolean {
    return this.#places[worker.index] === worker && this.#goesOn(worker) && suspect.isWanted();
  }

  /** Whether it will have nothing to do before long: none of what it has waits for an origin that is closed. */
  #goesOn(worker: Worker): boolean {
    return this.#active(worker).rows === worker.rows;
  }

  readonly #hasEnough = (worker: Worker): boolean =>
    isFull(worker, this.#limits) && isFull(this.#active(worker), this.#limits);

  /** The load of a worker without what waits for a closed origin. */
  #active(worker: Worker): WorkerLoad {
    let { rows, outstanding } = worker;
    for (const [store, own] of worker.byStore.entries()) {
      if (own === undefined || own.rows === 0 || !this.#isClosed(store)) continue;
      rows -= own.rows;
      outstanding -= own.outstanding;
    }
    return { rows, outstanding };
  }

  #spawn(index: number): void {
    const incarnation = this.#incarnations[index]!;
    this.#incarnations[index] = incarnation + 1;
    const link = this.#context.spawn(index, incarnation);
    const worker: Worker = {
      index,
      incarnation,
      link,
      outstanding: 0,
      rows: 0,
      byStore: [],
      knownStreams: new Set(),
      knownStores: new Set(),
      exclusive: false,
      ready: false,
      gone: false,
      beat: 0,
      beatAt: this.#context.now(),
    };
    this.#places[index] = worker;
    link.onExit((exit) => this.#exited(worker, exit));
    this.#events.started(worker);
  }

  #exited(worker: Worker, exit: WorkerExit): void {
    if (worker.gone) return;
    worker.gone = true;
    const current = this.#places[worker.index] === worker;
    if (current) this.#places[worker.index] = null;
    if (!exit.clean && current) this.#deathsInARow += 1;
    this.#fenced.delete(worker);
    this.#events.exited(worker, exit);
    if (this.#closing) return;
    if (current) return this.#restart(worker.index);
    const [vacant] = this.#vacant;
    if (vacant === undefined) return;
    this.#vacant.delete(vacant);
    this.#spawn(vacant);
  }

  #restart(index: number): void {
    const again = this.#deathsInARow - 1;
    if (again <= 0) {
      this.#spawn(index);
      return;
    }
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(again - 1, 10));
    const restart = (): void => {
      this.#timers.delete(index);
      if (!this.#closing) this.#spawn(index);
    };
    // A worker keeps the process alive, and so does the wait for the one in its place: a program that does nothing but
    // wait for a load would else end, without a word, when all its workers are dead.
    const cancel = this.#context.after(pauseMs, restart, true);
    this.#timers.set(index, cancel);
  }
}

function isBusy({ rows }: Worker): boolean {
  return rows > 0;
}
