/**
 * What runs in the process of one contender for one work: verifies, warms up, measures, and prints one line of JSON.
 *
 * What it keeps true: nothing is measured that was not verified first, byte for byte, in the same process; CPU is that
 * of all threads; the look at each object of the measured pass costs the same for all.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { parsePieces } from './data.mjs';
import { percentile } from './statistics.mjs';
import { CONTENDERS } from '../contenders/index.mjs';

const RESOLUTION_MS = 1;
/** Latencies of at most so many fetches are kept; the pass ends before that in practice. */
const MAX_LATENCIES = 4_000_000;

/**
 * @typedef {object} Job
 * @property {string} contender
 * @property {import('./works.mjs').Work} work
 * @property {string} folder of the run
 * @property {string} origin base URL, for works over a network
 * @property {string} caFile
 * @property {number} verifyBytes at most so many are verified
 * @property {number} verifyObjects
 * @property {number} warmSeconds
 * @property {number} passSeconds what the measured pass is to take
 */

/**
 * @typedef {object} Opened a contender, ready to fetch
 * @property {(from: number, count: number, seen: (index: number, bytes: Uint8Array, ms?: number) => void) => Promise<void>} run
 *   fetches the pieces with these numbers and shows the bytes of each, good for the time of the call
 * @property {number} [step] `from` and `count` are multiples of it; 1 when it is left out
 * @property {() => Promise<void> | void} close
 */

const job = /** @type {Job} */ (JSON.parse(process.argv[2]));
const pieces = parsePieces(readFileSync(`${job.folder}/${job.work.set}.list`, 'utf8'));
const contender = CONTENDERS.find(({ name }) => name === job.contender);
const opened = await contender.open(job, pieces);
const verified = verifyCount();
const verifySeconds = await timed(() => opened.run(0, verified, verify));
let next = verified;
const warm = await warmUp();
const figures = await measure(stepped(Math.max(job.work.batchSize, Math.round(warm * job.passSeconds))));
await opened.close();
process.stdout.write(`${JSON.stringify(figures)}\n`);

function verifyCount() {
  let bytes = 0;
  let count = 0;
  while (count < Math.min(pieces.length, job.verifyObjects) && bytes < job.verifyBytes) {
    bytes += pieces[count++].length;
  }
  if (count === 0) throw new Error(`nothing to verify in ${job.work.set}`);
  return stepped(count);
}

/** The next multiple of what the contender fetches at once. */
function stepped(count) {
  const { step = 1 } = opened;
  return Math.ceil(count / step) * step;
}

function verify(index, bytes) {
  const piece = pieces[index % pieces.length];
  if (bytes.length === piece.length && crc32(bytes) === piece.crc) return;
  const { key, offset, length } = piece;
  // Not caught anywhere: wrong bytes end the process, and the whole bench.
  process.stderr.write(
    `WRONG BYTES: ${job.contender}, ${key} from ${offset}, ${bytes.length} of ${length} bytes\n`,
  );
  process.exit(3);
}

/** Pieces per second. */
async function warmUp() {
  let rate = verified / verifySeconds;
  for (let seconds = 0; seconds < job.warmSeconds;) {
    const count = stepped(Math.max(job.work.batchSize, Math.ceil(rate * (job.warmSeconds - seconds))));
    const took = await timed(() => opened.run(next, count, look));
    next += count;
    seconds += took;
    rate = count / took;
  }
  return rate;
}

function look(index, bytes) {
  const piece = pieces[index % pieces.length];
  if (bytes.length !== piece.length || bytes[0] !== piece.first || bytes[bytes.length - 1] !== piece.last) {
    verify(index, new Uint8Array(0));
  }
}

async function measure(count) {
  const latencies = new Float32Array(Math.min(count, MAX_LATENCIES));
  let objects = 0;
  let bytes = 0;
  let timedObjects = 0;
  const seen = (index, data, ms) => {
    look(index, data);
    objects++;
    bytes += data.length;
    if (ms !== undefined && timedObjects < latencies.length) latencies[timedObjects++] = ms;
  };
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const cpuBefore = process.cpuUsage();
  const wallSeconds = await timed(() => opened.run(next, count, seen));
  const { user, system } = process.cpuUsage(cpuBefore);
  // A loop that was never given back to the event loop is seen when it is.
  await sleep(2 * RESOLUTION_MS);
  delay.disable();
  if (objects !== count) throw new Error(`${job.contender} showed ${objects} of ${count} objects`);
  const sorted = latencies.subarray(0, timedObjects).sort();
  return {
    wallSeconds,
    cpuSeconds: (user + system) / 1e6,
    objects,
    bytes,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    p50Ms: timedObjects === 0 ? null : percentile(sorted, 50),
    p99Ms: timedObjects === 0 ? null : percentile(sorted, 99),
    eventLoopDelayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
  };
}

async function timed(run) {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1e3;
}
