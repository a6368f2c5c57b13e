/**
 * What signals do to the command.
 *
 * Invariants:
 * 1. The first SIGINT, SIGTERM or SIGHUP (the terminal is gone) drains: nothing new is started, what is in flight is finished or handed back.
 * 2. A second one ends the process at once, by the signal itself, after the temporary files are removed.
 * 3. The process ends even when a thread is blocked for good in a call of the system: `process.exit()` would wait for
 *    that thread for ever, so after the deadline of the drain and a grace the process is killed, with a message.
 */
import { constants } from 'node:os';
import { CancellationToken } from '../protocol/token.js';

/** What the handlers need of the process; tests give their own. */
export interface SignalHost {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  removeListener(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  /** Sends a signal to the own process. */
  raise(signal: NodeJS.Signals): void;
  /** One line for the user. */
  say(line: string): void;
  /** Calls `fn` after `ms`, also while nothing else keeps the process alive; returns what takes it back. */
  after(ms: number, fn: () => void): () => void;
}

export interface Signals {
  readonly token: CancellationToken;
  /** The first signal that came, or null. */
  readonly received: NodeJS.Signals | null;
  /** Runs `fn`, synchronously, before a second signal ends the process. Returns what takes it back. */
  readonly beforeDeath: (fn: () => void) => () => void;
  dispose(): void;
}

const HANDLED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
export const DRAIN_DEADLINE_MS = 25_000;
/** From the cancel that ends a drain to the kill: long enough for every wait that can end. */
export const KILL_GRACE_MS = 5_000;

export function installSignals(host: SignalHost): Signals {
  const token = new CancellationToken();
  const cleanups = new Set<() => void>();
  let received: NodeJS.Signals | null = null;
  let disarm = (): void => {};
  const removeAll = (): void => {
    for (const signal of HANDLED) host.removeListener(signal, onSignal);
  };
  function onSignal(signal: NodeJS.Signals): void {
    if (received === null) {
      received = signal;
      host.say(`${signal}: finishing what is in flight; once more to end at once`);
      disarm = host.after(DRAIN_DEADLINE_MS + KILL_GRACE_MS, () => {
        runAll(cleanups);
        killSelf(host, `not over ${(DRAIN_DEADLINE_MS + KILL_GRACE_MS) / 1000} s after ${signal}`);
      });
      token.drain(signal, { deadlineMs: DRAIN_DEADLINE_MS });
      return;
    }
    runAll(cleanups);
    removeAll();
    host.raise(signal);
  }
  for (const signal of HANDLED) host.on(signal, onSignal);
  return {
    token,
    get received() {
      return received;
    },
    beforeDeath: (fn) => {
      cleanups.add(fn);
      return () => void cleanups.delete(fn);
    },
    dispose: () => {
      disarm();
      removeAll();
    },
  };
}

/** Says why, and ends the process in the one way that no blocked thread can hold up. */
export function killSelf(host: Pick<SignalHost, 'say' | 'raise'>, why: string): void {
  host.say(`${why}: a thread may be blocked in a call of the system, which only a kill ends`);
  host.raise('SIGKILL');
}

function runAll(cleanups: ReadonlySet<() => void>): void {
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // The process is about to end; what could not be removed stays, and the next cleanup still runs.
    }
  }
}

/** 128 + the signal's number, as shells have it. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
