/**
 * One pass of fio: ramps up, reads the file round and round for the time of a pass, and prints one line as child.mjs does.
 *
 * What it reads is compared with nothing, and CPU is that of its reading thread.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BUCKET, parsePieces } from '../lib/data.mjs';

const POLL_MS = 50;

/** @type {import('../lib/child.mjs').Job} */
const { work, folder, warmSeconds, passSeconds } = JSON.parse(process.argv[2]);
const [{ key }] = parsePieces(readFileSync(`${folder}/${work.set}.list`, 'utf8'));
const child = spawn(
  'fio',
  [
    '--name=pass',
    `--filename=${folder}/data/${BUCKET}/${key}`,
    '--readonly',
    '--rw=read',
    '--direct=1',
    '--ioengine=libaio',
    `--bs=${work.pieceBytes}`,
    `--iodepth=${work.connections}`,
    '--thread',
    '--time_based',
    `--ramp_time=${warmSeconds}s`,
    `--runtime=${passSeconds}s`,
    '--percentile_list=50:99',
    '--output-format=json',
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
process.once('exit', () => child.kill('SIGKILL'));
let peakRssBytes = 0;
const poll = setInterval(() => {
  peakRssBytes = Math.max(peakRssBytes, highWater(child.pid));
}, POLL_MS);
let out = '';
child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
child.once('close', (status) => {
  clearInterval(poll);
  if (status !== 0) {
    process.stderr.write(`Error: fio ended with ${status}: ${out.slice(-300)}\n`);
    process.exit(1);
  }
  // Notes may stand before the document.
  const [{ read, usr_cpu: user, sys_cpu: system, error }] = JSON.parse(out.slice(out.indexOf('{'))).jobs;
  if (error !== 0) throw new Error(`fio failed with error ${error}`);
  const wallSeconds = read.runtime / 1000;
  const { 50: p50, 99: p99 } = Object.fromEntries(
    Object.entries(read.clat_ns.percentile).map(([name, value]) => [Number(name), value / 1e6]),
  );
  const figures = {
    wallSeconds,
    cpuSeconds: (wallSeconds * (user + system)) / 100,
    objects: read.io_bytes / work.pieceBytes,
    bytes: read.io_bytes,
    peakRssBytes,
    p50Ms: p50,
    p99Ms: p99,
    eventLoopDelayP99Ms: null,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
});

/** The highest resident set of a process so far; 0 for one that is gone. */
function highWater(pid) {
  try {
    return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
