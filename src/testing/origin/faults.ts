/**
 * The fault script: which rule a request meets, and what the rule's lies do to a response. Pure but for the counters
 * that a rule keeps.
 *
 * The first rule that applies wins. A rule with a probability decides by a hash of (seed, request, how often that very
 * request has come), so the same seed hits the same requests in whatever order they arrive.
 */
import { gzipSync } from 'node:zlib';
import { mix32, objectIdOf } from '../pattern.js';
import { failure } from './failure.js';
import { bytesSource } from './response.js';

/**
 * @typedef {'short-length' | 'long-length' | 'wrong-range' | 'short-range' | 'ignore-range' | 'two-lengths' | 'gzip-encoding'
 *   | 'bad-status-line' | 'huge-head' | 'folded-head' | 'bare-lf' | 'wrong-bytes' | 'mixed-version' | 'chunked' | 'no-length'
 *   | 'interim' | 'no-etag' | 'partial-chunk' | 'rewrite-loop' | 'range-label' | 'range-total' | 'same-continuation'
 *   | 'repeat-page' | 'skip-page'} Lie
 * @typedef {'before-head' | 'after-head' | number} Place a number is a count of body bytes sent
 * @typedef {{
 *   delayMs?: number, status?: number, code?: string, message?: string, retryAfter?: number | string,
 *   applied?: boolean, onBody?: import('./connection.js').OnBody, cutAfter?: Place, reset?: Place, stall?: Place, stallMs?: number, slow?: number, drip?: Drip,
 *   overwrite?: true | {size: number}, expire?: string | true,
 *   lie?: Lie, by?: number, close?: boolean | 'silent', headers?: Record<string, string | null>, raw?: string | Uint8Array,
 * }} Fault
 * @typedef {{bytes: number, everyMs: number, of?: 'head' | 'body'}} Drip
 * @typedef {{accept?: number | 'stall', handshake?: Drip, end?: 'cut' | 'reset'}} ConnectionFault
 * @typedef {{
 *   name?: string, nth?: number | number[], every?: number, after?: number, window?: {fromMs?: number, forMs?: number},
 *   probability?: number, seed?: number, times?: number,
 * }} Moments
 * @typedef {Moments & {
 *   key?: RegExp | string, bucket?: string, method?: string, op?: import('../ORIGIN-TYPES').Operation,
 *   range?: RegExp | string, ordinal?: number | number[], do: Fault,
 * }} Rule
 * @typedef {Moments & {connection: ConnectionFault}} ConnectionRule
 * @typedef {{request: import('./request.js').Request, ordinal: number, nowMs: number}} Arrival
 * @typedef {{
 *   ofRequest(arrival: Arrival): {index: number, fault: Fault} | null,
 *   ofConnection(nowMs: number): ConnectionFault | null,
 *   fired(): Record<string, number>,
 * }} Script what a request or a connection meets, and how often each rule was met
 */

const pattern = (/** @type {RegExp | string | undefined} */ source: RegExp | string | undefined) =>
  source === undefined ? null : new RegExp(source);

/**
 * @param {Array<Rule | ConnectionRule>} rules @param {import('./dialect.js').Dialect} dialect
 * @returns {Script}
 */
export function createScript(rules: Array<Rule | ConnectionRule>, dialect: import('./dialect.js').Dialect): Script {
  const live = rules.map((rule, index) => liveRule(rule, index));
  const ofRequests = live.filter(({ rule }) => 'do' in rule);
  const ofConnections = live.filter(({ rule }) => 'connection' in rule);
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

function liveRule(rule, index) {
  if ('do' in rule === 'connection' in rule)
    throw new Error(`script: rule ${index} needs either do or connection`);
  if (rule.do?.onBody?.do === 'answer' && rule.do.status === undefined)
    throw new Error('script: an answer on the body needs a status: the request is not carried out');
  const numbers = (/** @type {number | number[] | undefined} */ given: number | number[] | undefined) =>
    given === undefined ? null : [given].flat();
  return {
    rule,
    index,
    key: pattern(rule.key),
    range: pattern(rule.range),
    nth: numbers(rule.nth),
    ordinals: numbers(rule.ordinal),
    seen: 0,
    fired: 0,
    beganMs: 0,
    occurrences: new Map(),
  };
}

function describes({ rule, key, range, ordinals }, request, seen) {
  if (rule.op !== undefined && rule.op !== seen.op) return false;
  if (rule.method !== undefined && rule.method !== request.method) return false;
  if (rule.bucket !== undefined && rule.bucket !== request.bucket) return false;
  if (ordinals !== null && !ordinals.includes(seen.ordinal)) return false;
  if (key !== null && !key.test(request.key)) return false;
  return range === null || range.test(seen.range);
}

/** Whether this one of those that a rule describes is one that it is for; counts both. */
function applies(state, name, nowMs) {
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

function drawn({ rule, occurrences }, name) {
  if (rule.probability === undefined) return true;
  const before = occurrences.get(name) ?? 0;
  occurrences.set(name, before + 1);
  const hash = mix32(objectIdOf(name, before) ^ mix32(rule.seed ?? 0)) >>> 0;
  return hash / 2 ** 32 < rule.probability;
}

/** @param {Fault} fault with a status @param {import('./dialect.js').Dialect} dialect @returns {import('./failure.js').Failure} */
export function scriptedFailure(fault: Fault, dialect: import('./dialect.js').Dialect): import('./failure.js').Failure {
  const status = fault.status ?? 500;
  const code = fault.code ?? dialect.codeOf(status) ?? 'Scripted';
  const headers = fault.retryAfter === undefined ? [] : ['Retry-After', String(fault.retryAfter)];
  return failure(status, code, fault.message ?? 'This answer was scripted.', undefined, headers);
}

/**
 * Bends a response as its fault says; what is framing is left to the delivery.
 * @param {import('./response.js').Response} response
 * @param {Fault} fault
 * @returns {import('./response.js').Response}
 */
export function disguise(response: import('./response.js').Response, fault: Fault): import('./response.js').Response {
  let { headers, body } = response;
  let { chunked } = response;
  if (fault.lie === 'wrong-bytes') body = flipped(body, fault.by ?? body.length >>> 1);
  if (fault.lie === 'gzip-encoding') {
    body = bytesSource(gzipSync(drain(body), { level: 1 }));
    headers = [...headers, 'Content-Encoding', 'gzip'];
  }
  if (fault.lie === 'no-etag') headers = without(headers, 'etag');
  if (fault.lie === 'chunked') chunked = true;
  if (fault.lie === 'range-label' || fault.lie === 'range-total')
    headers = relabelled(headers, fault.lie, fault.by ?? 1);
  for (const [name, value] of Object.entries(fault.headers ?? {})) {
    headers = without(headers, name.toLowerCase());
    if (value !== null) headers = [...headers, name, value];
  }
  return { ...response, headers, body, chunked };
}

/** Content-Range says another range, or another size of the whole, than what is sent is of. */
function relabelled(headers, lie, by) {
  const at = headers.indexOf('Content-Range') + 1;
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers[at]) ?? [];
  if (at === 0 || start === undefined) return headers;
  const shift = lie === 'range-label' ? by : 0;
  const total = Number(size) + (lie === 'range-total' ? by : 0);
  const value = `bytes ${Number(start) + shift}-${Number(end) + shift}/${total}`;
  return headers.toSpliced(at, 1, value);
}

function without(headers, lowerName) {
  return headers.filter((_, i) => headers[i - (i % 2)].toLowerCase() !== lowerName);
}

function drain(body) {
  const bytes = Buffer.allocUnsafe(body.length);
  body.fill(bytes, 0);
  return bytes;
}

/** The same bytes but for one, whose bits are all turned. */
function flipped(body, at) {
  const fill = (/** @type {Uint8Array} */ target: Uint8Array, /** @type {number} */ position: number) => {
    body.fill(target, position);
    const index = at - position;
    if (index >= 0 && index < target.length) target[index] ^= 0xff;
  };
  return { length: body.length, fill };
}
