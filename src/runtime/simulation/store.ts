/**
 * A store of the simulation: one worker's way to a simulated service.
 *
 * Invariants:
 * 1. The pieces of a body land at steps of their own, and the thread is told at a later one: a stop, a crash or a hang
 *    can come between any two.
 * 2. When a read has resolved, nothing is written into its target any more. A read that never resolves, because its
 *    thread is dead, may write until the exit of the thread is seen.
 */
import { unsupportedWrite } from '../../protocol/writes.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { createKeyPageBuilder } from '../../protocol/key-page.js';
import { StopState, type StopSignal } from '../../protocol/stop.js';
import {
  Outcome,
  type Answer,
  type KeyPage,
  type ListRequest,
  type ObjectInfo,
  type ReadAnswer,
  type ReadRequest,
  type Store,
  type StoreSnapshot,
} from '../../protocol/store.js';
import type { SimFault, SimObject, SimOrigin, SimRead } from './origin.js';
import { between } from '../../protocol/seeded.js';
import type { SimWorld } from './worker.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `snapshot` is the first one, as in `StoreSpec`. */
export function createSimStore(world: SimWorld, origin: SimOrigin, snapshot: StoreSnapshot): Store {
  let snapshotVersion = snapshot.version;
  let closed = false;
  origin.open += 1;
  return {
    read: (request, target, stop, done) => {
      if (closed) throw new MillraceError(ErrorCode.Internal, 'a read of a closed simulated store');
      // A copy, because the caller's is used again, and a dead thread's devices go on.
      const own = { ...request };
      new Reading(world, origin, { request: own, target, stop, snapshotVersion, done }).begin();
    },
    head: (key, stop) => ask(world, origin, `head ${decoder.decode(key)}`, stop, () => infoOf(origin, key)),
    list: (request, stop) => ask(world, origin, 'list', stop, () => pageOf(origin, request)),
    write: (request) => Promise.resolve(unsupportedWrite(`the simulated store cannot do "${request.kind}"`)),
    update: (newer) => {
      snapshotVersion = newer.version;
    },
    close: () => {
      if (!closed) origin.open -= 1;
      closed = true;
    },
  };
}

interface Attempt {
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
}

class Reading {
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
      offset: target.byteOffset,
      stop,
      landed: 0,
      outcome: null,
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
    const plan = planOf(this.#origin, this.#key, this.#attempt);
    if ('outcome' in plan) return this.#complete(plan);
    this.#land(plan);
  }

  #land(plan: Plan): void {
    if (this.#stopping) return this.#complete(CANCELLED);
    const { landed } = this.#record;
    const left = plan.bytes - landed;
    if (left <= 0) {
      if (plan.answer !== null) this.#complete(plan.answer);
      return;
    }
    const least = Math.ceil(plan.bytes / this.#origin.maxPieces);
    const piece = Math.min(
      left,
      between(() => this.#world.random(), least, plan.bytes),
    );
    this.#later('lands', () => {
      const { request, target } = this.#attempt;
      const place = target.subarray(landed, landed + piece);
      plan.object.fill(request.start + landed, place);
      this.#record.landed += piece;
      this.#origin.onLanding({
        worker: this.#world.name,
        key: this.#key,
        offset: place.byteOffset,
        length: piece,
      });
      this.#land(plan);
    });
  }

  #stop(): void {
    if (this.#origin.slowCancel && !this.#idle) this.#stopping = true;
    else this.#end(CANCELLED);
  }

  #later(label: string, fn: () => void): void {
    const [least, most] = this.#origin.latencyMs;
    const delayMs = between(() => this.#world.random(), least, most);
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
  if (fault?.kind === 'silence') return { object, bytes: Math.min(bytes, fault.afterBytes), answer: null };
  if (fault?.kind !== 'reset') return { object, bytes, answer: { ...answer, ...told } };
  const landed = Math.min(bytes, fault.afterBytes);
  return {
    object,
    bytes: landed,
    answer: { ...refused(Outcome.Interrupted, key, ErrorCode.ConnectionFailed), ...told, landed },
  };
}

function answerOfFault(fault: SimFault, key: string): ReadAnswer | null {
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
    case 'reset':
    case 'silence':
    case 'replace':
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

/** One answer without bytes. */
function ask<T>(
  world: SimWorld,
  origin: SimOrigin,
  label: string,
  stop: StopSignal,
  make: () => T,
): Promise<Answer<T>> {
  const none = { value: null, error: null, retryAfterMs: 0 };
  return new Promise((resolve) => {
    let over = false;
    let unlink: (() => void) | null = null;
    const end = (answer: Answer<T>): void => {
      if (over) return;
      over = true;
      cancel();
      unlink?.();
      resolve(answer);
    };
    const [least, most] = origin.latencyMs;
    const delayMs = between(() => world.random(), least, most);
    const cancel = world.device(`${label} asks`, delayMs, () =>
      world.complete(label, () => {
        try {
          end({ ...none, outcome: Outcome.Complete, value: make() });
        } catch (thrown) {
          if (!(thrown instanceof MillraceError)) throw thrown;
          end({ ...none, outcome: Outcome.Refused, error: thrown });
        }
      }),
    );
    unlink = stop.onStop(() => end({ ...none, outcome: Outcome.Cancelled }));
    if (over) unlink();
  });
}

function infoOf(origin: SimOrigin, key: Uint8Array): ObjectInfo {
  const name = decoder.decode(key);
  const object = origin.objects.get(name);
  if (object !== undefined)
    return { size: object.size, version: object.version, lastModifiedMs: null, contentType: null };
  throw new MillraceError(ErrorCode.NotFound, `sim://${name} does not exist`, { uri: `sim://${name}` });
}

/** Keys in the order of their text; `next` is the last key or rolled-up prefix of the page. */
function pageOf(origin: SimOrigin, request: ListRequest): KeyPage {
  const prefix = decoder.decode(request.prefix);
  const { delimiter, continuation, limit } = request;
  const page = createKeyPageBuilder();
  const prefixes: string[] = [];
  let latest = continuation ?? '';
  for (const key of [...origin.objects.keys()].sort()) {
    const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    const entry = end < 0 || delimiter === null ? key : key.slice(0, end + delimiter.length);
    if (!key.startsWith(prefix) || entry <= latest) continue;
    if (page.count + prefixes.length === limit) return page.finish(prefixes, latest);
    latest = entry;
    if (end >= 0) {
      prefixes.push(entry);
      continue;
    }
    const { size, version } = origin.objects.get(key)!;
    page.add(encoder.encode(key), size, version, null);
  }
  return page.finish(prefixes, null);
}
