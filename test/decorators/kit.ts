/** A clock in the hand, signals to turn, and a store whose calls wait until they are let go. */
import type { DecoratorClock } from '../../dist/decorators/clock.js';
import type { TurnSignal } from '../../dist/protocol/context.js';
import { type StopSignal, StopState } from '../../dist/protocol/stop.js';
import type { Answer, AsyncStore, ReadAnswer, ReadRequest } from '../../dist/protocol/store.js';
import { type WriteRequest, written } from '../../dist/protocol/writes.js';
import { handClock } from '../protocol/hand-clock.js';

export interface HandDecoratorClock extends DecoratorClock {
  /** Moves the time by whole milliseconds, with a turn of the event loop for whoever goes on at each. */
  advance(ms: number): Promise<void>;
  /** Sleeps that wait. */
  readonly timers: number;
}

export function decoratorClock(): HandDecoratorClock {
  const clock = handClock();
  return {
    now: () => clock.now(),
    sleep: (ms, stop) =>
      new Promise((resolve) => {
        const end = (): void => {
          cancel();
          unlink();
          resolve();
        };
        const cancel = clock.after(ms, end);
        const unlink = stop.onTurn(end);
      }),
    advance: async (ms) => {
      await turns();
      for (let passed = 0; passed < ms; passed += 1) {
        clock.advance(1);
        await turns();
      }
    },
    get timers() {
      return clock.timers;
    },
  };
}

/** Whoever can go on without a timer has gone on. */
export async function turns(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export interface HandSignal extends TurnSignal {
  turn(state: StopState): void;
  readonly listeners: number;
}

export function handSignal(): HandSignal {
  let state: StopState = StopState.Live;
  const listeners = new Set<() => void>();
  const link = (fn: () => void): (() => void) => {
    listeners.add(fn);
    return () => listeners.delete(fn);
  };
  return {
    get state() {
      return state;
    },
    onTurn: link,
    onStop: (fn) => {
      const unlink = link(() => {
        if (state !== StopState.Cancelled) return;
        unlink();
        fn();
      });
      return unlink;
    },
    turn: (to) => {
      state = to;
      for (const fn of listeners) fn();
    },
    get listeners() {
      return listeners.size;
    },
  };
}

export interface HandStore extends AsyncStore {
  /** Calls that came, in order: the verb, and what it was asked for. */
  readonly calls: string[];
  /** Answers the call that has waited longest; reads land so many bytes. */
  answer(landed?: number): void;
  /** Lets the call that has waited longest fail. */
  fail(error: Error): void;
  readonly running: number;
  readonly mostRunning: number;
}

/** `waits`: calls wait for `answer`; otherwise they are answered at once with all that they asked for. */
export function handStore(waits = false): HandStore {
  const calls: string[] = [];
  const waiting: { settle: (landed?: number) => void; fail: (error: Error) => void }[] = [];
  let running = 0;
  let most = 0;
  const call = async <T>(name: string, length: number, answer: (landed: number) => T): Promise<T> => {
    calls.push(name);
    running += 1;
    most = Math.max(most, running);
    try {
      if (!waits) return answer(length);
      const landed = await new Promise<number>((resolve, reject) => {
        waiting.push({ settle: (given = length) => resolve(given), fail: reject });
      });
      return answer(landed);
    } finally {
      running -= 1;
    }
  };
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const plain = <T>(value: T): Answer<T> => ({ outcome: 'complete', value, error: null, retryAfterMs: 0 });
  return {
    calls,
    answer: (landed) => waiting.shift()!.settle(landed),
    fail: (error) => waiting.shift()!.fail(error),
    get running() {
      return running;
    },
    get mostRunning() {
      return most;
    },
    read: ({ key, length }) =>
      call(`read ${text(key)}`, length, (landed): ReadAnswer => ({
        outcome: 'complete',
        landed,
        size: landed,
        version: null,
        error: null,
        retryAfterMs: 0,
      })),
    head: (key) =>
      call(`head ${text(key)}`, 0, () =>
        plain({ size: 0, version: null, lastModifiedMs: null, contentType: null }),
      ),
    list: ({ prefix }) => call(`list ${text(prefix)}`, 0, () => plain(pageOf([]))),
    write: (request: WriteRequest) => call(`write ${request.kind}`, 0, () => written()),
    update: () => void calls.push('update'),
    close: () => void calls.push('close'),
  };
}

export function pageOf(keys: readonly string[], prefixes: readonly string[] = []) {
  const bytes = keys.map((key) => Buffer.from(key));
  let end = 0;
  return {
    count: keys.length,
    keys: new Uint8Array(Buffer.concat(bytes)),
    keyEnds: Uint32Array.from(bytes, ({ length }) => (end += length)),
    sizes: new Float64Array(keys.length),
    versions: new Uint8Array(0),
    versionEnds: new Uint32Array(keys.length),
    modified: new Float64Array(keys.length),
    prefixes,
    next: null,
  };
}

export function readOf(key: string, length = 10): ReadRequest {
  return { key: Buffer.from(key), start: 0, length, whole: false, version: null, verify: 'never' };
}

const TARGET = new Uint8Array(0);

/** A read, as a promise whatever the store gives. */
export async function read(store: AsyncStore, request: ReadRequest, stop: StopSignal): Promise<ReadAnswer> {
  return await store.read(request, TARGET, stop);
}
