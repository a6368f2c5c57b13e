/**
 * One slot of a worker and the fetch job that runs in it, from its first attempt to its result: attempts, retries, and
 * the resumption of what is missing.
 *
 * Invariants:
 * 1. No attempt begins once the token has turned: a job that was not done by then is handed back.
 * 2. Bytes land in the job's own lease only, and a later attempt begins where the landed bytes end, with the version
 *    that they came from. Without a version to hold on to, it begins again at the first byte.
 * 3. It always ends in exactly one result.
 * 4. An attempt is made from a place of its origin's window. A job that has to wait for one gives up its slot, not its lane.
 *
 * A lane is used for one job after the other, and its fields are the job: one that goes well costs two views (of its
 * key, of its lease) and no promise. With an asynchronous function and a record for each step, a job of 4 KiB took 3 KB
 * more of garbage and 4 us more of CPU.
 */
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import type { VerifyPolicy } from '../../protocol/checksums/expected.js';
import type { WorkerContext } from '../../protocol/context.js';
import { copyBytes } from '../../protocol/copy.js';
import { asMillraceError, ErrorCode, type MillraceError } from '../../protocol/errors.js';
import type { Output, SlowSpec, StreamSpec } from '../../protocol/messages.js';
import { hasTurned, StopState } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest, type Store } from '../../protocol/store.js';
import { DoneStatus, Job, JobFlag, JOB_STRIDE, type PackedTable } from '../../protocol/tables.js';
import { refundSuccess, takeStep, type AttemptDeps, type NextAttempt } from './attempts.js';
import type { Pending } from './backlog.js';
import type { Latencies } from './latencies.js';
import type { Result } from './report.js';
import { newTicket } from './origins.js';
import { newRetryState, type RetryState } from './retry.js';
import { Revocable } from './revocable.js';
import { givenUp, type LocalToken } from './tokens.js';
import type { Waiter } from './waiting.js';

/** What a lane needs to know of the stream that its job belongs to. */
export interface LaneStream {
  readonly spec: Pick<StreamSpec, 'maxAttempts' | 'throttleTimeoutMs' | 'slow'>;
  readonly token: LocalToken;
  /** When it came to this worker. */
  readonly sinceMs?: number;
}

/** What a lane needs of its worker. */
export interface LaneDeps<S extends LaneStream> extends AttemptDeps {
  readonly context: Pick<WorkerContext, 'now' | 'random' | 'sleep' | 'words' | 'arena'>;
  readonly latencies: Latencies;
  /** Whether the worker was told to stop. */
  readonly stopping: boolean;
  /** The store with that id, or a promise of it while it is being opened; throws or rejects with a `MillraceError`. */
  store(id: number): Store | Promise<Store>;
  /** An attempt has begun that somebody wants to be told of when it is slow. */
  watch(): void;
  /** The lane's fields hold the result. Called once for each `begin`, perhaps before that returns. */
  ended(lane: Lane<S>): void;
}

const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array(0);
const NEVER_SLOW: SlowSpec = { percentile: 100, leastSamples: Infinity };
/** Jobs whose attempts tell how long they take. */
const TIMED = JobFlag.Watched | JobFlag.Hedge;

export class Lane<S extends LaneStream = LaneStream> implements Result, Waiter {
  /** The message that the job came with, and its stream; set by `begin`. */
  pending!: Pending;
  stream!: S;
  id = 0;
  store = 0;
  flags = 0;
  /** The lease: where in the arena, and how many bytes. */
  offset = 0;
  capacity = 0;
  /** The result. `landed` counts what is in the lease, of all attempts together. */
  status: DoneStatus = DoneStatus.Ok;
  landed = 0;
  size = -1;
  version: string | null = null;
  error: MillraceError | null = null;
  /** What a transform made of it, or null; set by the worker. */
  outputs: readonly Output[] | null = null;
  verified: ChecksumAlgorithm | null = null;
  /** Attempts beyond the first at what follows the read, its checksums and the write to a sink; counted by the worker. */
  askedAgain = 0;
  /** Whether its bytes are not there yet: from `begin` to the call of `ended`. */
  reading = false;
  watched = false;
  /** When the attempt under way began, where its time matters; -1 when none is. */
  attemptAtMs = -1;
  /** Answers to its requests that told it to slow down. */
  throttled = 0;
  /** What is wanted, and the attempt at it. */
  readonly #request: { -readonly [Field in keyof ReadRequest]: ReadRequest[Field] } = {
    key: NO_BYTES,
    start: 0,
    length: 0,
    whole: false,
    version: null,
    verify: 'never',
  };
  #start = 0;
  #length = 0;
  #attempts = 0;
  /** Whether no answer came to its end with all of the bytes: the last one began behind the first, or broke off. */
  #pieced = false;
  /** Whether the present attempt was answered. */
  #answers = false;
  #credentials = 0;
  /** Made by the first failure. */
  #retry: RetryState | null = null;
  #opened: Store | null = null;
  #stop: Revocable | null = null;
  readonly #ticket = newTicket();
  readonly #deps: LaneDeps<S>;
  /** Made once for all jobs, not once for each. */
  readonly #onAnswer = (answer: ReadAnswer): void => this.#answered(answer);
  readonly #onThrown = (thrown: unknown): void => this.#broke(thrown);

  /** `slot`: the one that its job has, or that it is away. */
  constructor(
    public slot: number,
    deps: LaneDeps<S>,
  ) {
    this.#deps = deps;
  }

  /** Runs a row of a job table, that was let in to its origin unless its bytes are there already. */
  begin(pending: Pending, table: PackedTable, row: number, stream: S): void {
    this.pending = pending;
    this.stream = stream;
    this.reading = true;
    if (this.#stop === null || this.#stop.token !== stream.token || this.#stop.revoked) {
      this.#stop?.token.leave(this.#stop);
      this.#stop = new Revocable(stream.token);
    }
    this.#read(table, row * JOB_STRIDE);
    this.#ticket.held = (this.flags & JobFlag.Landed) === 0;
    let store: Store | Promise<Store>;
    try {
      store = this.#deps.store(this.store);
    } catch (thrown) {
      return this.#broke(thrown);
    }
    if (!(store instanceof Promise)) return this.#run(store, table.cells, row * JOB_STRIDE);
    store.then((opened) => this.#run(opened, table.cells, row * JOB_STRIDE), this.#onThrown);
  }

  /** Somebody else has the bytes: the attempt is stopped, and the job ends as cancelled unless they are all here. */
  revoke(): void {
    this.#stop!.revoke();
  }

  get revoked(): boolean {
    return this.#stop!.revoked;
  }

  get attemptBytes(): number {
    return this.#request.length;
  }

  get slow(): SlowSpec {
    return this.stream.spec.slow ?? NEVER_SLOW;
  }

  get token(): Revocable {
    return this.#stop!;
  }

  /** A hedge waits for nothing: its job does. */
  get patienceMs(): number {
    return (this.flags & JobFlag.Hedge) !== 0 ? 0 : this.stream.spec.throttleTimeoutMs;
  }

  get streamSinceMs(): number | undefined {
    return this.stream.sinceMs;
  }

  /** Goes on after a wait for its origin. */
  resume(entered: boolean, error: MillraceError | null): void {
    this.#ticket.held = entered;
    if (error !== null) this.#end(DoneStatus.Failed, error);
    else if (this.#deps.stopping && this.token.state === StopState.Live) this.#giveBack(DoneStatus.Left);
    else this.#attempt();
  }

  get key(): Uint8Array {
    return this.#request.key;
  }

  /** Where in the object what landed begins. */
  get start(): number {
    return this.#start;
  }

  /** How far its checksum is looked at. */
  get policy(): VerifyPolicy {
    if ((this.flags & JobFlag.Verify) === 0) return 'never';
    return (this.flags & JobFlag.VerifyAlways) === 0 ? 'auto' : 'always';
  }

  /** Whether what landed is a whole object that no answer brought in one piece, so that its checksum is still to be looked at. */
  get unverified(): boolean {
    const { flags, policy } = this;
    if (policy === 'never' || this.verified !== null || this.status !== DoneStatus.Ok) return false;
    if ((flags & JobFlag.Landed) !== 0) return true;
    if ((flags & JobFlag.Whole) !== 0) return this.#pieced;
    // An answer to a range has no checksum of the object, even where it is all of it. Asking for it is a request of its own.
    return policy === 'always' && (flags & JobFlag.First) !== 0 && this.#start === 0 && this.complete;
  }

  get retries(): number {
    return Math.max(0, this.#attempts - 1) + this.askedAgain;
  }

  /** Whether what landed is all of the object, as far as its size is known: a first part may be less. */
  get complete(): boolean {
    return (this.flags & JobFlag.First) === 0 || this.#start + this.landed >= this.size;
  }

  /** Whether the last byte of the object has landed, of which more was asked for than there is: nothing is left to ask for. */
  get #isAtEnd(): boolean {
    return this.landed > 0 && this.size >= 0 && this.#start + this.landed >= this.size;
  }

  #read({ cells, blob }: PackedTable, base: number): void {
    const keyStart = cells[base + Job.BlobStart]!;
    const keyLength = cells[base + Job.KeyLength]!;
    const versionLength = cells[base + Job.VersionLength]!;
    const versionStart = keyStart + keyLength;
    this.id = cells[base + Job.Id]!;
    this.store = cells[base + Job.Store]!;
    this.flags = cells[base + Job.Flags]!;
    this.offset = cells[base + Job.Offset]!;
    this.capacity = cells[base + Job.Capacity]!;
    this.#start = cells[base + Job.Start]!;
    this.#length = cells[base + Job.Length]!;
    this.#request.key = new Uint8Array(blob.buffer, blob.byteOffset + keyStart, keyLength);
    this.version =
      versionLength === 0 ? null : decoder.decode(blob.subarray(versionStart, versionStart + versionLength));
    this.landed = 0;
    this.size = -1;
    this.error = null;
    this.outputs = null;
    this.verified = null;
    this.askedAgain = 0;
    this.throttled = 0;
    this.#attempts = 0;
    this.#retry = null;
    this.watched = (this.flags & JobFlag.Watched) !== 0;
  }

  #run(store: Store, cells: Float64Array, base: number): void {
    if (this.#deps.stopping) return this.#giveBack(DoneStatus.Left);
    if ((this.flags & JobFlag.Landed) !== 0) return this.#landedBefore();
    this.#copyPrefix(cells, base);
    this.#opened = store;
    this.#attempt();
  }

  #attempt(): void {
    const stop = this.token;
    if (stop.state !== StopState.Live) return this.#end(givenUp(stop));
    const { landed } = this;
    const request = this.#request;
    request.start = this.#start + landed;
    request.length = this.#length - landed;
    request.whole = landed === 0 && (this.flags & JobFlag.Whole) !== 0;
    request.version = this.version;
    request.verify = landed === 0 ? this.policy : 'never';
    this.#attempts += 1;
    this.#pieced = landed > 0;
    this.#answers = false;
    if ((this.flags & TIMED) !== 0) this.attemptAtMs = this.#deps.context.now();
    if (this.watched) this.#deps.watch();
    try {
      this.#credentials = this.#deps.credentials(this.store);
      this.#deps.origins.begun(this.store, this.#ticket, request.length);
      const target = new Uint8Array(this.#deps.context.arena, this.offset + landed, request.length);
      this.#opened!.read(request, target, stop, this.#onAnswer);
    } catch (thrown) {
      // Where it was answered before, what is thrown is the defect of somebody else.
      if (this.#answers) throw thrown;
      this.#broke(thrown);
    }
  }

  #answered(answer: ReadAnswer): void {
    this.#answers = true;
    let status: DoneStatus | null;
    try {
      // Before anybody else looks at it: a user's store may have given what is no answer at all.
      status = this.#judge(answer);
    } catch (thrown) {
      return this.#broke(thrown);
    }
    if (this.attemptAtMs >= 0) this.#note(answer.outcome);
    this.#deps.origins.ended(this.store, this.#ticket, answer);
    if (status === null) void this.#again(answer);
    else this.#end(status, status === DoneStatus.Ok ? null : answer.error);
  }

  /** Notes the time of the attempt; one that was revoked would have taken longer still. */
  #note(outcome: Outcome): void {
    const { context, latencies } = this.#deps;
    if (outcome === Outcome.Complete || this.revoked)
      latencies.note(this.store, this.#request.length, context.now() - this.attemptAtMs);
    this.attemptAtMs = -1;
  }

  /** Notes what the attempt brought; how the job ended, or null when it has not. */
  #judge(answer: ReadAnswer): DoneStatus | null {
    const { outcome, size } = answer;
    if (size >= 0) this.size = size;
    if (outcome === Outcome.Complete) {
      this.landed += answer.landed;
      this.version = answer.version ?? this.version;
      this.verified = answer.verified ?? null;
      refundSuccess(this.#deps.context.words, this.#retry);
      return DoneStatus.Ok;
    }
    if (outcome === Outcome.Cancelled && hasTurned(this.token)) return givenUp(this.token);
    if (outcome === Outcome.VersionChanged) return DoneStatus.VersionChanged;
    if (outcome === Outcome.SizeChanged || outcome === Outcome.Interrupted) {
      this.version = answer.version ?? this.version;
    }
    if (outcome === Outcome.SizeChanged) return DoneStatus.SizeChanged;
    if (outcome === Outcome.Throttled) this.throttled += 1;
    if (outcome === Outcome.Interrupted) {
      this.landed = this.version === null ? 0 : this.landed + answer.landed;
      if (this.landed >= this.#length || this.#isAtEnd) {
        this.#pieced = true;
        return DoneStatus.Ok;
      }
    }
    return null;
  }

  /** Waits as the retry core says, and tries again unless there is to be no further attempt. */
  async #again(answer: ReadAnswer): Promise<void> {
    const deps = this.#deps;
    const { store, patienceMs } = this;
    let next: NextAttempt;
    try {
      const isHedge = (this.flags & JobFlag.Hedge) !== 0;
      this.#retry ??= newRetryState(isHedge ? 1 : this.stream.spec.maxAttempts, patienceMs);
      const failed = { store, attempt: answer, ticket: this.#ticket, credentials: this.#credentials };
      next = await takeStep(this.#retry, failed, this.token, deps);
    } catch (thrown) {
      return this.#broke(thrown);
    }
    if (typeof next !== 'number') this.#end(DoneStatus.Failed, next);
    else if (next === 0 && deps.origins.enter(store, patienceMs > 0)) this.resume(true, null);
    else deps.wait(this, next);
  }

  /** Something threw that never does: a defect, or a user's store. */
  #broke(thrown: unknown): void {
    this.attemptAtMs = -1;
    this.landed = 0;
    this.size = -1;
    this.version = null;
    this.#end(DoneStatus.Failed, asMillraceError(thrown, ErrorCode.Internal, { phase: 'request' }));
  }

  /** A job whose bytes came by other jobs. */
  #landedBefore(): void {
    const { token } = this.stream;
    if (token.state !== StopState.Live) return this.#giveBack(givenUp(token));
    this.landed = this.#length;
    this.#end(DoneStatus.Ok);
  }

  #giveBack(status: DoneStatus): void {
    this.version = null;
    this.#end(status);
  }

  #end(status: DoneStatus, error: MillraceError | null = null): void {
    this.status = status;
    this.error = error;
    this.reading = false;
    this.#opened = null;
    this.#deps.origins.leave(this.store, this.#ticket);
    this.#deps.ended(this);
  }

  /** Puts what landed before the object's size was known where it belongs. */
  #copyPrefix(cells: Float64Array, base: number): void {
    const length = cells[base + Job.CopyLength]!;
    if (length === 0) return;
    const { arena } = this.#deps.context;
    const from = new Uint8Array(arena, cells[base + Job.CopyOffset], length);
    copyBytes(from, new Uint8Array(arena, this.offset - length, length));
  }
}
