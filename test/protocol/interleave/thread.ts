/**
 * One thread of a model: the shipped code, stopped before every atomic operation.
 *
 * JavaScript cannot leave a plain function in its middle and come back. But what a thread does next depends on nothing
 * but what it has seen: the results of its operations and the messages that reached it. So a thread is stopped by
 * an exception out of the operation, and is gone on with by running it from its beginning, where each operation is given
 * the result that it had before. Each history is run once and remembered, so thousands of schedules in which a thread
 * sees the same cost one run of its code.
 *
 * Invariants:
 * 1. A thread stands either before one step (an operation on a word, a post, a take) or between two turns of its event
 *    loop. Only there does a message arrive or an event happen, with all microtasks done, as on a real thread.
 * 2. A run that does something else than the last one with the same history is an error: the claim would not hold.
 * 3. After a stop nothing of that run is seen any more: each operation throws again, and notes are dropped.
 */
import type { Channel } from '../../../dist/protocol/port.js';
import { describeStep, interceptAtomics, type Step } from './world.js';

/** What the program of a thread is given beside the shared words. */
export interface Env {
  /** One end of a pipe; its messages go into the queue `pipe>` from the end `a`, into `pipe<` from the end `b`. */
  readonly end: (pipe: string, side: 'a' | 'b') => Channel;
  /** Lets `fn` run at any one moment between two turns, once. */
  readonly on: (event: string, fn: () => void) => void;
  /** Remembers something for the claims. Not a step: nobody else sees it. */
  readonly note: (what: unknown) => void;
}

export type Program = (env: Env) => Promise<void> | void;

type Entry =
  | { readonly kind: 'step'; readonly step: Step; readonly result: unknown }
  | { readonly kind: 'message'; readonly queue: string; readonly message: unknown }
  | { readonly kind: 'event'; readonly event: string };

/** Where a thread is after one history. */
export interface Place {
  readonly id: number;
  readonly history: readonly Entry[];
  /** What it is about to do, or null between two turns. */
  readonly step: Step | null;
  /** Queues whose messages it hears. */
  readonly hears: readonly string[];
  /** Events that can still happen to it. */
  readonly events: readonly string[];
  readonly notes: readonly unknown[];
  readonly done: boolean;
  readonly failure: Error | null;
}

class Suspended extends Error {}

class Run {
  readonly notes: unknown[] = [];
  readonly listeners = new Map<string, (message: unknown) => void>();
  readonly events = new Map<string, () => void>();
  readonly history: readonly Entry[];
  readonly env: Env = {
    end: (pipe, side) => this.#end(pipe, side),
    on: (event, fn) => void this.events.set(event, fn),
    note: (what) => {
      if (this.stoppedAt === null) this.notes.push(what);
    },
  };
  at = 0;
  stoppedAt: Step | null = null;
  done = false;
  failure: Error | null = null;

  constructor(history: readonly Entry[]) {
    this.history = history;
  }

  perform(step: Step): unknown {
    if (this.stoppedAt === null && this.at < this.history.length) {
      const entry = this.history[this.at]!;
      this.at += 1;
      if (entry.kind === 'step' && describeStep(entry.step) === describeStep(step)) return entry.result;
      throw this.fail(new Error(`not deterministic: ${describeStep(step)} after ${JSON.stringify(entry)}`));
    }
    this.stoppedAt ??= step;
    throw new Suspended();
  }

  #end(pipe: string, side: 'a' | 'b'): Channel {
    const [out, into] = side === 'a' ? [`${pipe}>`, `${pipe}<`] : [`${pipe}<`, `${pipe}>`];
    return {
      post: (message) => {
        // Throws what a real port throws, before anything was posted.
        this.perform({ verb: 'post', on: out, values: [structuredClone(message)] });
      },
      onMessage: (fn) => void this.listeners.set(into, fn),
      takePending: () => this.perform({ verb: 'take', on: into, values: [] }) as unknown[],
      close: () => void this.listeners.delete(into),
    };
  }

  fail(thrown: unknown): Error {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (!(error instanceof Suspended)) this.failure ??= error;
    return error;
  }

  /** Between two turns: what the history says comes from outside. */
  outside(entry: Entry): void {
    if (entry.kind === 'step') {
      this.fail(new Error(`not deterministic: it waits where it did ${describeStep(entry.step)}`));
    } else if (entry.kind === 'message') this.listeners.get(entry.queue)!(entry.message);
    else {
      const fn = this.events.get(entry.event)!;
      this.events.delete(entry.event);
      fn();
    }
  }
}

/** Until all microtasks are done. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

let active: Run | null = null;
let placesMade = 0;

/** For the time in which threads are run. Returns the function that undoes it. */
export function interceptThreads(): () => void {
  return interceptAtomics((step) => {
    if (active === null) throw new Error(`${describeStep(step)} outside of every thread`);
    return active.perform(step);
  });
}

async function placeAfter(program: Program, history: readonly Entry[]): Promise<Place> {
  const run = new Run(history);
  active = run;
  try {
    const ending = program(run.env);
    if (ending === undefined) run.done = true;
    else {
      ending.then(
        () => {
          run.done = run.stoppedAt === null;
        },
        (error: unknown) => run.fail(error),
      );
    }
  } catch (error) {
    run.fail(error);
  }
  await turn();
  while (run.stoppedAt === null && run.failure === null && run.at < history.length) {
    run.at += 1;
    try {
      run.outside(history[run.at - 1]!);
    } catch (error) {
      run.fail(error);
    }
    await turn();
  }
  active = null;
  placesMade += 1;
  return {
    id: placesMade,
    history,
    step: run.stoppedAt,
    hears: run.stoppedAt === null ? [...run.listeners.keys()] : [],
    events: run.stoppedAt === null ? [...run.events.keys()] : [],
    notes: run.notes,
    done: run.done,
    failure: run.failure,
  };
}

export class ModelThread {
  readonly name: string;
  readonly #program: Program;
  readonly #places = new Map<string, Place>();

  constructor(name: string, program: Program) {
    this.name = name;
    this.#program = program;
  }

  /** How many different histories its code was run with. */
  get histories(): number {
    return this.#places.size;
  }

  start(): Promise<Place> | Place {
    return this.#place('', []);
  }

  /** Where it is once the step before which it stands gave `result`. */
  stepped(place: Place, result: unknown): Promise<Place> | Place {
    const entry: Entry = { kind: 'step', step: place.step!, result };
    return this.#place(`${place.id} ${JSON.stringify(result)}`, [...place.history, entry]);
  }

  heard(place: Place, queue: string, message: unknown): Promise<Place> | Place {
    const entry: Entry = { kind: 'message', queue, message };
    return this.#place(`${place.id} ${queue} ${JSON.stringify(message)}`, [...place.history, entry]);
  }

  met(place: Place, event: string): Promise<Place> | Place {
    return this.#place(`${place.id} !${event}`, [...place.history, { kind: 'event', event }]);
  }

  #place(key: string, history: readonly Entry[]): Promise<Place> | Place {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    return placeAfter(this.#program, history).then((place) => {
      this.#places.set(key, place);
      return place;
    });
  }
}
