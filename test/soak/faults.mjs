/**
 * One request in a thousand goes wrong, in each way that the origin can script; which ones is drawn per round.
 *
 * What it keeps true:
 * 1. Each kind comes as often in every round, so that rounds can be compared.
 * 2. All of them pass: what is asked again gets a true answer. So no object may fail for them.
 */
import { LARGE, SCRATCH_BUCKET, SMALL } from './objects.mjs';

const MIB = 2 ** 20;

/** Of requests for small objects in a round, and of others; a draw lies below, so that it is met. */
const SMALL_GETS = 6000;
const LARGE_GETS = 8;
const FEW = 4;

/** Shorter than any time-out: it costs its connection the time, and nobody the object. */
const STALL_MS = 300;

const smallGet = { op: 'get', key: `^${SMALL.prefix}` };
const largeGet = { op: 'get', key: `^${LARGE.prefix}`, range: '^bytes=' };
const slowDown = { status: 503, code: 'SlowDown' };

/** @type {readonly {kind: string, among: number, rule: object}[]} */
const SCRIPTED = [
  { kind: 'reset in mid-body', among: SMALL_GETS, rule: { ...smallGet, do: { reset: 1000 } } },
  { kind: 'reset before the head', among: SMALL_GETS, rule: { ...smallGet, do: { reset: 'before-head' } } },
  { kind: 'short body', among: SMALL_GETS, rule: { ...smallGet, do: { cutAfter: 1000 } } },
  { kind: 'stall', among: SMALL_GETS, rule: { ...smallGet, do: { stall: 1000, stallMs: STALL_MS } } },
  {
    kind: '503 with Retry-After',
    among: SMALL_GETS,
    rule: { ...smallGet, do: { ...slowDown, retryAfter: 1 } },
  },
  { kind: '503', among: SMALL_GETS, rule: { ...smallGet, do: slowDown } },
  { kind: '500', among: SMALL_GETS, rule: { ...smallGet, do: { status: 500, code: 'InternalError' } } },
  // Only where the answer carries a checksum: of a part there is none.
  {
    kind: 'corrupt bytes',
    among: SMALL_GETS,
    rule: { ...smallGet, range: '^$', do: { lie: 'wrong-bytes', by: 0 } },
  },
  { kind: 'stale connection', among: SMALL_GETS, rule: { ...smallGet, do: { close: 'silent' } } },
  { kind: 'short range', among: LARGE_GETS, rule: { ...largeGet, do: { lie: 'short-range' } } },
  { kind: 'reset in a part', among: LARGE_GETS, rule: { ...largeGet, do: { reset: 3 * MIB } } },
  { kind: '503 of a listing', among: FEW, rule: { op: 'list', do: slowDown } },
  {
    kind: 'reset of an upload',
    among: FEW,
    rule: { op: 'put-part', bucket: SCRATCH_BUCKET, do: { onBody: { at: MIB, do: 'reset' } } },
  },
  { kind: '503 of a put', among: FEW, rule: { op: 'put', bucket: SCRATCH_BUCKET, do: slowDown } },
];

/** What is done to the origin in the middle of a round, by works of their own; the requests that meet it are counted. */
export const EXPIRED_TOKEN = 'expired token';
export const IDLE_CLOSED = 'idle connection closed';

/** Every kind that a run must have seen. */
export const FAULT_KINDS = [...SCRIPTED.map(({ kind }) => kind), EXPIRED_TOKEN, IDLE_CLOSED];

/** The script of a round. @param {() => number} random @returns {any[]} rules with the names of their kinds */
export function rulesOf(random) {
  return SCRIPTED.map(({ kind, among, rule }) => ({
    ...rule,
    name: kind,
    nth: 1 + Math.floor(random() * among),
  }));
}

/** Adds what a round's rules met to the totals. @param {Map<string, number>} totals @param {Readonly<Record<string, number>>} fired by name */
export function addHits(totals, fired) {
  for (const { kind } of SCRIPTED) totals.set(kind, (totals.get(kind) ?? 0) + (fired[kind] ?? 0));
}
