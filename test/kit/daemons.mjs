/**
 * Server processes that belong to one test file: a scratch directory, children with their output kept in it, and an end
 * that leaves neither. What the real servers of this kit have in common.
 *
 * What it keeps true:
 * 1. Everything a server writes lies in one temporary directory, which goes at the stop, as do the processes, by their ids.
 * 2. A server that ends before the stop fails whoever waits for it, with the end of what it has printed.
 * 3. Every wait is bounded.
 */
import { execFile, spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const MAX_ATTEMPTS = 3;
const POLL_MS = 25;
/** How much of a server's output an error tells. */
const TAIL_CHARS = 2_000;
/** Run before a server on Node: its input ends with the process that started it, and then so does the server. */
const ENDS_WITH_PARENT = 'data:text/javascript,process.stdin.on("end",()=>process.exit()).resume()';

const exec = promisify(execFile);
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {string[]} programs @returns {string[]} those that are not on the PATH */
export function missingPrograms(programs) {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return programs.filter(
    (program) =>
      !directories.some((directory) => {
        try {
          accessSync(join(directory, program), constants.X_OK);
          return true;
        } catch {
          return false;
        }
      }),
  );
}

/** @param {number} count @returns {Promise<number[]>} ports that were free a moment ago, all different */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve, reject) => {
        server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Ports that somebody else took in between are tried again with others.
 * @template T
 * @param {number} count
 * @param {(ports: number[]) => Promise<T>} attempt cleans up after itself when it fails
 * @param {number[]} [wanted] the ports of the first attempt
 * @returns {Promise<T>}
 */
export async function onFreePorts(count, attempt, wanted) {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(tries === 1 && wanted !== undefined ? wanted : await freePorts(count));
    } catch (error) {
      if (!/in use|unable to bind/i.test(String(error)) || tries === MAX_ATTEMPTS) throw error;
    }
  }
}

/** One server's directory and processes. */
export class Daemons {
  /** @type {Array<{child: import('node:child_process').ChildProcess, signal: NodeJS.Signals, exited: Promise<unknown>}>} */
  #running = [];
  #label;
  #env;
  #stopping = false;
  /** @type {Promise<void> | undefined} */
  #stopped;
  /** @type {(error: Error) => void} */
  #fail = () => {};
  /** Rejects when a daemon ends before the stop. @type {Promise<never>} */
  #failed = new Promise((_, reject) => {
    this.#fail = reject;
  });
  #onExit = () => this.#abandon();

  /**
   * @param {string} label of the directory and of errors
   * @param {(directory: string) => Record<string, string | undefined>} [env] beside this process's own
   */
  constructor(label, env = () => ({})) {
    this.#failed.catch(() => {});
    this.#label = label;
    this.directory = mkdtempSync(join(tmpdir(), `millrace-${label}-`));
    // What a server or its runtime leaves in the places of temporary files and of a user's settings, it leaves here.
    this.#env = { ...process.env, TMPDIR: this.directory, HOME: this.directory, ...env(this.directory) };
    mkdirSync(join(this.directory, 'log'));
    process.on('exit', this.#onExit);
  }

  /** Runs a program to its end. @param {string} program @param {string[]} args */
  run(program, ...args) {
    return exec(program, args, { env: this.#env, timeout: READY_TIMEOUT_MS, cwd: this.directory });
  }

  /**
   * Starts a daemon in the foreground, its output in the log directory.
   * @param {string} program
   * @param {string[]} args
   * @param {{signal?: NodeJS.Signals, stdin?: 'ignore' | 'pipe', name?: string}} [options] `signal` is its farewell
   * @returns {{pid: number, output: () => string}}
   */
  start(program, args, { signal = 'SIGKILL', stdin = 'ignore', name = program } = {}) {
    const log = join(this.directory, 'log', `${name}.out`);
    const out = openSync(log, 'a');
    const child = spawn(program, args, {
      env: this.#env,
      stdio: [stdin, out, out],
      cwd: this.directory,
    });
    closeSync(out);
    const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    this.#running.push({ child, signal, exited });
    const output = () => readFileSync(log, 'utf8').slice(-TAIL_CHARS);
    void exited.then(() => {
      if (this.#stopping) return;
      const ended = `code ${child.exitCode}, signal ${child.signalCode}`;
      this.#fail(new Error(`${this.#label}: ${name} ended with ${ended}: ${output()}`));
    });
    return { pid: child.pid ?? -1, output };
  }

  /** Starts a server that is a Node script; it ends with this process, however that ends. */
  startNode(script, ...args) {
    const options = /** @type {const} */ ({ stdin: 'pipe', name: 'node' });
    return this.start(process.execPath, ['--import', ENDS_WITH_PARENT, script, ...args], options);
  }

  /**
   * Waits until `prepare` has ended and then `look` has found something, and tidies up when that fails.
   * @template T
   * @param {() => Promise<T | null> | T | null} look
   * @param {string} what it is that is waited for, for the error
   * @param {() => Promise<void>} [prepare]
   * @returns {Promise<T>}
   */
  async ready(look, what, prepare = async () => {}) {
    const found = prepare().then(() => this.#poll(look, what));
    found.catch(() => {});
    try {
      return await Promise.race([found, this.#failed]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #poll(look, what) {
    const end = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      if (performance.now() > end || this.#stopping) {
        throw new Error(`${this.#label}: no ${what} in ${READY_TIMEOUT_MS} ms`);
      }
      await sleep(POLL_MS);
    }
  }

  /** The last started is the first to end. Waits for every process; safe to call again. */
  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    this.#stopping = true;
    for (const { child, signal, exited } of this.#running.toReversed()) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    }
    process.off('exit', this.#onExit);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** This process ends without having stopped it. */
  #abandon() {
    for (const { child } of this.#running) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** @param {string} url @returns {Promise<true | null>} whether it answers well */
export async function answers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok || null;
  } catch {
    return null;
  }
}
