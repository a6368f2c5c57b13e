/** The world of the supervisor actor on the service's own thread. Its timers hold no process open but where they are to. */
import type { SupervisorContext } from '../../protocol/context.js';
import { createClock } from './clock.js';
import { ThreadLoads } from './load.js';
import type { ThreadLink } from './spawn.js';

/** The longest that a timer of Node waits; a longer one would fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;

export function createServiceContext(
  deps: Pick<SupervisorContext, 'refreshStore'> & {
    spawn(index: number, incarnation: number): ThreadLink;
  },
): SupervisorContext {
  const loads = new ThreadLoads();
  return {
    now: createClock(),
    random: () => Math.random(),
    after: (ms, fn, holds = false) => {
      const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS));
      if (!holds) timer.unref();
      return () => clearTimeout(timer);
    },
    soon: (fn) => {
      setImmediate(fn);
    },
    spawn: (index, incarnation) => loads.add(deps.spawn(index, incarnation)),
    watchLoad: () => loads.watch(),
    refreshStore: (id, staleVersion) => deps.refreshStore(id, staleVersion),
  };
}
