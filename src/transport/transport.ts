/**
 * The transport: one attempt of an HTTP/1.1 exchange per call, over kept connections. One per worker thread.
 *
 * Invariants:
 * 1. There are never more than `maxConnections` connections in use, over all origins, nor to one origin, idle ones
 *    included. Over all origins there may be twice as many with the idle ones, so work that goes to and fro between two of
 *    them, such as a copy from one store to another, need not dial for each request.
 * 2. Nobody waits while a connection could be had: those who wait are served in the order they came, and an idle
 *    connection of another origin is closed for the first of them where there are too many.
 * 3. A wait ends at once when its signal is cancelled. It has no time-out of its own: waiting for a turn is not a
 *    failure of anybody, and every exchange ahead is bounded. The number of those who wait is bounded.
 * 4. After `close` and the end of the exchanges in flight there is no socket and no timer left. An idle connection
 *    keeps the process alive for a tick at most.
 */
import dns from 'node:dns';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { ExchangeOutcome } from '../protocol/http.js';
import type {
  BodySink,
  Exchange,
  Origin,
  PreparedRequest,
  Transport,
  TransportLimits,
  TransportStats,
} from '../protocol/http.js';
import { isCancelled } from '../protocol/stop.js';
import type { StopSignal } from '../protocol/stop.js';
import { AddressBook } from './addresses.js';
import type { LookupAll } from './addresses.js';
import { Attempt } from './attempt.js';
import { CoarseClock } from './clock.js';
import { Connection } from './connection.js';
import type { ConnectionHost } from './connection.js';
import type { TlsMemory } from './dial.js';
import { connectFailed } from './failures.js';
import { MAX_ORIGINS, MAX_WAITING, checkLimits, tickMs } from './limits.js';
import { headless } from './record.js';
import { requestHead } from './request.js';
import { StopLinks } from './stops.js';

export { DEFAULT_TRANSPORT_LIMITS } from './limits.js';

export interface TransportDeps {
  /** Monotonic time in ms. */
  now(): number;
  /** @default dns.lookup: what the system's resolver and its hosts file say */
  readonly lookup?: LookupAll;
  /** @default Math.random */
  readonly random?: () => number;
}

/** Throws `InvalidArgument` when a limit makes no sense. */
export function createTransport(limits: TransportLimits, deps: TransportDeps): Transport {
  checkLimits(limits);
  return new PooledTransport(limits, deps);
}

/** What is kept of one origin. */
interface Place extends TlsMemory {
  /** The one that was used last is at the end, and is taken first. */
  readonly idle: Connection[];
}

class PooledTransport implements Transport, ConnectionHost {
  readonly clock: CoarseClock;
  readonly addresses: AddressBook;
  private readonly places = new Map<string, Place>();
  private readonly live = new Set<Connection>();
  /** In the order they came. */
  private readonly waiting = new Set<Attempt>();
  private readonly stops = new StopLinks((stop) => this.stopped(stop));
  private idleCount = 0;
  private opened = 0;
  private reused = 0;
  private closed = false;
  private serving = false;

  constructor(
    readonly limits: TransportLimits,
    private readonly deps: TransportDeps,
  ) {
    this.clock = new CoarseClock(
      tickMs(limits),
      () => deps.now(),
      () => this.tick(),
    );
    this.addresses = new AddressBook({
      now: () => deps.now(),
      random: deps.random ?? Math.random,
      lookup: deps.lookup ?? dns.lookup,
    });
  }

  exchange(
    request: PreparedRequest,
    sink: BodySink,
    stop: StopSignal,
    done: (exchange: Exchange) => void,
  ): void {
    if (isCancelled(stop)) return done(headless(ExchangeOutcome.Cancelled, null));
    if (this.closed) return done(headless(ExchangeOutcome.Failed, closedError(request.origin)));
    const head = requestHead(request, sink);
    if (typeof head !== 'string') return done(headless(ExchangeOutcome.Refused, head));
    const attempt = new Attempt(request, sink, head, stop, this.stops, done);
    // It may have been cancelled in the very moment in which it was linked.
    if (isCancelled(stop)) attempt.finish(headless(ExchangeOutcome.Cancelled, null));
    // Whoever is first in line has seen that there is no connection to be had; the others need not look.
    else if (this.waiting.size > 0 || !this.place(attempt)) this.wait(attempt);
  }

  close(): void {
    this.closed = true;
    for (const attempt of this.waiting) {
      attempt.finish(headless(ExchangeOutcome.Failed, closedError(attempt.request.origin)));
    }
    this.waiting.clear();
    for (const place of this.places.values()) {
      while (place.idle.length > 0) place.idle.at(-1)!.destroy();
    }
    this.places.clear();
  }

  stats(): TransportStats {
    const { opened, reused, idleCount } = this;
    return { opened, reused, active: this.live.size - idleCount, idle: idleCount };
  }

  freed(connection: Connection): void {
    if (this.closed) return connection.destroy();
    const next = first(this.waiting);
    if (next?.request.origin.id === connection.origin.id) {
      this.waiting.delete(next);
      return this.reuse(connection, next);
    }
    connection.idleSinceMs = this.deps.now();
    this.placeOf(connection.origin).idle.push(connection);
    this.idleCount++;
    this.serveWaiting();
  }

  gone(connection: Connection): void {
    this.live.delete(connection);
    const place = this.places.get(connection.origin.id);
    const at = place === undefined ? -1 : place.idle.indexOf(connection);
    if (at >= 0) {
      place!.idle.splice(at, 1);
      this.idleCount--;
    }
    this.serveWaiting();
    if (this.live.size === 0) this.clock.stop();
  }

  /** Ends the exchanges of a signal; first those that wait, so that none of them gets what the others give up. */
  private stopped(stop: StopSignal): void {
    for (const attempt of this.waiting) {
      if (attempt.stop !== stop) continue;
      this.waiting.delete(attempt);
      attempt.finish(headless(ExchangeOutcome.Cancelled, null));
    }
    for (const connection of this.live) if (connection.serves(stop)) connection.cancel();
  }

  private wait(attempt: Attempt): void {
    if (this.waiting.size < MAX_WAITING) {
      this.waiting.add(attempt);
      return;
    }
    const { origin } = attempt.request;
    const message =
      `no connection to ${origin.id}: ${MAX_WAITING} exchanges already wait for one of the ` +
      `${this.limits.maxConnections} connections (maxConnections); start fewer at once`;
    const error = new MillraceError(ErrorCode.ConnectionFailed, message, { phase: 'connect' });
    attempt.finish(headless(ExchangeOutcome.Failed, error));
  }

  /** Hands out free slots, in a loop rather than by recursion: a connection may fail while it is opened. */
  private serveWaiting(): void {
    if (this.serving) return;
    this.serving = true;
    for (let next = first(this.waiting); next !== undefined; next = first(this.waiting)) {
      if (!this.place(next)) break;
      this.waiting.delete(next);
    }
    this.serving = false;
  }

  /** Gives the attempt a connection, kept or new; false when it has to wait. */
  private place(attempt: Attempt): boolean {
    const { maxConnections, keepAliveMs } = this.limits;
    if (this.live.size - this.idleCount >= maxConnections) return false;
    const { origin } = attempt.request;
    const place = this.placeOf(origin);
    const kept = place.idle.at(-1);
    // A thread that was blocked finds connections here which the ticker had no chance to close.
    if (kept !== undefined && kept.idleSinceMs >= this.deps.now() - keepAliveMs) {
      place.idle.pop();
      this.idleCount--;
      this.reuse(kept, attempt);
      return true;
    }
    // So that there are no more to this origin than may be in use.
    kept?.destroy();
    if (this.live.size >= 2 * maxConnections) this.closeOldestIdle();
    this.open(origin, place, attempt);
    return true;
  }

  private reuse(connection: Connection, attempt: Attempt): void {
    this.reused++;
    attempt.connection = connection;
    connection.start(attempt);
  }

  private open(origin: Origin, place: Place, attempt: Attempt): void {
    try {
      const connection = new Connection(origin, place, this, attempt);
      attempt.connection = connection;
      this.live.add(connection);
      this.opened++;
      this.clock.start();
    } catch (thrown) {
      // A port out of range or certificates that cannot be parsed: the same at every attempt.
      const { code, message, context } = connectFailed(origin, thrown, null);
      const error = new MillraceError(code, message, { ...context, retryable: false, cause: thrown });
      attempt.finish(headless(ExchangeOutcome.Failed, error));
    }
  }

  private closeOldestIdle(): void {
    let oldest: Connection | undefined;
    for (const { idle } of this.places.values()) {
      const candidate = idle[0];
      if (candidate !== undefined && (oldest === undefined || candidate.idleSinceMs < oldest.idleSinceMs))
        oldest = candidate;
    }
    oldest?.destroy();
  }

  private placeOf(origin: Origin): Place {
    let place = this.places.get(origin.id);
    if (place === undefined) {
      place = { idle: [], context: null, session: null };
      if (this.places.size >= MAX_ORIGINS) this.forgetOnePlace();
      this.places.set(origin.id, place);
    }
    return place;
  }

  /** Forgets the origin that was met first and has no idle connection. */
  private forgetOnePlace(): void {
    for (const [id, place] of this.places) {
      if (place.idle.length > 0) continue;
      this.places.delete(id);
      return;
    }
  }

  private tick(): void {
    const oldestMs = this.deps.now() - this.limits.keepAliveMs;
    for (const { idle } of this.places.values()) {
      while (idle.length > 0 && idle[0]!.idleSinceMs < oldestMs) idle[0]!.destroy();
      for (const connection of idle) connection.rest();
    }
    for (const connection of this.live) connection.check();
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const value of set) return value;
  return undefined;
}

function closedError(origin: Origin): MillraceError {
  return new MillraceError(ErrorCode.Released, `no exchange with ${origin.id}: the transport is closed`, {
    phase: 'connect',
  });
}
