/**
 * One read of the simulation: what the service does about it, and how its bytes land.
 *
 * Invariants:
 * 1. The pieces of a body land at steps of their own, and the thread is told at a later one: a stop, a crash or a hang
 *    can come between any two.
 * 2. When a read has resolved, nothing is written into its target any more. A read that never resolves, because its
 *    thread is dead, may write until the exit of the thread is seen.
 * 3. A service that tells checksums looks at that of a whole object that comes by one answer, as the transport does.
 */
import { hasDigest } from '../../protocol/checksums/digest.js';
import { fromBase64 } from '../../protocol/checksums/values.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { StopState, type StopSignal } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import { CHECKSUM, checksumOf } from './objects.js';
import type { SimFaultKind, SimObject, SimOrigin, SimRead } from './origin.js';
import type { SimWorld } from './worker.js';

const decoder = new TextDecoder();

export interface Attempt {
  readonly request: ReadRequest;
  readonly target: Uint8Array;
  readonly stop: StopSignal;
  readonly snapshotVersion: number;
  done(answer: ReadAnswer): void;
}

/** How a read that has been admitted goes on: bytes first, then this answer, or none. */
interface Plan {
  readonly object: SimObject;
  readonly bytes: number;
  readonly answer: ReadAnswer | null;
  /** Index of a byte that arrives wrong, or -1. */
  readonly corruptAt: number;
  /** Silence before the answer. */
  readonly silenceMs: number;
  /** Time between two single bytes; 0 for a body that comes in pieces of any length. */
  readonly dripMs: number;
}

export class Reading {
  readonly #world: SimWorld;
  readonly #origin: SimOrigin;
  readonly #attempt: Attempt;
  readonly #key: string;
  readonly #record: SimRead;
  #cancelDevice: () => void = () => {};
  #unlink: () => void = () => {};
  #stopping = false;
  /** Nothing of this read is under way in the device: it waits for a service that is silent. */
  #idle = false;

  constructor(world: SimWorld, origin: SimOrigin, attempt: Attempt) {
    this.#world = world;
    this.#origin = origin;
    this.#attempt = attempt;
    const { request, target, stop } = attempt;
    this.#key = decoder.decode(request.key);
    this.#record = {
      worker: world.name,
      key: this.#key,
      start: request.start,
      length: request.length,
      version: request.version,
      beganAtMs: world.now(),
      stateAtStart: stop.state,
      offset: target.byteOffset,
      stop,
      landed: 0,
      outcome: null,
      endedAtMs: 0,
      retryAfterMs: 0,
      corrupted: false,
    };
  }

  begin(): void {
    this.#origin.reads.push(this.#record);
    if (this.#attempt.stop.state === StopState.Cancelled) return this.#end(CANCELLED);
    this.#later('asks', () => this.#arrive());
    this.#unlink = this.#attempt.stop.onStop(() => this.#stop());
    if (this.#record.outcome !== null) this.#unlink();
  }

  /** The request has reached the service. */
  #arrive(): void {
    const storm = this.#origin.stormAt(this.#world.now());
    if (storm !== null) {
      const answer = refused(Outcome.Throttled, this.#key, ErrorCode.Throttled);
      return this.#complete({ ...answer, retryAfterMs: storm.retryAfterMs ?? 0 });
    }
    const plan = planOf(this.#origin, this.#key, this.#attempt);
    if ('outcome' in plan) return this.#complete(plan);
    this.#land(plan);
  }

  #land(plan: Plan): void {
    if (this.#stopping) return this.#complete(CANCELLED);
    const { landed } = this.#record;
    const left = plan.bytes - landed;
    if (left <= 0) {
      const { answer } = plan;
      if (answer === null) return;
      if (plan.silenceMs === 0) return this.#complete(this.#looked(plan, answer));
      return this.#later('is silent', () => this.#complete(this.#looked(plan, answer)), plan.silenceMs);
    }
    const piece = Math.min(left, plan.dripMs > 0 ? 1 : this.#pieceOf(plan.bytes));
    this.#later('lands', () => this.#landPiece(plan, piece), plan.dripMs);
  }

  /** The boring body comes in one piece. */
  #pieceOf(bytes: number): number {
    const least = Math.ceil(bytes / this.#origin.maxPieces);
    return bytes - this.#world.between(0, bytes - least, 'what a piece leaves out');
  }

  #landPiece(plan: Plan, piece: number): void {
    const { landed } = this.#record;
    const { request, target } = this.#attempt;
    const place = target.subarray(landed, landed + piece);
    plan.object.fill(request.start + landed, place);
    const wrong = plan.corruptAt - landed;
    if (wrong >= 0 && wrong < piece) {
      place[wrong]! ^= 0xff;
      this.#record.corrupted = true;
    }
    this.#record.landed += piece;
    this.#origin.onLanding({
      read: this.#record,
      worker: this.#world.name,
      key: this.#key,
      offset: place.byteOffset,
      length: piece,
    });
    this.#land(plan);
  }

  /** The answer, once the checksum of a whole object was looked at. */
  #looked({ object, bytes }: Plan, answer: ReadAnswer): ReadAnswer {
    const { request, target } = this.#attempt;
    const looks = this.#origin.checksums && request.whole && request.verify !== 'never';
    if (!looks || answer.outcome !== Outcome.Complete) return answer;
    const digest = fromBase64(CHECKSUM, checksumOf(object))!;
    if (hasDigest(CHECKSUM, target.subarray(0, bytes), digest)) return { ...answer, verified: CHECKSUM };
    return refused(Outcome.Transient, this.#key, ErrorCode.ChecksumMismatch);
  }

  #stop(): void {
    if (this.#origin.slowCancel && !this.#idle) this.#stopping = true;
    else this.#end(CANCELLED);
  }

  #later(label: string, fn: () => void, exactMs = 0): void {
    const [least, most] = this.#origin.latencyMs;
    const delayMs = exactMs > 0 ? exactMs : this.#world.between(least, most, label);
    this.#idle = false;
    this.#cancelDevice = this.#world.device(`${this.#key} ${label}`, delayMs, () => {
      this.#idle = true;
      fn();
    });
  }

  #complete(answer: ReadAnswer): void {
    this.#idle = false;
    this.#world.complete(`${this.#key} ${answer.outcome}`, () => this.#end(answer));
  }

  #end(answer: ReadAnswer): void {
    if (this.#record.outcome !== null) return;
    this.#record.outcome = answer.outcome;
    this.#record.endedAtMs = this.#world.now();
    this.#record.retryAfterMs = answer.retryAfterMs;
    this.#cancelDevice();
    this.#unlink();
    this.#attempt.done(answer);
  }
}

const CANCELLED: ReadAnswer = {
  outcome: Outcome.Cancelled,
  landed: 0,
  size: -1,
  version: null,
  error: null,
  retryAfterMs: 0,
};

/** What the service does about a read: an answer without bytes, or a plan. */
function planOf(origin: SimOrigin, key: string, attempt: Attempt): ReadAnswer | Plan {
  const { request, target } = attempt;
  const fault = origin.takeFault(key, request);
  if (fault?.kind === 'replace') origin.objects.set(key, fault.object);
  if (attempt.snapshotVersion < origin.leastSnapshot) return refused(Outcome.StaleCredentials, key);
  const object = origin.objects.get(key);
  const spoiled = fault === null ? null : answerOfFault(fault, key);
  if (spoiled !== null) return spoiled;
  if (object === undefined) return refused(Outcome.Refused, key, ErrorCode.NotFound);
  const { start, length, whole, version } = request;
  if (length > target.length || (whole && start !== 0)) {
    return refused(Outcome.Refused, key, ErrorCode.InvalidArgument);
  }
  if (version !== null && version !== object.version) return refused(Outcome.VersionChanged, key);
  if (whole && length !== object.size)
    return { ...refused(Outcome.SizeChanged, key), size: object.size, version: object.version };
  if (start > 0 && start >= object.size) return refused(Outcome.Refused, key, ErrorCode.RangeRejected);
  const bytes = Math.min(length, object.size - start);
  const answer = { ...CANCELLED, outcome: Outcome.Complete, landed: bytes };
  const told = { size: object.size, version: object.version };
  const corruptAt = fault?.kind === 'corrupt' ? fault.atByte % Math.max(1, bytes) : -1;
  const plan = { object, bytes, answer: { ...answer, ...told }, corruptAt, silenceMs: 0, dripMs: 0 };
  const cut = (at: number, code: ErrorCode): Plan => {
    const landed = Math.min(bytes, at);
    return {
      ...plan,
      bytes: landed,
      answer: { ...refused(Outcome.Interrupted, key, code), ...told, landed },
    };
  };
  switch (fault?.kind) {
    case 'silence':
      return { ...plan, bytes: Math.min(bytes, fault.afterBytes), answer: null };
    case 'reset':
      return cut(fault.afterBytes, fault.code ?? ErrorCode.ConnectionFailed);
    case 'stall':
      return { ...cut(fault.afterBytes, ErrorCode.TimedOut), silenceMs: fault.forMs };
    case 'slow':
      return { ...plan, silenceMs: fault.forMs };
    case 'drip':
      return { ...cut(fault.bytes, ErrorCode.TimedOut), dripMs: fault.everyMs };
    default:
      return plan;
  }
}

function answerOfFault(fault: SimFaultKind, key: string): ReadAnswer | null {
  switch (fault.kind) {
    case 'stale-connection':
      return refused(Outcome.StaleConnection, key, ErrorCode.ConnectionFailed);
    case 'throttle':
      return {
        ...refused(Outcome.Throttled, key, ErrorCode.Throttled),
        retryAfterMs: fault.retryAfterMs,
      };
    case 'stale-credentials':
      return refused(Outcome.StaleCredentials, key);
    case 'clock-skew':
      return refused(Outcome.ClockSkew, key, ErrorCode.Unauthenticated);
    case 'refuse':
      return { ...CANCELLED, outcome: Outcome.Refused, error: fault.error };
    case 'wrong-range':
      return refused(Outcome.Refused, key, ErrorCode.RangeRejected);
    case 'reset':
    case 'stall':
    case 'slow':
    case 'drip':
    case 'silence':
    case 'replace':
    case 'corrupt':
      return null;
  }
}

const CODES: Partial<Record<Outcome, ErrorCode>> = {
  [Outcome.StaleCredentials]: ErrorCode.Unauthenticated,
  [Outcome.SizeChanged]: ErrorCode.VersionChanged,
  [Outcome.VersionChanged]: ErrorCode.VersionChanged,
};

function refused(outcome: Outcome, key: string, code = CODES[outcome] ?? ErrorCode.Internal): ReadAnswer {
  const error = new MillraceError(code, `sim://${key}: the simulated service answers ${outcome}`, {
    uri: `sim://${key}`,
    phase: 'head',
  });
  return { ...CANCELLED, outcome, error };
}
