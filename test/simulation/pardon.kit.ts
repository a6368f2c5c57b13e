/**
 * Which errors the faults of a run account for, and whose stop accounts for an end.
 *
 * What it keeps true for every test that uses it: an error is pardoned for the fault that makes it and for no other, and, where
 * a worker tries again, only when that fault struck as often as it takes.
 */
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import { Outcome } from '../../dist/protocol/store.js';
import type { CancellationToken } from '../../dist/protocol/token.js';
import type { Draw } from './scenario.kit.js';
import type { World } from './world.kit.js';

export interface Circumstances {
  /** Whether consumers, or threads that are gone, may hold memory for longer than others wait for it. */
  readonly memoryIsHeld: boolean;
  /** Whether this one was stopped. */
  readonly stopped: boolean;
  /** Attempts that each request has. */
  readonly maxAttempts: number;
}

/** What takes a thread away, or keeps one from turning; a slow start or a late message does not. */
export const LOSSES: readonly string[] = [
  'worker.crash',
  'worker.heap',
  'worker.poison',
  'worker.stall',
  'worker.zombie',
  'port.close',
  'clock.leap',
];

/** How often an object is fetched again whose bytes are all there, and wrong. */
const MOST_MISMATCHES = 2;

/** Stops that this one hears of: of its own token, or of the runtime. */
export function wasStopped(world: World, token: CancellationToken | null): boolean {
  return world.stops.some((stop) => stop.token === null || stop.token === token);
}

/** The errors that faults of this run account for. */
export function pardonOf(draw: Draw, world: World, given: Circumstances): (error: unknown) => boolean {
  const { memoryIsHeld, stopped } = given;
  const struck = (...prefixes: string[]): number => draw.struck(...prefixes);
  const deaths = struck('worker.', 'port.close', 'clock.leap', 'task.slow-transform');
  const lost = world.sim.workers.filter(({ abandoned }) => abandoned).length;
  return (error) => {
    const { code, message } = error as MillraceError;
    switch (code) {
      // What a stuck thread holds on to is missing.
      case ErrorCode.BudgetHeldByConsumer:
        return memoryIsHeld || world.fenced > 0;
      case ErrorCode.BudgetTooSmall:
        return world.fenced > 0 || !world.fits;
      case ErrorCode.WorkerStuck:
        return deaths >= 2;
      case ErrorCode.WorkerCrashed:
        // Three deaths may be laid to one item; more than one thread dies when time leaps.
        if (
          struck('worker.poison') > 0 &&
          (message.includes(`sim://${world.poison}`) || /in a row/.test(message))
        )
          return true;
        return deaths + lost - struck('worker.poison') >= 3 || struck('clock.leap') > 0;
      case ErrorCode.Cancelled:
      case ErrorCode.Draining:
      case ErrorCode.DeadlineExceeded:
        return stopped;
      default:
        return ofService(error as MillraceError, draw, world, given.maxAttempts);
    }
  };
}

/** What a service answered, or did not. */
function ofService({ code, context }: MillraceError, draw: Draw, world: World, maxAttempts: number): boolean {
  const struck = (...prefixes: string[]): number => draw.struck(...prefixes);
  // Each is tried again, unless the runtime has no budget for it.
  const enough = failuresOf(world, context.uri) >= maxAttempts || world.retryBudget < 500;
  switch (code) {
    case ErrorCode.Throttled:
      // Whoever has patience for less than the service asks for tries no second time.
      return struck('store.503', 'store.429', 'store.storm') > 0;
    case ErrorCode.ConnectionFailed:
      return enough && struck('store.reset', 'write.') > 0;
    case ErrorCode.TimedOut:
      return enough && struck('store.stall', 'store.drip') > 0;
    case ErrorCode.ShortBody:
      return enough && struck('store.short-body') > 0;
    case ErrorCode.ChecksumMismatch: {
      // What an answer of its own tells is an attempt like any other; what is found later is fetched again twice.
      const wrong = struck('store.corrupt');
      return wrong > MOST_MISMATCHES || (wrong > 0 && enough);
    }
    case ErrorCode.TransformFailed:
      // It has seen what nobody has verified.
      return world.arrivedWrong(keyOf(context.uri));
    case ErrorCode.RangeRejected:
      return struck('store.wrong-range', 'store.version-change') > 0;
    case ErrorCode.VersionChanged:
      return struck('store.version-change') > 0;
    case ErrorCode.Unauthenticated:
      // Fresh credentials are waited for, and may be asked for through a port that is closed.
      return (
        struck('store.clock-skew') >= 2 ||
        struck('store.token-expired') >= 3 ||
        struck('reply.', 'port.close', 'clock.leap') > 0
      );
    case ErrorCode.ProtocolViolation:
      return struck('list.') > 0;
    case ErrorCode.NotFound:
      // An upload that was completed, or aborted, by whoever went before.
      return world.origin.writes.length > 0 && struck('write.', ...LOSSES) > 0;
    default:
      return false;
  }
}

function keyOf(uri: string | undefined): string {
  return uri?.slice('sim://'.length) ?? '';
}

/** Requests for the object, or for a page, that were to be tried again. */
function failuresOf({ origin }: World, uri: string | undefined): number {
  const [wanted, { reads, writes, questions }] = [keyOf(uri), origin];
  const asked = [...reads, ...writes, ...questions].filter(({ key }) => key === null || key === wanted);
  return asked.filter(({ outcome }) => FAILED.has(outcome)).length;
}

/** A service that asks to be left alone counts too, for those who have no patience with it. */
const FAILED: ReadonlySet<Outcome | null> = new Set<Outcome | null>([
  Outcome.Transient,
  Outcome.Interrupted,
  Outcome.Throttled,
]);
