/**
 * One answer through the transport's pure cores, as `Connection` drives them, without a socket: head parser, plan of the
 * body, body reader, record of the exchange. What a socket would have read is handed over in pieces.
 */
import { BodyReader, BodyState, judgeBody } from '../../../dist/transport/body.js';
import { BodyMode, emptyPlan, planBody } from '../../../dist/transport/framing.js';
import { HeadParser, HeadState } from '../../../dist/transport/head.js';
import { MAX_INTERIM_HEADS, scratchBytes, DEFAULT_TRANSPORT_LIMITS } from '../../../dist/transport/limits.js';
import { ExchangeRecord } from '../../../dist/transport/record.js';
import { ExchangeOutcome } from '../../../dist/protocol/http.js';

const LIMITS = { ...DEFAULT_TRANSPORT_LIMITS, maxErrorBodyBytes: 4096 };
/** Bytes around the target that nobody may touch, and what they hold. */
export const MARGIN = 64;
export const UNTOUCHED = 0xa5;

/** Where the answer stands. */
export const Stand = { Head: 0, Body: 1, Complete: 2, Refused: 3 };

export class Subject {
  stand = Stand.Head;
  /** Why it was refused, without numbers. */
  reason = '';
  /** Bytes of the input that were taken. */
  consumed = 0;
  /** The body was cut off on purpose: the message goes on behind `consumed`. */
  cutOff = false;
  reusable = false;
  /** What the connection asked a socket to write into and must not have: empty when all is well. */
  violation = '';
  head = new HeadParser(LIMITS.maxHeadBytes);
  plan = emptyPlan();
  /** @type {Buffer} */
  body = Buffer.alloc(0);
  /** @type {ExchangeRecord | null} */
  record = null;
  #reader = new BodyReader();
  #scratch = Buffer.alloc(scratchBytes(LIMITS));
  #fill = 0;
  #interim = 0;
  #poison = 0;

  /** @param {number} poison what stands behind the bytes that were read */
  constructor(poison) {
    this.#poison = poison;
  }

  /**
   * @param {Buffer} input @param {number} length
   * @param {readonly number[]} cuts ascending: where one read ends and the next begins
   * @param {import('../../../dist/protocol/http.js').PreparedRequest} request
   * @param {import('../../../dist/protocol/http.js').BodySink} sink
   */
  receive(input, length, cuts, request, sink) {
    this.stand = Stand.Head;
    this.reason = '';
    this.consumed = 0;
    this.cutOff = false;
    this.reusable = false;
    this.violation = '';
    this.record = null;
    this.#fill = 0;
    this.#interim = 0;
    this.head.reset(0);
    let at = 0;
    for (let cut = 0; cut <= cuts.length && this.stand < Stand.Complete; cut += 1) {
      const end = cuts[cut] ?? length;
      while (at < end && this.stand < Stand.Complete) at += this.#read(input, at, end, request, sink);
    }
    if (this.stand === Stand.Body && this.#reader.endOfStream()) this.#endBody(false);
    if (this.stand === Stand.Body || this.stand === Stand.Complete) this.#take(sink);
    this.#reader.release();
  }

  /** One read of the socket; returns how many bytes it got. @param {Buffer} input @param {number} at @param {number} end @param {any} request @param {any} sink */
  #read(input, at, end, request, sink) {
    const view = this.stand === Stand.Body ? this.#reader.view() : null;
    const into = view ?? this.#scratch.subarray(this.#fill);
    if (into.length === 0) {
      this.violation = 'it asks for a read of no bytes';
      this.stand = Stand.Refused;
      return end - at;
    }
    const count = Math.min(into.length, end - at);
    into.set(input.subarray(at, at + count));
    if (view === null) this.#spoil(this.#fill + count);
    if (view !== null) {
      this.#reader.wrote(count);
      this.consumed += count;
      if (this.#reader.state !== BodyState.More) this.#endBody(false);
    } else if (this.stand === Stand.Body) {
      this.#accept(0, count);
    } else {
      this.#fill += count;
      this.#onHead(request, sink);
    }
    return count;
  }

  /** Nobody may look at what stands behind the bytes that were read. @param {number} from */
  #spoil(from) {
    this.#scratch.fill(this.#poison, from, Math.min(from + 48, this.#scratch.length));
  }

  /** @param {number} from @param {number} to */
  #accept(from, to) {
    const end = this.#reader.accept(this.#scratch, from, to);
    this.consumed += end - from;
    if (this.#reader.state !== BodyState.More) this.#endBody(end < to);
    else if (end !== to) this.violation = 'bytes of the body were left behind';
  }

  /** @param {any} request @param {any} sink */
  #onHead(request, sink) {
    for (;;) {
      const state = this.head.parse(this.#scratch, this.#fill);
      if (state === HeadState.More) return;
      if (state === HeadState.Bad) return this.#refuse(this.head.problem);
      this.consumed += this.head.end;
      if (this.head.status >= 200) return this.#beginBody(request, sink);
      if (this.head.status === 101) return this.#refuse('switches protocols');
      if (this.head.close || this.head.minor === 0)
        return this.#refuse('closes the connection by an interim answer');
      if (++this.#interim > MAX_INTERIM_HEADS) return this.#refuse('interim answers without end');
      this.#scratch.copyWithin(0, this.head.end, this.#fill);
      this.#fill -= this.head.end;
      this.#spoil(this.#fill);
      this.head.reset(0);
      if (this.#fill === 0) return;
    }
  }

  /** @param {any} request @param {any} sink */
  #beginBody(request, sink) {
    const { head, plan } = this;
    const text = this.#scratch.latin1Slice(0, head.end);
    this.record = new ExchangeRecord(
      ExchangeOutcome.Complete,
      head.status,
      text,
      0,
      head.contentLength,
      null,
      null,
    );
    const refusal = planBody(head, request, sink, LIMITS.maxErrorBodyBytes, plan);
    if (refusal !== null) return this.#refuse(refusal.message);
    this.#reader.begin(plan);
    this.stand = Stand.Body;
    const filled = this.#fill;
    this.#fill = 0;
    this.#accept(head.end, filled);
  }

  /** @param {boolean} surplus */
  #endBody(surplus) {
    const reader = this.#reader;
    const verdict = judgeBody(this.plan, reader.state, reader.at);
    if (verdict !== 'good' && verdict !== 'short') return this.#refuse(verdict.message);
    this.stand = Stand.Complete;
    this.cutOff = reader.state === BodyState.CutOff;
    this.reusable =
      reader.state === BodyState.Done &&
      !(surplus || this.head.close || this.plan.doubtful) &&
      this.head.minor === 1 &&
      this.plan.mode !== BodyMode.UntilClose;
  }

  /** @param {string} message */
  #refuse(message) {
    this.stand = Stand.Refused;
    this.reason = message.replaceAll(/\d+/g, 'N');
  }

  /** @param {any} sink */
  #take(sink) {
    const reader = this.#reader;
    const collected = reader.collected();
    const bytes = collected ?? sink.target.subarray(0, reader.at);
    this.body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const limit =
      sink.kind === 'land' ? sink.target.length : Math.max(sink.maxBytes, LIMITS.maxErrorBodyBytes);
    if (bytes.length !== reader.at || reader.at > limit)
      this.violation = 'more was kept than the sink allows';
    if (collected !== null && collected.buffer.byteLength > limit)
      this.violation = 'more memory was taken than the sink allows';
  }
}
