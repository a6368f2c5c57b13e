/** The command line of the soak. Pure: text in, options or a message out. */
import { parseArgs } from 'node:util';

const MAX_MINUTES = 24 * 60;
const MAX_WORKERS = 64;
/** A sample costs a forced collection of every isolate, so it is taken seldom; the fit wants some dozens, and what glibc keeps strays by a MB. */
const MIN_INTERVAL_SECONDS = 5;
const MAX_INTERVAL_SECONDS = 30;
const SAMPLES_WANTED = 60;

export const USAGE = `npm run soak -- --minutes N [--seed S] [--workers W] [--json]

  --minutes N   how long the work goes on (above 0, at most ${MAX_MINUTES}; default 10); a run always ends with a whole round
  --seed S      whole number that every draw follows from; default: drawn, and printed
  --workers W   worker threads (1 to ${MAX_WORKERS}; default 2)
  --json        the report as one JSON document on stdout; the lines of progress go to stderr

Ends with 0 when every promise was kept, with 1 when one was broken. SIGTERM and SIGINT drain it, and it reports.`;

/**
 * @typedef {{minutes: number, seed: number, workers: number, json: boolean, intervalSeconds: number}} SoakOptions
 */

/**
 * @param {readonly string[]} argv
 * @param {() => number} draw a seed, where none is given
 * @returns {SoakOptions | {help: string, isError: boolean}}
 */
export function readOptions(argv, draw) {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string' },
        workers: { type: 'string', default: '2' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return refused(/** @type {Error} */ (error).message);
  }
  if (values.help) return { help: USAGE, isError: false };
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= MAX_MINUTES)) {
    return refused(`--minutes is ${values.minutes}; expected a number above 0 and at most ${MAX_MINUTES}`);
  }
  const workers = Number(values.workers);
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS)) {
    return refused(`--workers is ${values.workers}; expected a whole number from 1 to ${MAX_WORKERS}`);
  }
  const seed = values.seed === undefined ? draw() : Number(values.seed);
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    return refused(`--seed is ${values.seed}; expected a whole number from 0 to ${2 ** 32 - 1}`);
  }
  const wanted = (minutes * 60) / SAMPLES_WANTED;
  const intervalSeconds = Math.min(MAX_INTERVAL_SECONDS, Math.max(MIN_INTERVAL_SECONDS, wanted));
  return { minutes, seed, workers, json: values.json, intervalSeconds };
}

/** @param {string} why */
function refused(why) {
  return { help: `${why}\n\n${USAGE}`, isError: true };
}
