/**
 * One socket and the exchange on it: a state machine driven by the socket's events, the ticker and cancellation.
 *
 *     Connecting -> Head -> Body -> Idle -> Head ...        any -> Dead
 *
 * Invariants:
 * 1. The socket asks for the place of the next read when it connects and after each read, long before it reads. Only
 *    in phase `Body` is it given the target, and never more of it than this body still needs; in any other phase it
 *    holds the scratch. A connection leaves `Body` alive only from within a read, so the answer is always asked anew.
 * 2. Before an exchange ends in any other way the socket is destroyed: nothing is written into the target afterwards.
 * 3. `Dead` is final, and told to the host exactly once; by then the descriptor is closed, so the slot is free for the
 *    kernel and the service too. (`destroy()` closes it at once; a socket that fails has closed it at its 'close'.)
 * 4. The way of bytes from socket to target makes no closure, promise, timer or copy; only bytes that came with the
 *    head are copied.
 */
import type { Socket } from 'node:net';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { ErrorPhase } from '../protocol/errors.js';
import { ExchangeOutcome } from '../protocol/http.js';
import type { Origin, TransportLimits } from '../protocol/http.js';
import { StopState } from '../protocol/stop.js';
import type { StopSignal } from '../protocol/stop.js';
import type { AddressBook, Visit } from './addresses.js';
import type { Attempt } from './attempt.js';
import { BodyReader, BodyState, judgeBody } from './body.js';
import type { CoarseClock } from './clock.js';
import { openSocket } from './dial.js';
import type { TlsMemory } from './dial.js';
import { connectFailed, connectionLost, contextOf, shortBodyMessage, timedOut } from './failures.js';
import { BodyMode, emptyPlan, planBody, refused } from './framing.js';
import type { Refusal } from './framing.js';
import { HeadParser, HeadState } from './head.js';
import { MAX_INTERIM_HEADS, scratchBytes } from './limits.js';
import { ExchangeRecord } from './record.js';
import { Upload } from './upload.js';
import { PHASE_OF_WAIT, Watch } from './watch.js';
import type { Wait } from './watch.js';

const Phase = { Connecting: 0, Head: 1, Body: 2, Idle: 3, Dead: 4 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** What a connection needs of the transport it belongs to. */
export interface ConnectionHost {
  readonly limits: TransportLimits;
  readonly clock: CoarseClock;
  readonly addresses: AddressBook;
  /** The connection can serve again: give it an exchange (`start`), or keep it, or `destroy` it. */
  freed(connection: Connection): void;
  /** The connection is dead and does not count any more. */
  gone(connection: Connection): void;
}

export class Connection {
  private phase: Phase = Phase.Connecting;
  private readonly socket: Socket;
  /** Its stay at one of the host's addresses. */
  private readonly visit: Visit | null;
  private readonly upload: Upload;
  private readonly scratch: Buffer;
  /** Bytes of the present head that are in the scratch. */
  private fill = 0;
  private readonly head: HeadParser;
  private readonly body = new BodyReader();
  private readonly plan = emptyPlan();
  /** Whether the next read goes straight into the target. */
  private direct = false;
  /** The answer's raw head, once it is complete. */
  private headText = '';
  private interimHeads = 0;
  /** Exchanges that were completed here before. */
  private served = 0;
  private resting = false;
  /** Since when nothing has been asked of it; the host notes it. */
  idleSinceMs = 0;
  private readonly watch: Watch;

  /** Begins to connect; throws when the origin itself is impossible. */
  constructor(
    readonly origin: Origin,
    memory: TlsMemory,
    private readonly host: ConnectionHost,
    private attempt: Attempt | null,
  ) {
    const { limits } = host;
    this.watch = new Watch(limits, host.clock);
    this.head = new HeadParser(limits.maxHeadBytes);
    this.scratch = Buffer.allocUnsafeSlow(scratchBytes(limits));
    this.visit = host.addresses.visit(origin.host);
    this.socket = openSocket(origin, memory, this.visit, {
      buffer: () => this.nextView(),
      callback: (count) => {
        this.onRead(count);
        return true;
      },
    });
    let cause: Error | null = null;
    this.socket.on('error', (error: Error) => {
      if (this.phase === Phase.Connecting) memory.session = null;
      // Not over yet: Node closes the descriptor of a TLS handshake that failed only behind this event.
      cause = error;
    });
    this.socket.on('end', () => this.onEnd());
    this.socket.on('close', () => this.lost(cause));
    this.socket.once(origin.secure ? 'secureConnect' : 'connect', () => {
      if (this.phase !== Phase.Connecting) return;
      this.visit?.connected();
      this.socket.setNoDelay(true);
      this.send();
    });
    this.upload = new Upload(this.socket, host.clock, () => this.watch.restart());
  }

  /** Serves an exchange; only after `freed` or out of rest. */
  start(attempt: Attempt): void {
    this.attempt = attempt;
    if (this.resting) {
      this.resting = false;
      this.socket.ref();
    }
    this.send();
  }

  /**
   * From now on this idle connection does not keep the process alive. Not done as soon as it is idle: mostly the next
   * exchange comes in the same turn, and letting go of the socket and taking it again cost it 0.5 us.
   */
  rest(): void {
    if (this.resting) return;
    this.resting = true;
    this.socket.unref();
  }

  /** Whether the exchange that it serves now runs under `stop`. */
  serves(stop: StopSignal): boolean {
    return this.attempt?.stop === stop;
  }

  /** Ends the present exchange as cancelled, in this very turn. */
  cancel(): void {
    this.settle(ExchangeOutcome.Cancelled, null, false);
  }

  destroy(): void {
    if (this.phase === Phase.Dead) return;
    this.phase = Phase.Dead;
    this.visit?.end();
    this.socket.destroy();
    this.host.gone(this);
  }

  /** Looks at the time-outs of the present phase. */
  check(): void {
    const { phase, watch } = this;
    if (phase === Phase.Connecting) this.endIfOverdue(watch.overdue('connect'));
    else if (phase === Phase.Body) this.endIfOverdue(watch.overdue('idle'));
    else if (phase === Phase.Head)
      this.endIfOverdue(watch.overdue(this.upload.pending ? 'send' : 'firstByte'));
  }

  private send(): void {
    const { head, request, sink, stop } = this.attempt!;
    // It may have turned while this connected, or waited for its turn: what drains sends no new request.
    if (stop.state !== StopState.Live) return this.cancel();
    this.phase = Phase.Head;
    this.head.reset(0);
    this.watch.begin(sink.kind === 'collect' && sink.afterWork === true);
    this.upload.send(head, request.body);
  }

  private nextView(): Uint8Array {
    const view = this.phase === Phase.Body ? this.body.view() : null;
    this.direct = view !== null;
    if (view !== null) return view;
    return this.fill === 0 ? this.scratch : this.scratch.subarray(this.fill);
  }

  private onRead(count: number): void {
    if (this.phase === Phase.Body) {
      this.watch.gotBody(count);
      if (this.direct) this.body.wrote(count);
      const consumed = this.direct ? count : this.body.accept(this.scratch, 0, count);
      if (this.body.state !== BodyState.More) this.endBody(consumed < count);
    } else if (this.phase === Phase.Head) {
      this.fill += count;
      this.onHead();
    } else if (this.phase === Phase.Idle) {
      // Nobody asked: whatever this is, it must not be taken for the answer to the next request.
      this.destroy();
    }
  }

  private onHead(): void {
    const { head, scratch } = this;
    for (;;) {
      const state = head.parse(scratch, this.fill);
      if (state === HeadState.More) return;
      if (state === HeadState.Bad) {
        return this.refuse(refused(`the head of the answer is broken: ${head.problem}`), 'head');
      }
      if (head.status >= 200) return this.beginBody();
      if (head.status === 101) return this.refuse(refused('it switches protocols (101)'), 'head');
      // Whatever comes behind it comes behind the end: Node's own parser refuses that too. HTTP/1.0 has no such answers.
      if (head.close || head.minor === 0)
        return this.refuse(refused('it closes the connection by an interim answer'), 'head');
      if (++this.interimHeads > MAX_INTERIM_HEADS) {
        return this.refuse(refused(`it sent more than ${MAX_INTERIM_HEADS} interim answers`), 'head');
      }
      scratch.copyWithin(0, head.end, this.fill);
      this.fill -= head.end;
      head.reset(0);
      if (this.fill === 0) return;
    }
  }

  private beginBody(): void {
    const { head, body, plan, scratch, host } = this;
    const { request, sink } = this.attempt!;
    this.headText = scratch.toString('latin1', 0, head.end);
    const refusal = planBody(head, request, sink, host.limits.maxErrorBodyBytes, plan);
    if (refusal !== null) return this.refuse(refusal, 'head');
    body.begin(plan);
    this.phase = Phase.Body;
    this.watch.beginBody(this.fill - head.end, plan.target !== null);
    const filled = this.fill;
    this.fill = 0;
    const consumed = body.accept(scratch, head.end, filled);
    if (body.state !== BodyState.More) this.endBody(consumed < filled);
  }

  private endBody(surplus: boolean): void {
    const { body, plan, head } = this;
    const verdict = judgeBody(plan, body.state, body.at);
    if (verdict !== 'good' && verdict !== 'short') return this.refuse(verdict, 'body');
    const reusable =
      body.state === BodyState.Done &&
      !(surplus || head.close || this.upload.pending || plan.doubtful) &&
      head.minor === 1 &&
      plan.mode !== BodyMode.UntilClose &&
      this.socket.writableLength === 0;
    if (verdict === 'short') this.settle(ExchangeOutcome.Interrupted, this.shortBody(), reusable);
    else this.settle(ExchangeOutcome.Complete, null, reusable);
  }

  private shortBody(): MillraceError {
    return new MillraceError(
      ErrorCode.ShortBody,
      shortBodyMessage(this.plan, this.origin, this.body.at),
      this.context('body'),
    );
  }

  private onEnd(): void {
    if (this.phase === Phase.Body && this.body.endOfStream()) this.endBody(false);
    else this.lost(null);
  }

  /** The socket ended (`cause` null) or failed; called again by the events that follow, then without effect. */
  private lost(cause: Error | null): void {
    if (this.phase === Phase.Connecting) {
      this.visit?.failed();
      this.settle(ExchangeOutcome.Failed, connectFailed(this.origin, cause, this.socket), false);
    } else if (this.phase === Phase.Head) {
      const unanswered = this.fill === 0 && this.interimHeads === 0;
      const stale = this.served > 0 && unanswered;
      const where = unanswered ? 'before an answer came' : 'within the head of the answer';
      const context = this.context(this.upload.pending ? 'request' : 'head');
      const error = connectionLost(this.origin, where, cause, context);
      this.settle(stale ? ExchangeOutcome.StaleConnection : ExchangeOutcome.Failed, error, false);
    } else if (this.phase === Phase.Body) {
      const where = `after ${this.body.at} bytes of the body`;
      const error =
        cause === null ? this.shortBody() : connectionLost(this.origin, where, cause, this.context('body'));
      this.settle(ExchangeOutcome.Interrupted, error, false);
    } else {
      this.destroy();
    }
  }

  private endIfOverdue(wait: Wait | null): void {
    if (wait === null) return;
    const begun = this.phase === Phase.Body;
    const context = this.context(begun ? 'body' : PHASE_OF_WAIT[wait]);
    const error = timedOut(wait, this.host.limits, context, this.origin);
    if (this.phase === Phase.Connecting) this.visit?.failed();
    this.settle(begun ? ExchangeOutcome.Interrupted : ExchangeOutcome.Failed, error, false);
  }

  private refuse(refusal: Refusal, phase: ErrorPhase): void {
    const message = `${this.origin.id}: ${refusal.message}`;
    const error = new MillraceError(refusal.code, message, this.context(phase));
    this.settle(refusal.outcome, error, false);
  }

  private context(phase: ErrorPhase): ReturnType<typeof contextOf> {
    return contextOf(this.attempt!.request, phase, this.headText === '' ? 0 : this.head.status);
  }

  /** Ends the exchange. Only now may the connection take the next one; the caller hears of it last. */
  private settle(outcome: ExchangeOutcome, error: MillraceError | null, keep: boolean): void {
    const { attempt, body, head } = this;
    if (attempt === null) return this.destroy();
    const headed = this.headText !== '';
    const useless = outcome === ExchangeOutcome.Refused || outcome === ExchangeOutcome.TooLong;
    const begun = this.phase === Phase.Body && !useless;
    const record = new ExchangeRecord(
      outcome,
      headed ? head.status : 0,
      this.headText,
      begun ? body.landed : 0,
      headed ? head.contentLength : -1,
      begun ? body.collected() : null,
      error,
    );
    this.attempt = null;
    this.headText = '';
    this.interimHeads = 0;
    this.fill = 0;
    if (keep) {
      this.phase = Phase.Idle;
      this.served++;
    } else {
      this.destroy();
    }
    body.release();
    if (keep) this.host.freed(this);
    attempt.finish(record);
  }
}
