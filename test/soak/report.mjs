/** The report of a run: a line per sample while it goes on, and at the end what became of each promise. Pure. */
import { EXPIRED_TOKEN, IDLE_CLOSED } from './faults.mjs';

const MB = 1e6;
/** Not drawn per request: one event each, that several requests or none may meet. */
const NOT_DRAWN = new Set([EXPIRED_TOKEN, IDLE_CLOSED]);
const mb = (/** @type {number} */ bytes) => (bytes / MB).toFixed(1);

const COLUMNS = [
  ['min', (s) => (s.atMs / 60_000).toFixed(1)],
  ['rounds', (s) => s.rounds],
  ['items/s', (s) => Math.round((s.items / s.wallMs) * 1000)],
  ['MB/s', (s) => (s.bytes / 1e3 / s.wallMs).toFixed(0)],
  ['items/cpu s', (s) => Math.round((s.items / s.cpuMs) * 1000)],
  ['cpu s/GB', (s) => ((s.cpuMs * 1e6) / s.bytes).toFixed(2)],
  ['in line', (s) => `${Math.round((s.waitMs / s.wallMs) * 100)}%`],
  ['rss', (s) => mb(s.rss)],
  ['arena', (s) => mb(s.resident.arena)],
  ['malloc', (s) => mb(s.resident.malloc + s.resident.mallocArenas)],
  ['anon', (s) => mb(s.resident.anonymous)],
  ['young', (s) => mb(s.youngGeneration)],
  ['heap', (s) => mb(s.heapUsed)],
  ['extern', (s) => mb(s.external - s.arrayBuffers)],
  ['buffers', (s) => mb(s.arrayBuffers)],
  ['w.heap', (s) => mb(s.workers.heapUsed)],
  ['origin', (s) => mb(s.originRss)],
  ['threads', (s) => s.threads],
  ['fds', (s) => total(s.descriptors)],
  ['handles', (s) => total(s.handles)],
  ['streams', (s) => s.streams],
  ['used', (s) => mb(s.arena.used)],
  ['quar.', (s) => mb(s.arena.quarantined)],
  ['loop p99', (s) => s.loopDelayP99Ms.toFixed(0)],
  ['retries', (s) => s.retries],
  ['faults', (s) => s.faults],
  ['deaths', (s) => s.deaths],
  ['broken', (s) => s.broken],
];

/** @param {Record<string, number>} counts */
function total(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Names of the columns of `sampleLine`. */
export function headLine() {
  return COLUMNS.map(([name]) => String(name).padStart(widthOf(String(name)))).join(' ');
}

/** @param {any} sample */
export function sampleLine(sample) {
  return COLUMNS.map(([name, value]) =>
    String(/** @type {any} */ (value)(sample)).padStart(widthOf(String(name))),
  ).join(' ');
}

/** @param {string} name */
function widthOf(name) {
  return Math.max(6, name.length);
}

/** Everything as one document. @param {any} run @param {any} verdict */
export function documentOf(run, verdict) {
  const { rounds, samples, ledger, faults, ...rest } = run;
  const sum = (/** @type {string} */ name) =>
    rounds[name].reduce((/** @type {number} */ all, /** @type {number} */ one) => all + one, 0);
  const requests = sum('requests');
  const hits = [...faults].reduce((all, [kind, count]) => (NOT_DRAWN.has(kind) ? all : all + count), 0);
  return {
    ...rest,
    ok: isOk(verdict),
    node: process.version,
    rounds: rounds.length,
    items: sum('items'),
    bytes: sum('bytes'),
    requests,
    faultsPerThousandRequests: requests === 0 ? null : (hits * 1000) / requests,
    faults: Object.fromEntries(faults),
    errors: Object.fromEntries(ledger.errors),
    works: Object.fromEntries(ledger.works),
    retries: ledger.retries,
    cpuSecondsPerGB: sum('bytes') === 0 ? null : (sum('cpuMs') * 1e6) / sum('bytes'),
    broken: ledger.broken,
    firstBroken: ledger.first,
    ...verdict,
    samples,
  };
}

/** What could not be told is no broken promise. @param {{findings: {kept: boolean | null}[]}} verdict */
export function isOk({ findings }) {
  return findings.every(({ kept }) => kept !== false);
}

/** @param {ReturnType<typeof documentOf>} document */
export function textOf(document) {
  const counted = (/** @type {Record<string, number>} */ counts) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const slope = (/** @type {any} */ fit) =>
    fit === null ? '-' : `${fit.slope.toFixed(2)} (${fit.low.toFixed(2)} to ${fit.high.toFixed(2)})`;
  const lines = [
    `seed ${document.seed}, ${document.workers} workers, Node ${document.node}${document.isCutShort ? ', cut short' : ''}`,
    `${document.rounds} rounds: ${document.items} items, ${(document.bytes / 1e9).toFixed(2)} GB, ${document.requests} requests, ` +
      `${document.retries} retries, ${document.deaths} deaths of workers, ${document.cpuSecondsPerGB?.toFixed(2) ?? '-'} s of CPU per GB`,
    `faults: ${document.faultsPerThousandRequests?.toFixed(2) ?? '-'} in 1,000 requests: ${counted(document.faults)}`,
    `errors that were to come: ${counted(document.errors)}`,
    `slopes, MB/h: ${Object.entries(document.slopes)
      .map(([name, fit]) => `${name} ${slope(fit)}`)
      .join(', ')}`,
    ...ratioLines(document.throughput),
    '',
  ];
  for (const { kept, promise, why } of document.findings)
    lines.push(`${kept === null ? 'cannot tell' : kept ? 'kept       ' : 'BROKEN     '}  ${promise}: ${why}`);
  for (const what of document.firstBroken) lines.push(`  - ${what}`);
  return lines.join('\n');
}

/** @param {any} throughput */
function ratioLines({ rounds, roundMs, ...ratios }) {
  const lines = [
    `${rounds} rounds after the warm-up, of ${Math.round(roundMs)} ms; last sixth over first sixth:`,
  ];
  for (const [name, found] of Object.entries(ratios)) {
    if (found === null) continue;
    const { first, last, ratio, margin } = /** @type {any} */ (found);
    lines.push(
      `  ${name}: ${first.toPrecision(5)} to ${last.toPrecision(5)}, ${ratio.toFixed(4)} +- ${margin.toFixed(4)}`,
    );
  }
  return lines;
}
