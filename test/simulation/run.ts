/**
 * One process of `npm run sim`: goes through seeds of the scenarios, and tells its parent what came of them.
 *
 * `node run.js '{"scenarios": ["loads"], "from": 0, "to": 1000, "step": 2, "twice": false, "explain": 1, "maxFailures": 20}'`
 */
import { SCENARIOS } from './scenarios.js';
import { runSlice, type Slice, type Tally } from './slice.kit.js';

export type { Slice, Tally } from './slice.kit.js';

const TELL_EVERY_MS = 2000;

async function main(slice: Slice, tell: (tally: Tally) => void): Promise<void> {
  let toldAt = Date.now();
  let stopped = false;
  process.on('message', () => {
    stopped = true;
  });
  // A Ctrl-C is for the parent, who says when to stop.
  process.on('SIGINT', () => {});
  const afterSeed = (tally: Tally): boolean => {
    if (Date.now() - toldAt >= TELL_EVERY_MS) {
      toldAt = Date.now();
      tell(tally);
    }
    return stopped;
  };
  tell(await runSlice(slice, SCENARIOS, { afterSeed }));
}

// Errors by the thousand, of which nobody reads where they were made.
Error.stackTraceLimit = 0;
await main(JSON.parse(process.argv[2]!) as Slice, (tally) => process.send?.(tally));
process.disconnect?.();
