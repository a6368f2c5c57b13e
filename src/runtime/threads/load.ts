/**
 * How busy the runtime's threads are.
 *
 * What is counted of a worker is the time in which its event loop did not wait for anything to happen, which its parent can
 * read at any time, in the middle of a long synchronous step too, on every Node.js. That is its processor time and the time
 * in which a file made it wait, or another thread had its core; what Node's own pool does (names, mostly) is not in it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoadWatch, WorkerExit } from '../../protocol/context.js';
import type { ThreadLink } from './spawn.js';

/** A late timer is seen to so many milliseconds. It is one of libuv's, and costs no JavaScript. */
const RESOLUTION_MS = 20;
const MS_NS = 1e6;

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
    const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delays.enable();
    return {
      read: () => {
        // What is recorded is the time between two of its timers.
        const eventLoopDelayMs = Math.max(0, delays.max / MS_NS - RESOLUTION_MS);
        delays.reset();
        for (const link of this.#seen.keys()) this.#look(link);
        return { busyMs: this.#busyMs, eventLoopDelayMs };
      },
      stop: () => {
        delays.disable();
      },
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
