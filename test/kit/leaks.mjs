/**
 * What this process holds of the machine: handles of the event loop, threads, file descriptors; and a wait until it
 * holds no more than before.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';

const DEFAULT_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** @param {string} directory @param {(entry: string) => string} describe @returns {Map<string, string>} */
function entries(directory, describe) {
  const found = new Map();
  let names;
  try {
    names = readdirSync(directory);
  } catch {
    return found;
  }
  for (const name of names) {
    try {
      found.set(name, describe(`${directory}/${name}`));
    } catch {
      // It ended between the two calls, as the descriptor of the listing itself always does.
    }
  }
  return found;
}

/** @returns {import('./leaks.d.mts').Holdings} */
export function holdings() {
  /** @type {Map<string, number>} */
  const resources = new Map();
  for (const name of process.getActiveResourcesInfo()) resources.set(name, (resources.get(name) ?? 0) + 1);
  return {
    resources,
    threads: entries('/proc/self/task', (path) => readFileSync(`${path}/comm`, 'utf8').trim()),
    files: entries('/proc/self/fd', (path) => readlinkSync(path)),
  };
}

/**
 * A baseline to come back to. The thread pool of libuv starts at its first use and never ends, so it is started here.
 * @returns {Promise<import('./leaks.d.mts').Holdings>}
 */
export async function takeBaseline() {
  await stat('.');
  await new Promise((resolve) => setImmediate(resolve));
  return holdings();
}

/** @param {import('./leaks.d.mts').Holdings} baseline @param {import('./leaks.d.mts').Ignored} [ignored] */
export function excess(baseline, { resources: ignoredResources = [] } = {}) {
  const now = holdings();
  const lines = [];
  for (const [name, count] of now.resources) {
    const before = baseline.resources.get(name) ?? 0;
    // The wait below polls with a timer of its own.
    if (name === 'Timeout' || name === 'Immediate' || ignoredResources.includes(name)) continue;
    if (count > before) lines.push(`${count - before} more ${name} (${before} before)`);
  }
  if (now.threads.size > baseline.threads.size) {
    const fresh = [...now.threads]
      .filter(([id]) => !baseline.threads.has(id))
      .map(([id, name]) => `${name}#${id}`);
    const more = now.threads.size - baseline.threads.size;
    lines.push(`${more} more threads (${baseline.threads.size} before); new: ${fresh.join(', ')}`);
  }
  if (now.files.size > baseline.files.size) {
    const fresh = [...now.files].filter(([fd, target]) => baseline.files.get(fd) !== target);
    const more = now.files.size - baseline.files.size;
    lines.push(
      `${more} more descriptors (${baseline.files.size} before); new: ${fresh.map(([fd, t]) => `${fd} ${t}`).join(', ')}`,
    );
  }
  return lines;
}

/**
 * Resolves when the process holds no more than at the baseline; rejects with what is left.
 * @param {import('./leaks.d.mts').Holdings} baseline
 * @param {import('./leaks.d.mts').Ignored & {timeoutMs?: number}} [options]
 */
export async function backToBaseline(baseline, options = {}) {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const end = performance.now() + timeoutMs;
  for (;;) {
    const left = excess(baseline, options);
    if (left.length === 0) return;
    if (performance.now() > end) throw new Error(`still held after ${timeoutMs} ms:\n  ${left.join('\n  ')}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * How many timers and immediates hold the event loop open. Apart from the rest, since the wait above uses one.
 * @returns {number}
 */
export function pendingTimers() {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length;
}
