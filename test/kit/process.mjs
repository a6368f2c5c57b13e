/**
 * Runs a Node script as a child process and watches it: lines, signals, exit. Every wait has a bound, and fails with
 * everything that the child has printed so far.
 */
import { spawn } from 'node:child_process';

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * @param {string} script path of a module
 * @param {import('./process.d.mts').RunOptions} [options]
 * @returns {import('./process.d.mts').Running}
 */
export function runNode(script, options = {}) {
  const {
    args = [],
    execArgv = [],
    node = process.execPath,
    cwd,
    env,
    timeoutMs = DEFAULT_TIMEOUT_MS,
  } = options;
  const child = spawn(node, [...execArgv, script, ...args], { cwd, env: { ...process.env, ...env } });
  return watch(child, `${script} ${args.join(' ')}`.trim(), timeoutMs);
}

/** @param {import('node:child_process').ChildProcessWithoutNullStreams} child @param {string} name @param {number} timeoutMs */
function watch(child, name, timeoutMs) {
  const printed = { stdout: '', stderr: '' };
  /** @type {import('./process.d.mts').Exit | null} */
  let ended = null;
  /** @type {Set<() => void>} */
  const watchers = new Set();
  const changed = () => {
    for (const look of watchers) look();
  };
  for (const stream of /** @type {const} */ (['stdout', 'stderr'])) {
    child[stream].setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      printed[stream] += text;
      changed();
    });
  }
  child.stdin.on('error', () => {});
  child.on('error', (error) => {
    printed.stderr += `\n${error.message}`;
    changed();
  });
  child.on('close', (code, signal) => {
    ended = { code, signal, ...printed };
    changed();
  });
  const state = () =>
    `${ended === null ? 'still running' : `ended with code ${ended.code}, signal ${ended.signal}`}\n` +
    `--- stdout\n${printed.stdout}\n--- stderr\n${printed.stderr}`;

  /** Looks after every change until `find` gives something, the child ends (when that cannot help) or time is up. */
  const until = (/** @type {() => any} */ find, /** @type {string} */ what, ms = timeoutMs) =>
    new Promise((resolve, reject) => {
      const finish = (/** @type {() => void} */ settle) => {
        watchers.delete(look);
        clearTimeout(timer);
        settle();
      };
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        finish(() => reject(new Error(`${name}: waited ${ms} ms for ${what}: ${state()}`)));
      }, ms);
      const look = () => {
        const found = find();
        if (found !== null) finish(() => resolve(found));
        else if (ended !== null) finish(() => reject(new Error(`${name}: no ${what}: ${state()}`)));
      };
      watchers.add(look);
      look();
    });

  return {
    pid: child.pid ?? -1,
    get stdout() {
      return printed.stdout;
    },
    get stderr() {
      return printed.stderr;
    },
    waitForLine: (pattern, { stream = 'stdout', timeoutMs: ms } = {}) =>
      until(() => lineMatch(printed[stream], pattern), `line of ${stream} like ${pattern}`, ms),
    exit: (ms) => until(() => ended, 'exit', ms),
    signal: (signal) => child.kill(signal),
    send: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    kill: async () => {
      child.kill('SIGKILL');
      return until(() => ended, 'exit after SIGKILL');
    },
  };
}

/** Only whole lines count: half a line may still become another one. */
function lineMatch(text, pattern) {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  for (const line of lines.slice(0, -1)) {
    const match = new RegExp(pattern).exec(line);
    if (match !== null) return match;
  }
  return null;
}
