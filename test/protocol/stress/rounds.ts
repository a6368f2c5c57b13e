/**
 * Rounds of real threads over real ports: pairs of a sender and a taker, stopped at seeded moments in each way that there
 * is, and what has to be true of each round afterwards.
 */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect } from 'vitest';
import { PORT_WORDS } from '../../../dist/protocol/port.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { createRuntimeWords, TOKEN_SLOTS, TokenSlots, writeToken } from '../../../dist/protocol/words.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';

/** `run`: to the end. `token`: the stream is turned and let go by this thread, and the sender closes when it sees that. */
const WAYS = ['run', 'taker closes', 'sender closes', 'both close', 'token'] as const;
const FIRST_BUDGET = 40;
/** So high that no refund is cut, and the budget adds up. */
const REFUND_CAPACITY = 0x3fff_ffff;

interface Report {
  readonly role: 'send' | 'take';
  readonly id: number;
  readonly count: number;
  readonly closed: number;
  readonly spent?: number;
  readonly over?: number;
  readonly wrong?: number;
  readonly states: readonly StopState[];
}

/** Two threads and the words of one round between them. */
interface Pair {
  readonly sender: Worker;
  readonly taker: Worker;
}

export interface Sums {
  sent: number;
  rounds: number;
  /** Closes that found messages under way: those that the words are made for. */
  closedInFlight: number;
}

export class Crew {
  readonly sums: Sums = { sent: 0, rounds: 0, closedInFlight: 0 };
  readonly #pairs: readonly Pair[];
  readonly #runtime = createRuntimeWords();
  readonly #slots = new TokenSlots(this.#runtime);

  constructor(pairs: number) {
    const thread = (): Worker => new Worker(new URL('actor.mjs', import.meta.url));
    this.#pairs = Array.from({ length: pairs }, () => ({ sender: thread(), taker: thread() }));
  }

  async end(): Promise<void> {
    const workers = this.#pairs.flatMap(({ sender, taker }) => [sender, taker]);
    const exits = workers.map((worker) => once(worker, 'exit'));
    for (const worker of workers) worker.postMessage(null);
    await Promise.all(exits);
  }

  /** All pairs at once; throws unless everything holds. */
  async round(seed: number, messages: number): Promise<void> {
    Atomics.store(this.#runtime, TOKEN_SLOTS, FIRST_BUDGET);
    const reports = await Promise.all(
      this.#pairs.map((pair, index) => this.#pairRound(pair, mix32(seed * 31 + index) >>> 0, messages)),
    );
    const spent = reports.reduce((sum, { sent }) => sum + sent.spent!, 0);
    const refunded = reports.reduce((sum, { taken }) => sum + taken.count, 0);
    expect(Atomics.load(this.#runtime, TOKEN_SLOTS)).toBe(FIRST_BUDGET + refunded - spent);
    expect(this.#slots.inUse).toBe(0);
    this.sums.rounds += 1;
  }

  async #pairRound({ sender, taker }: Pair, dice: number, messages: number) {
    const way = WAYS[dice % WAYS.length]!;
    const at = (salt: number): number => (mix32(dice + salt) >>> 0) % messages;
    const capacity = 1 + (at(1) % 6);
    const channel = new MessageChannel();
    const words = new Int32Array(new SharedArrayBuffer(4 * (PORT_WORDS + 1)));
    const { slot, epoch } = this.#slots.acquire()!;
    const common = { id: dice, words, runtime: this.#runtime, slot, epoch, capacity, count: messages };
    const sentReport = reportOf(sender);
    const takenReport = reportOf(taker);
    const halfway = way === 'token' ? this.#turnAtHalf(taker, slot, epoch) : null;
    taker.postMessage(
      {
        ...common,
        role: 'take',
        port: channel.port2,
        closeAt: way === 'taker closes' || way === 'both close' ? at(2) : -1,
        tellAt: way === 'token' ? Math.max(1, at(3)) : -1,
        pace: 1 + (at(4) % 9),
        refundCapacity: REFUND_CAPACITY,
      },
      [channel.port2],
    );
    sender.postMessage(
      {
        ...common,
        role: 'send',
        port: channel.port1,
        closeAt: way === 'sender closes' || way === 'both close' ? at(5) : -1,
        pace: 1 + (at(6) % 9),
      },
      [channel.port1],
    );
    const sent = await sentReport;
    taker.postMessage({ role: 'total', total: sent.count });
    const taken = await takenReport;
    await halfway;
    for (const worker of [sender, taker]) worker.postMessage({ role: 'end' });
    if (way !== 'token') this.#slots.release(slot);
    this.#check(way, sent, taken, messages);
    return { sent, taken };
  }

  /** Drains the stream and lets it go once the taker has come so far. */
  async #turnAtHalf(taker: Worker, slot: number, epoch: number): Promise<void> {
    await messageOf(taker, ({ role }) => role === 'half');
    writeToken(this.#runtime, slot, epoch, StopState.Draining);
    this.#slots.release(slot);
  }

  #check(way: (typeof WAYS)[number], sent: Report, taken: Report, messages: number): void {
    const what = `${way}, ${sent.id}`;
    expect({ what, taken: taken.count, wrong: taken.wrong, over: taken.over }).toEqual({
      what,
      taken: sent.count,
      wrong: 0,
      over: 0,
    });
    if (way === 'run') expect(sent.count, what).toBe(messages);
    for (const { states } of [sent, taken]) expect(states, what).toEqual(states.toSorted((a, b) => a - b));
    // One of two closes found the port open; the other counts nothing.
    if (sent.closed > 0) expect(taken.closed, what).toBeLessThanOrEqual(0);
    if (sent.closed > 0 || taken.closed > 0) this.sums.closedInFlight += 1;
    this.sums.sent += sent.count;
  }
}

type Said = { readonly role: string };

/** The next message of a thread that is meant; an error when the thread ends without it. */
function messageOf(worker: Worker, isMeant: (said: Said) => boolean): Promise<Said> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onMessage = (said: Said): void => {
      if (!isMeant(said)) return;
      end();
      resolve(said);
    };
    const onError = (error: Error): void => {
      end();
      reject(error);
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
  });
}

const reportOf = (worker: Worker): Promise<Report> =>
  messageOf(worker, ({ role }) => role === 'send' || role === 'take') as unknown as Promise<Report>;
