/**
 * The fault script: which rule a request meets, and what the rule's lies do to a response. Pure but for the counters
 * that a rule keeps.
 *
 * The first rule that applies wins. A rule with a probability decides by a hash of (seed, request, how often that very
 * request has come), so the same seed hits the same requests in whatever order they arrive.
 */
import { gzipSync } from 'node:zlib';
import { mix32, objectIdOf } from '../pattern.mjs';
import { failure } from './failure.mjs';
import { bytesSource } from './response.mjs';

/**
 * @typedef {'short-length' | 'long-length' | 'wrong-range' | 'short-range' | 'ignore-range' | 'two-lengths' | 'gzip-encoding'
 *   | 'bad-status-line' | 'huge-head' | 'folded-head' | 'bare-lf' | 'wrong-bytes' | 'mixed-version' | 'chunked' | 'no-length'
 *   | 'interim' | 'no-etag' | 'partial-chunk' | 'rewrite-loop'} Lie
 * @typedef {'before-head' | 'after-head' | number} Place a number is a count of body bytes sent
 * @typedef {{
 *   delayMs?: number, status?: number, code?: string, message?: string, retryAfter?: number | string,
 *   applied?: boolean, onBody?: import('./connection.mjs').OnBody, cutAfter?: Place, reset?: Place, stall?: Place, stallMs?: number, slow?: number, dribble?: number,
 *   lie?: Lie, by?: number, close?: boolean | 'silent', headers?: Record<string, string | null>, raw?: string | Uint8Array,
 * }} Fault
 * @typedef {{
 *   key?: RegExp | string, bucket?: string, method?: string, op?: import('../origin.d.mts').Operation,
 *   range?: RegExp | string, nth?: number | number[], probability?: number, seed?: number, times?: number, do: Fault,
 * }} Rule
 */

const pattern = (/** @type {RegExp | string | undefined} */ source) =>
  source === undefined ? null : new RegExp(source);

/**
 * @param {Rule[]} rules @param {import('./dialect.mjs').Dialect} dialect
 * @returns {(request: import('./request.mjs').Request) => {index: number, fault: Fault} | null}
 */
export function createScript(rules, dialect) {
  for (const { do: fault } of rules) {
    if (fault.onBody?.do === 'answer' && fault.status === undefined)
      throw new Error('script: an answer on the body needs a status: the request is not carried out');
  }
  const live = rules.map((rule, index) => ({
    rule,
    index,
    key: pattern(rule.key),
    range: pattern(rule.range),
    nth: rule.nth === undefined ? null : [rule.nth].flat(),
    seen: 0,
    left: rule.times ?? Infinity,
    occurrences: new Map(),
  }));
  return (request) => {
    const seen = { op: dialect.operationOf(request), range: dialect.rangeOf(request) ?? '' };
    for (const state of live) {
      if (!describes(state, request, seen)) continue;
      state.seen += 1;
      if (state.left <= 0 || (state.nth !== null && !state.nth.includes(state.seen))) continue;
      if (!drawn(state, request, seen.range)) continue;
      state.left -= 1;
      return { index: state.index, fault: state.rule.do };
    }
    return null;
  };
}

function describes({ rule, key, range }, request, seen) {
  if (rule.op !== undefined && rule.op !== seen.op) return false;
  if (rule.method !== undefined && rule.method !== request.method) return false;
  if (rule.bucket !== undefined && rule.bucket !== request.bucket) return false;
  if (key !== null && !key.test(request.key)) return false;
  return range === null || range.test(seen.range);
}

function drawn({ rule, occurrences }, request, range) {
  if (rule.probability === undefined) return true;
  const name = `${request.method} ${request.target} ${range}`;
  const before = occurrences.get(name) ?? 0;
  occurrences.set(name, before + 1);
  const hash = mix32(objectIdOf(name, before) ^ mix32(rule.seed ?? 0)) >>> 0;
  return hash / 2 ** 32 < rule.probability;
}

/** @param {Fault} fault with a status @param {import('./dialect.mjs').Dialect} dialect @returns {import('./failure.mjs').Failure} */
export function scriptedFailure(fault, dialect) {
  const status = fault.status ?? 500;
  const code = fault.code ?? dialect.codeOf(status) ?? 'Scripted';
  const headers = fault.retryAfter === undefined ? [] : ['Retry-After', String(fault.retryAfter)];
  return failure(status, code, fault.message ?? 'This answer was scripted.', undefined, headers);
}

/**
 * Bends a response as its fault says; what is framing is left to the delivery.
 * @param {import('./response.mjs').Response} response
 * @param {Fault} fault
 * @returns {import('./response.mjs').Response}
 */
export function disguise(response, fault) {
  let { headers, body } = response;
  let { chunked } = response;
  if (fault.lie === 'wrong-bytes') body = flipped(body, fault.by ?? body.length >>> 1);
  if (fault.lie === 'gzip-encoding') {
    body = bytesSource(gzipSync(drain(body), { level: 1 }));
    headers = [...headers, 'Content-Encoding', 'gzip'];
  }
  if (fault.lie === 'no-etag') headers = without(headers, 'etag');
  if (fault.lie === 'chunked') chunked = true;
  for (const [name, value] of Object.entries(fault.headers ?? {})) {
    headers = without(headers, name.toLowerCase());
    if (value !== null) headers = [...headers, name, value];
  }
  return { ...response, headers, body, chunked };
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
  const fill = (/** @type {Uint8Array} */ target, /** @type {number} */ position) => {
    body.fill(target, position);
    const index = at - position;
    if (index >= 0 && index < target.length) target[index] ^= 0xff;
  };
  return { length: body.length, fill };
}
