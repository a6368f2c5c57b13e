/**
 * The fault script: which rule a request meets, and what the rule's lies do to a response. Pure but for the counters
 * that a rule keeps.
 *
 * The first rule that applies wins. A rule with a probability decides by a hash of (seed, request, how often that very
 * request has come), so the same seed hits the same requests in whatever order they arrive.
 */
import { gzipSync } from 'node:zlib';
import { mix32, objectIdOf } from '../../backends/memory/pattern.js';
import { failure, type Failure } from './failure.js';
import { bytesSource, type Response, type Source } from './response.js';
import type { Request } from './request.js';
import type { Dialect } from './dialect.js';
import type { Operation } from './records.js';
import type { ConnectionFault, ConnectionRule, Fault, Lie, Rule } from './rules.js';

/** A request whose head has come. */
export interface Arrival {
  readonly request: Request;
  /** Which request of its connection, counted from 1. */
  readonly ordinal: number;
  /** On a monotonic clock. */
  readonly nowMs: number;
}

/** What a request or a connection meets, and how often each rule was met. */
export interface Script {
  ofRequest(arrival: Arrival): { index: number; fault: Fault } | null;
  ofConnection(nowMs: number): ConnectionFault | null;
  fired(): Record<string, number>;
}

/** A rule, what it was compiled to, and what it has seen. */
interface Live<R extends Rule | ConnectionRule> {
  readonly rule: R;
  readonly index: number;
  readonly key: RegExp | null;
  readonly range: RegExp | null;
  readonly nth: readonly number[] | null;
  readonly ordinals: readonly number[] | null;
  seen: number;
  fired: number;
  beganMs: number;
  readonly occurrences: Map<string, number>;
}

/** What a rule's conditions are held against, beside the request itself. */
interface Seen {
  readonly op: Operation;
  readonly range: string;
  readonly ordinal: number;
}

/** Without the flags that make the answer to `test` one of how often it was asked. */
export const patternOf = (given: RegExp | string): RegExp =>
  typeof given === 'string' ? new RegExp(given) : new RegExp(given.source, given.flags.replace(/[gy]/g, ''));

const pattern = (given: RegExp | string | undefined): RegExp | null =>
  given === undefined ? null : patternOf(given);

const numbers = (given: number | readonly number[] | undefined): readonly number[] | null =>
  given === undefined ? null : typeof given === 'number' ? [given] : given;

/** @param rules checked by who sends them */
export function createScript(rules: ReadonlyArray<Rule | ConnectionRule>, dialect: Dialect): Script {
  const ofRequests: Live<Rule>[] = [];
  const ofConnections: Live<ConnectionRule>[] = [];
  rules.forEach((rule, index) => {
    if ('do' in rule) ofRequests.push(liveRule(rule, index));
    else ofConnections.push(liveRule(rule, index));
  });
  const live = [...ofRequests, ...ofConnections].sort((a, b) => a.index - b.index);
  return {
    ofRequest({ request, ordinal, nowMs }) {
      const seen = { op: dialect.operationOf(request), range: dialect.rangeOf(request) ?? '', ordinal };
      const name = `${request.method} ${request.target} ${seen.range}`;
      const hit = ofRequests.find((one) => describes(one, request, seen) && applies(one, name, nowMs));
      return hit === undefined ? null : { index: hit.index, fault: hit.rule.do };
    },
    ofConnection(nowMs) {
      const hit = ofConnections.find((one) => applies(one, 'connection', nowMs));
      return hit === undefined ? null : hit.rule.connection;
    },
    fired: () =>
      Object.fromEntries(live.map(({ rule, index, fired }) => [rule.name ?? String(index), fired])),
  };
}

function liveRule<R extends Rule | ConnectionRule>(rule: R, index: number): Live<R> {
  const of: Partial<Rule> = 'do' in rule ? rule : {};
  return {
    rule,
    index,
    key: pattern(of.key),
    range: pattern(of.range),
    nth: numbers(rule.nth),
    ordinals: numbers(of.ordinal),
    seen: 0,
    fired: 0,
    beganMs: 0,
    occurrences: new Map(),
  };
}

function describes({ rule, key, range, ordinals }: Live<Rule>, request: Request, seen: Seen): boolean {
  if (rule.op !== undefined && rule.op !== seen.op) return false;
  if (rule.method !== undefined && rule.method !== request.method) return false;
  if (rule.bucket !== undefined && rule.bucket !== request.bucket) return false;
  if (ordinals !== null && !ordinals.includes(seen.ordinal)) return false;
  if (key !== null && !key.test(request.key)) return false;
  return range === null || range.test(seen.range);
}

/** Whether this one of those that a rule describes is one that it is for; counts both. */
function applies(state: Live<Rule | ConnectionRule>, name: string, nowMs: number): boolean {
  const { rule, nth } = state;
  state.seen += 1;
  if (state.seen === 1) state.beganMs = nowMs;
  if (state.fired >= (rule.times ?? Infinity)) return false;
  if (nth !== null && !nth.includes(state.seen)) return false;
  if (state.seen % (rule.every ?? 1) !== 0 || state.seen <= (rule.after ?? 0)) return false;
  const { fromMs = 0, forMs = Infinity } = rule.window ?? {};
  const sinceMs = nowMs - state.beganMs - fromMs;
  if (sinceMs < 0 || sinceMs >= forMs || !drawn(state, name)) return false;
  state.fired += 1;
  return true;
}

function drawn({ rule, occurrences }: Live<Rule | ConnectionRule>, name: string): boolean {
  if (rule.probability === undefined) return true;
  const before = occurrences.get(name) ?? 0;
  occurrences.set(name, before + 1);
  const hash = mix32(objectIdOf(name, before) ^ mix32(rule.seed ?? 0)) >>> 0;
  return hash / 2 ** 32 < rule.probability;
}

/** The failure that a fault with a status names; without one, 500. */
export function scriptedFailure(fault: Fault, dialect: Dialect): Failure {
  const status = fault.status ?? 500;
  const code = fault.code ?? dialect.codeOf(status) ?? 'Scripted';
  const headers = fault.retryAfter === undefined ? [] : ['Retry-After', String(fault.retryAfter)];
  return failure(status, code, fault.message ?? 'This answer was scripted.', undefined, headers);
}

/** An answer in chunks has no length to lie about: with these, it is sent without them. */
const ABOUT_LENGTH: ReadonlySet<Lie> = new Set(['short-length', 'long-length', 'two-lengths', 'no-length']);

/** Bends a response as its fault says; what is framing is left to the delivery. */
export function disguise(response: Response, fault: Fault): Response {
  let { headers, body } = response;
  let { chunked } = response;
  if (fault.lie === 'wrong-bytes') body = flipped(body, fault.by ?? Math.floor(body.length / 2));
  if (fault.lie === 'gzip-encoding') {
    body = bytesSource(gzipSync(drain(body), { level: 1 }));
    headers = [...headers, 'Content-Encoding', 'gzip'];
  }
  if (fault.lie === 'no-etag') headers = without(headers, 'etag');
  if (fault.lie === 'chunked') chunked = true;
  else if (fault.lie !== undefined && ABOUT_LENGTH.has(fault.lie)) chunked = false;
  if (fault.lie === 'range-label' || fault.lie === 'range-total')
    headers = relabelled(headers, fault.lie, fault.by ?? 1);
  for (const [name, value] of Object.entries(fault.headers ?? {})) {
    headers = without(headers, name.toLowerCase());
    if (value !== null) headers = [...headers, name, value];
  }
  return { ...response, headers, body, chunked };
}

/** Content-Range says another range, or another size of the whole, than what is sent is of. */
function relabelled(headers: readonly string[], lie: Lie, by: number): readonly string[] {
  const at = headers.indexOf('Content-Range') + 1;
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers[at] ?? '') ?? [];
  if (at === 0 || start === undefined) return headers;
  const shift = lie === 'range-label' ? by : 0;
  const total = Number(size) + (lie === 'range-total' ? by : 0);
  const value = `bytes ${Number(start) + shift}-${Number(end) + shift}/${total}`;
  return headers.toSpliced(at, 1, value);
}

function without(headers: readonly string[], lowerName: string): readonly string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]!.toLowerCase() !== lowerName);
}

function drain(body: Source): Buffer {
  const bytes = Buffer.allocUnsafe(body.length);
  body.fill(bytes, 0);
  return bytes;
}

/** The same bytes but for one, whose bits are all turned. */
function flipped(body: Source, at: number): Source {
  const fill = (target: Uint8Array, position: number): void => {
    body.fill(target, position);
    const index = at - position;
    if (index >= 0 && index < target.length) target[index]! ^= 0xff;
  };
  return { length: body.length, fill };
}
