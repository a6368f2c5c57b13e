/**
 * What the process holds, taken between two rounds when nothing is under way: memory after a forced collection of every
 * isolate, handles, descriptors, threads.
 *
 * What it keeps true:
 * 1. Each isolate is collected before memory is read, the workers' too: a load with a transform does it there.
 * 2. Resident memory is told apart by what it is for, so that a slope can be followed to its cause.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { holdings } from '../kit/leaks.mjs';
import { MEMORY_BUDGET, SMALL, keyOf, uriOf } from './objects.mjs';

const COLLECT = new URL('./transforms/collect.mjs', import.meta.url);
/** Each load gives every worker some objects, as good as always. */
const MAX_COLLECTIONS = 20;
const OBJECTS_PER_WORKER = 8;
/** Finalizers run in turns of their own, and what they let go is garbage of the next collection. */
const COLLECTIONS = 3;
const MAX_CLOSING_TURNS = 400;
const CLOSING_PAUSE_MS = 5;
/** glibc reserves its arenas in pieces of this size, aligned to it (HEAP_MAX_SIZE on 64 bits). */
const GLIBC_HEAP_BYTES = 64n * 2n ** 20n;
const KIB = 1024;

/**
 * @typedef {{arena: number, malloc: number, mallocArenas: number, anonymous: number, files: number}} Resident bytes: the
 *   runtime's arena; the heap of the main thread's malloc; malloc arenas of other threads; other anonymous memory (V8 heaps,
 *   stacks, large buffers); mapped files
 * @typedef {{threadId: number, heapUsed: number, external: number, arrayBuffers: number}} WorkerHeap
 */

/** @param {import('millrace').Runtime} runtime @param {number} workers @returns {Promise<WorkerHeap[]>} */
async function collectWorkers(runtime, workers) {
  /** @type {Map<number, WorkerHeap>} */
  const heaps = new Map();
  const uris = Array.from({ length: workers * OBJECTS_PER_WORKER }, (_, i) => uriOf(keyOf(SMALL, i)));
  for (let turn = 0; turn < MAX_COLLECTIONS && heaps.size < workers; turn += 1) {
    for await (const batch of runtime.loader(uris, { transform: COLLECT }))
      for (const { value } of batch) {
        const heap = /** @type {WorkerHeap} */ (value);
        heaps.set(heap.threadId, heap);
      }
  }
  return [...heaps.values()];
}

/** Kept connections end, so that descriptors can be compared. @param {import('../../dist/testing/index.js').Origin} origin */
async function closeConnections(origin) {
  for (let turn = 0; turn < MAX_CLOSING_TURNS; turn += 1) {
    await origin.closeIdle();
    if ((await origin.stats()).connections === 0) return;
    await sleep(CLOSING_PAUSE_MS);
  }
}

/** Kinds of descriptors, such as `socket`, with how many there are. @param {ReadonlyMap<string, string>} files */
export function kindsOf(files) {
  /** @type {Record<string, number>} */
  const kinds = {};
  for (const target of files.values()) {
    const kind = /^(?:anon_inode:)?\[?([a-z]+)\]?:?/.exec(target)?.[1] ?? 'file';
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

/**
 * Resident bytes by what they are for, of the text of `/proc/self/smaps`.
 * @param {string} text @param {number} arenaBytes length of the runtime's buffer, at least
 * @returns {Resident}
 */
export function residentOf(text, arenaBytes) {
  const resident = { arena: 0, malloc: 0, mallocArenas: 0, anonymous: 0, files: 0 };
  /** @type {keyof Resident} */
  let kind = 'anonymous';
  for (const line of text.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)\s*(.*)$/.exec(line);
    if (head !== null) kind = kindOf(head, arenaBytes);
    else if (line.startsWith('Rss:')) resident[kind] += Number(/\d+/.exec(line)?.[0]) * KIB;
  }
  return resident;
}

/** @param {RegExpExecArray} head @param {number} arenaBytes @returns {keyof Resident} */
function kindOf([, from, to, access, inode, path], arenaBytes) {
  const start = BigInt(`0x${from}`);
  const length = Number(BigInt(`0x${to}`) - start);
  if (inode !== '0') return 'files';
  if (path === '[heap]') return 'malloc';
  if (length >= arenaBytes && access.startsWith('rw')) return 'arena';
  if (start % GLIBC_HEAP_BYTES === 0n && access.startsWith('rw')) return 'mallocArenas';
  return 'anonymous';
}

/** Nanoseconds that the threads of a process ran, and waited for a CPU. @param {number | 'self'} pid */
export function scheduled(pid) {
  const ran = { runMs: 0, waitMs: 0 };
  for (const task of tasksOf(pid)) {
    let text;
    try {
      text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
    } catch {
      continue; // It ended between the two calls.
    }
    const [run, wait] = text.split(' ');
    ran.runMs += Number(run) / 1e6;
    ran.waitMs += Number(wait) / 1e6;
  }
  return ran;
}

/** @param {number | 'self'} pid */
function tasksOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Resident bytes of another process; 0 where it is gone. @param {number} pid */
function residentOfProcess(pid) {
  try {
    return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * KIB;
  } catch {
    return 0;
  }
}

/**
 * Everything at once, when nothing is under way.
 * @param {{runtime: import('millrace').Runtime, origin: import('../../dist/testing/index.js').Origin, workers: number}} soak
 */
export async function gauge({ runtime, origin, workers }) {
  const heaps = await collectWorkers(runtime, workers);
  await closeConnections(origin);
  for (let turn = 0; turn < COLLECTIONS; turn += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  const held = holdings();
  const { arena, streams, deaths } = await runtime.stats();
  const sum = (/** @type {keyof WorkerHeap} */ field) =>
    heaps.reduce((total, heap) => total + heap[field], 0);
  return {
    rss,
    resident: residentOf(readFileSync('/proc/self/smaps', 'utf8'), MEMORY_BUDGET),
    heapUsed,
    heapTotal,
    youngGeneration: youngGenerationBytes(),
    external,
    // Each isolate counts the whole arena as its own.
    arrayBuffers: arrayBuffers - arenaBufferBytes(arrayBuffers),
    workers: { count: heaps.length, heapUsed: sum('heapUsed'), external: sum('external') },
    originRss: residentOfProcess(origin.pid),
    threads: held.threads.size,
    descriptors: kindsOf(held.files),
    handles: Object.fromEntries([...held.resources].filter(([name]) => name !== 'Immediate')),
    arena: { used: arena.usedBytes, peak: arena.peakBytes, quarantined: arena.quarantinedBytes },
    streams,
    deaths,
  };
}

/** Mapped for the young generation of this isolate, used or not. */
function youngGenerationBytes() {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return space?.physical_space_size ?? 0;
}

/** The arena's share of what the isolate counts as its buffers. @param {number} arrayBuffers */
function arenaBufferBytes(arrayBuffers) {
  return arrayBuffers >= 2 * MEMORY_BUDGET ? 2 * MEMORY_BUDGET : 0;
}
