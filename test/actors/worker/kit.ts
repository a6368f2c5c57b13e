/** What the cores of a worker are given by tests. */
import type { AttemptDeps } from '../../../dist/actors/worker/attempts.js';
import { Origins } from '../../../dist/actors/worker/origins.js';

/** An attempt's means over those words, with a clock that stands still; whoever would have to wait is an error. */
export function attemptDeps(words: Int32Array): AttemptDeps & { readonly origins: Origins } {
  const context = {
    words,
    now: () => 0,
    wallNow: () => 0,
    random: () => 0,
    sleep: () => Promise.resolve(),
  };
  return {
    context,
    origins: new Origins({ ...context, concurrency: 16 }, () => {}),
    credentials: () => 1,
    refresh: () => Promise.resolve(null),
    wait: () => {
      throw new Error('nobody lets it in here');
    },
  };
}
