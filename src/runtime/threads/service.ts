/** The world of the supervisor actor on the service's own thread. Its timers hold no process open but where they are to. */
import type { SupervisorContext } from '../../protocol/context.js';

/** The longest that a timer of Node waits; a longer one would fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;

export function createServiceContext(
  deps: Pick<SupervisorContext, 'spawn' | 'refreshStore'>,
): SupervisorContext {
  return {
    now: () => performance.now(),
    random: () => Math.random(),
    after: (ms, fn, holds = false) => {
      const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS));
      if (!holds) timer.unref();
      return () => clearTimeout(timer);
    },
    soon: (fn) => {
      setImmediate(fn);
    },
    ...deps,
  };
}
