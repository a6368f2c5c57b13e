/** Faults of a service that nobody has scripted: drawn for each request, where its place is on in this run. */
import { ErrorCode } from '../../protocol/errors.js';
import type { KeyPage, ListRequest, ReadRequest } from '../../protocol/store.js';
import type { SimCallFault } from './faults.js';
import type { SimFaultKind, SimOrigin } from './origin.js';
import type { FaultName } from './sites.js';

/** What a read of so many bytes meets. */
type Make = (origin: SimOrigin, key: string, bytes: number) => SimFaultKind;

const within = ({ oracle }: SimOrigin, bytes: number): number =>
  oracle === null ? 0 : oracle.between(0, Math.max(0, bytes - 1), 'where it breaks');

/** Longest silence before a transport of the real world gives up: an idle body, a first byte. */
const SILENCE_MS = 30_000;

/** Of an answer that is late and right. */
const SLOW_MS = 3000;

const READ_FAULTS: readonly (readonly [FaultName, Make])[] = [
  ['store.stale-connection', () => ({ kind: 'stale-connection' })],
  ['store.token-expired', () => ({ kind: 'stale-credentials' })],
  ['store.clock-skew', () => ({ kind: 'clock-skew' })],
  ['store.503', () => ({ kind: 'throttle', retryAfterMs: 0 })],
  ['store.503-retry-after', () => ({ kind: 'throttle', retryAfterMs: 30_000 })],
  ['store.429', () => ({ kind: 'throttle', retryAfterMs: 100 })],
  ['store.reset-before', () => ({ kind: 'reset', afterBytes: 0 })],
  ['store.reset-after', (_origin, _key, bytes) => ({ kind: 'reset', afterBytes: bytes })],
  ['store.reset-within', (origin, _key, bytes) => ({ kind: 'reset', afterBytes: within(origin, bytes) })],
  [
    'store.short-body',
    (origin, _key, bytes) => ({
      kind: 'reset',
      afterBytes: within(origin, bytes),
      code: ErrorCode.ShortBody,
    }),
  ],
  [
    'store.stall',
    (origin, _key, bytes) => ({ kind: 'stall', afterBytes: within(origin, bytes), forMs: SILENCE_MS }),
  ],
  [
    'store.slow',
    ({ oracle }) => ({ kind: 'slow', forMs: oracle?.between(50, SLOW_MS, 'how slow it is') ?? 0 }),
  ],
  ['store.drip', () => ({ kind: 'drip', bytes: 10, everyMs: 1000 })],
  ['store.wrong-range', () => ({ kind: 'wrong-range' })],
];

export function drawReadFault(origin: SimOrigin, key: string, request: ReadRequest): SimFaultKind | null {
  const { sites, oracle, replacement } = origin;
  if (sites === null || oracle === null || sites.over) return null;
  for (const [name, make] of READ_FAULTS) if (sites.strikes(name)) return make(origin, key, request.length);
  if (replacement !== null && sites.strikes('store.version-change')) {
    const object = replacement(key);
    if (object !== null) return { kind: 'replace', object };
  }
  // Where nobody looks, a wrong byte is delivered: no promise is broken by that.
  const looked = origin.checksums && (request.whole || origin.corruptsPieces) && request.verify !== 'never';
  if (looked && request.length > 0 && sites.strikes('store.corrupt'))
    return { kind: 'corrupt', atByte: within(origin, request.length) };
  return null;
}

export function drawCallFault({ sites }: SimOrigin, on: SimCallFault['on']): SimCallFault | null {
  if (sites === null || sites.over) return null;
  if (sites.strikes('store.token-expired')) return { on, kind: 'stale-credentials' };
  if (sites.strikes('store.clock-skew')) return { on, kind: 'clock-skew' };
  if (sites.strikes('store.503'))
    return { on, kind: 'lost', outcome: 'throttled', applied: false, retryAfterMs: 0 };
  if (sites.strikes('write.lost')) return { on, kind: 'lost', outcome: 'transient', applied: false };
  if (sites.strikes('write.lost-applied')) return { on, kind: 'lost', outcome: 'transient', applied: true };
  return null;
}

/** The page as a service gives it that has lost its place: the first one again, or the one behind. */
export function drawPage(
  { sites }: SimOrigin,
  request: ListRequest,
  pageOf: (request: ListRequest) => KeyPage,
): KeyPage {
  const page = pageOf(request);
  if (sites === null) return page;
  if (request.continuation !== null && sites.strikes('list.page-repeated'))
    return pageOf({ ...request, continuation: null });
  if (page.next !== null && sites.strikes('list.page-skipped'))
    return pageOf({ ...request, continuation: page.next });
  return page;
}
