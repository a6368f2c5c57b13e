/**
 * Carries out what the core of hedging decides: sends second attempts, copies what they landed, and has the slower ones stopped.
 *
 * Invariants:
 * 1. A hedge writes into an extent of its own, which is given back when its own row came and nobody needs its bytes any
 *    more, or when the exit of its worker was seen; that of a stuck worker is quarantined.
 * 2. It waits for nothing: without a token, a credit, spare memory or where a cap of the runtime is reached the job goes on alone, and is looked at again in the
 *    next turn. While a stream is short of memory no hedge begins, and those under way are stopped.
 * 3. A stream has jobs out for as long as it has hedges out.
 */
import type { Arena, Extent } from '../../protocol/arena.js';
import { copyBytes } from '../../protocol/copy.js';
import { DoneStatus } from '../../protocol/tables.js';
import { StopState } from '../../protocol/stop.js';
import type { Crew, Worker } from './crew.js';
import { unload } from './load.js';
import {
  hedgeBack,
  isWanted,
  jobBack,
  jobLost,
  RaceState,
  type HedgeBudget,
  type RaceStep,
} from './hedge.js';
import type { Gate } from './gate.js';
import type { IntMap } from './int-map.js';
import type { FetchJobRecord, RowResult } from './jobs.js';
import type { Stream } from './stream.js';
import type { HedgePlan } from './types.js';

export interface HedgesDeps {
  readonly arena: Arena;
  readonly crew: Crew;
  readonly jobs: IntMap<FetchJobRecord>;
  readonly budget: HedgeBudget;
  /** Sends a second attempt at a job to a worker that has a credit, into that extent. */
  readonly send: (job: FetchJobRecord, worker: Worker, extent: Extent) => FetchJobRecord;
  readonly gate: Pick<Gate, 'limits' | 'admits' | 'ended'>;
  /** Whether nobody is short of memory. */
  readonly hasSpare: () => boolean;
  /** Applies a result to a job that is off its worker. */
  readonly apply: (job: FetchJobRecord, row: RowResult) => void;
}

/** Of a runtime, so far. */
export interface HedgeStats {
  /** Slow reads that were asked for a second time, and those where the second answer was taken. */
  readonly hedged: number;
  readonly hedgesWon: number;
}

interface Race {
  readonly job: FetchJobRecord;
  readonly hedge: FetchJobRecord;
  readonly extent: Extent;
  state: RaceState;
  /** Whether the hedge is not back. */
  out: boolean;
  /** Whether it was told to stop, though nothing is decided. */
  gaveWay: boolean;
  /** What the job failed with, or what the hedge landed. */
  row: RowResult | null;
}

export class Hedges {
  readonly #deps: HedgesDeps;
  /** Slow jobs, the one that was slow first in front. */
  #slow: FetchJobRecord[] = [];
  readonly #races = new Set<Race>();
  #sent = 0;
  #won = 0;

  constructor(deps: HedgesDeps) {
    this.#deps = deps;
  }

  stats(): HedgeStats {
    return { hedged: this.#sent, hedgesWon: this.#won };
  }

  /** Races that are not over: in each something is out, or will be looked at when it is back. */
  get size(): number {
    return this.#races.size;
  }

  /** The row of a job that may be hedged: one that was given back, maybe before anything was asked for, pays for nothing. */
  pay(plan: HedgePlan, { status }: RowResult): void {
    if (status === DoneStatus.Ok) this.#deps.budget.earn(plan);
  }

  /** A worker tells of jobs that take long. */
  slow(worker: Worker, ids: readonly number[]): void {
    for (const id of ids) {
      const job = this.#deps.jobs.get(id);
      if (job !== undefined && job.worker === worker) this.#slow.push(job);
    }
  }

  /** Hedges what is slow, as far as that is affordable now. */
  serve(): void {
    if (this.#slow.length === 0) return;
    const { jobs, budget, hasSpare, gate } = this.#deps;
    this.#slow = this.#slow.filter(
      (job) => jobs.get(job.id) === job && job.stream.open && isWanted(job.task),
    );
    if (!hasSpare()) return;
    while (this.#slow.length > 0 && budget.affords) {
      if (gate.limits && !gate.admits()) return;
      if (!this.#hedge(this.#slow[0]!)) return;
      this.#slow.shift();
    }
  }

  /** Stops the hedges under way, because somebody is short of the memory that they have. One that has landed by then counts. */
  giveWay(): void {
    for (const race of this.#races) {
      const { state, gaveWay } = race;
      if (gaveWay || state !== RaceState.Racing) continue;
      race.gaveWay = true;
      this.#take(race, { state, job: null, revoke: 'hedge' });
    }
  }

  /** A job is back and off its worker. True when its result is not to be applied, or was. */
  jobBack(job: FetchJobRecord, row: RowResult): boolean {
    const race = this.#of((each) => each.job === job && each.state <= RaceState.HedgeWon);
    if (race === null) return false;
    const next = jobBack(race.state, backOf(job.stream, row));
    if (next.job === 'keep') race.row = copyOf(row);
    if (next.job === 'hedge') this.#place(race, row);
    this.#take(race, next);
    return next.job !== 'own';
  }

  /** A row that is no job's: a hedge's, or one that came too late. */
  back(id: number, worker: Worker, row: RowResult): void {
    const race = this.#of(({ hedge, out }) => out && hedge.id === id && hedge.worker === worker);
    if (race === null) return;
    this.#deps.gate.ended(race.hedge, row);
    this.#ended(race, backOf(race.job.stream, row), row);
  }

  /** The worker is lost with those jobs, whose tasks begin again: `stuck` says that it may still write. */
  lost(worker: Worker, jobs: readonly FetchJobRecord[], stuck: boolean): Extent[] {
    const extents: Extent[] = [];
    for (const race of this.#races) {
      if (jobs.includes(race.job)) this.#take(race, jobLost(race.state));
      if (!race.out || race.hedge.worker !== worker) continue;
      if (stuck) {
        this.#deps.arena.hold(race.extent);
        extents.push(race.extent);
      }
      this.#ended(race, { landed: false, failed: true, stopped: false }, null);
    }
    return extents;
  }

  /** Hedges that are with the worker, of one stream or of any. */
  with(worker: Worker, stream?: Stream): number {
    let count = 0;
    for (const { hedge, out } of this.#races) {
      if (out && hedge.worker === worker && (stream === undefined || hedge.stream === stream)) count += 1;
    }
    return count;
  }

  #hedge(job: FetchJobRecord): boolean {
    const { arena, crew, budget, send } = this.#deps;
    const worker = crew.pickBeside(job.worker);
    if (worker === null) return false;
    const extent = arena.allocate(job.part.length);
    if (extent === null) return false;
    budget.spend();
    const hedge = send(job, worker, extent);
    const begun = { state: RaceState.Racing, out: true, gaveWay: false, row: null };
    this.#races.add({ job, hedge, extent, ...begun });
    this.#sent += 1;
    job.stream.ledger.hedged += 1;
    return true;
  }

  /** The hedge is off its worker. */
  #ended(race: Race, back: ReturnType<typeof backOf>, row: RowResult | null): void {
    const { hedge } = race;
    race.out = false;
    unload(hedge.worker, hedge.task.entry.store, hedge.weight);
    const next = hedgeBack(race.state, back);
    const failure = race.row;
    // What else there was in its message is none of its own.
    if (back.landed && row !== null) race.row = { ...copyOf(row), error: null, outputs: null };
    if (next.job === 'hedge') this.#place(race, failure!);
    if (next.job === 'own') this.#deps.apply(race.job, failure!);
    this.#take(race, next);
    hedge.stream.jobEnded();
  }

  /** Nobody writes to the job's place any more: the hedge's bytes go there, and its result is the job's. */
  #place({ job, extent, row }: Race, own: RowResult): void {
    const { arena, apply } = this.#deps;
    const { landed } = row!;
    const source = new Uint8Array(arena.buffer, extent.offset, landed);
    copyBytes(source, new Uint8Array(arena.buffer, job.task.offset + job.part.from, landed));
    this.#won += 1;
    job.stream.ledger.hedgesWon += 1;
    const retries = row!.retries + own.retries;
    apply(job, { ...row!, retries, throttled: row!.throttled + own.throttled });
  }

  #take(race: Race, { state, revoke }: RaceStep): void {
    race.state = state;
    const loser = revoke === null ? null : race[revoke];
    loser?.worker.link.control.post({ kind: 'revoke', job: loser.id });
    if (state !== RaceState.Over) return;
    this.#races.delete(race);
    this.#deps.arena.release(race.extent);
  }

  #of(matches: (race: Race) => boolean): Race | null {
    for (const race of this.#races) if (matches(race)) return race;
    return null;
  }
}

function backOf({ token }: Stream, { status, error }: RowResult): Parameters<typeof jobBack>[1] {
  // What fails in the transform had all its bytes: other ones would only make it run once more.
  const landed = status === DoneStatus.Ok || error?.phase === 'transform';
  return {
    landed,
    failed: status === DoneStatus.Failed && !landed,
    stopped: token.state === StopState.Cancelled,
  };
}

/** Rows are read from their message one after the other: what is to stay is copied. */
function copyOf(row: RowResult): RowResult {
  const { status, landed, size, version, retries, throttled, error, outputs, verified } = row;
  return { status, landed, size, version, retries, throttled, error, outputs, verified };
}
