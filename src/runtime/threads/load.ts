/**
 * How busy the runtime's threads are.
 *
 * What is counted of a worker is the time in which its event loop did not wait for anything to happen, which its parent can
 * read at any time, in the middle of a long synchronous step too, on every Node.js. That is its processor time and the time
 * in which a file made it wait, or another thread had its core; what Node's own pool does (names, mostly) is not in it.
 */
import type { LoadWatch, WorkerExit } from '../../protocol/context.js';
import type { ThreadLink } from './spawn.js';

/**
 * How often the service's own loop shows that it turns. Node's histogram of delays is no help here: once it was read and
 * reset it misses the first interval, and in a loop that is always late that is every other one.
 */
const TICK_MS = 20;

export class ThreadLoads {
  /** Threads that have not ended, with what they had used when they were last looked at. */
  readonly #seen = new Map<ThreadLink, number>();
  #busyMs = 0;

  add(link: ThreadLink): ThreadLink {
    this.#seen.set(link, 0);
    // Its listener is the supervisor's: that one is told, and the thread is forgotten here.
    const onExit = (fn: (exit: WorkerExit) => void): void =>
      link.onExit((exit) => {
        this.#look(link);
        this.#seen.delete(link);
        fn(exit);
      });
    return { ...link, onExit };
  }

  watch(): LoadWatch {
    let tickedAtMs = performance.now();
    let delayMs = 0;
    const tick = (): void => {
      const nowMs = performance.now();
      delayMs = Math.max(delayMs, nowMs - tickedAtMs - TICK_MS);
      tickedAtMs = nowMs;
    };
    const ticks = setInterval(tick, TICK_MS);
    ticks.unref();
    return {
      read: () => {
        // Of two timers that are late together the reader's may come first.
        const eventLoopDelayMs = Math.max(delayMs, performance.now() - tickedAtMs - TICK_MS);
        delayMs = 0;
        for (const link of this.#seen.keys()) this.#look(link);
        return { busyMs: this.#busyMs, eventLoopDelayMs: Math.max(0, eventLoopDelayMs) };
      },
      stop: () => clearInterval(ticks),
    };
  }

  #look(link: ThreadLink): void {
    const busyMs = link.busyMs();
    const before = this.#seen.get(link)!;
    if (busyMs <= before) return;
    this.#busyMs += busyMs - before;
    this.#seen.set(link, busyMs);
  }
}
