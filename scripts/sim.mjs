/**
 * Goes through seeds of the simulation, on all cores.
 *
 * `npm run sim -- --seeds N --scenario X --seed S --processes P [--twice] [--complete] [--json]`
 *
 * Without `--seed` it begins at a fresh one, which it prints; `--seed S` alone runs that one and tells it at length.
 * `--twice` runs each seed twice and compares; `--complete` fails when a fault never struck or a mark was never reached.
 * Exits with 1 on a violation, or when SIGINT or SIGTERM cut it short: it prints then what it has come to.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileScenarios } from './lib/scenarios.mjs';

/** @typedef {import('../test/simulation/run.js').Tally} Tally */

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    scenario: { type: 'string', multiple: true },
    seed: { type: 'string' },
    processes: { type: 'string' },
    twice: { type: 'boolean', default: false },
    complete: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** @param {string | undefined} given @param {number} fallback @param {string} name */
function whole(given, fallback, name) {
  if (given === undefined) return fallback;
  const number = Number(given);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`sim: --${name} ${given} is not a whole number; give one such as --${name} 1000`);
  process.exit(2);
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
let stopped = false;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM']))
  process.on(signal, () => {
    stopped = true;
    for (const child of children) child.send('stop');
  });

/** @param {object} slice @param {(tally: Tally) => void} told @returns {Promise<number | null>} exit code */
function runSlice(slice, told) {
  const child = fork(`${root}/.sim/simulation/run.js`, [JSON.stringify(slice)], {
    stdio: 'inherit',
    // Short-lived objects by the million: with a small nursery a tenth of the time goes to collecting them.
    execArgv: ['--max-semi-space-size=64'],
  });
  children.add(child);
  child.on('message', (tally) => told(/** @type {Tally} */ (tally)));
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
}

/** A run of hours does not keep what it found to itself. @param {number} told @param {Tally} tally */
function tellNew(told, { failures }) {
  for (const { scenario, seed, violations } of failures.slice(told))
    console.error(`sim: scenario ${scenario}, seed ${seed}: ${violations[0]}`);
}

/** @param {readonly Tally[]} tallies @param {'faults' | 'marks' | 'policies'} column */
function sum(tallies, column) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const tally of tallies)
    for (const [name, times] of Object.entries(tally[column])) sums[name] = (sums[name] ?? 0) + times;
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)));
}

compileScenarios(root);
const { SCENARIOS } = await import(`${root}/.sim/simulation/scenarios.js`);
const { FAULTS } = await import(`${root}/dist/runtime/simulation/sites.js`);
/** @type {string[]} */
const known = SCENARIOS.map((/** @type {{ name: string }} */ { name }) => name);
const scenarios = values.scenario ?? known;
const unknown = scenarios.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`sim: there is no scenario ${unknown}; there are ${known.join(', ')}`);
  process.exit(2);
}
const single = values.seed !== undefined && values.seeds === undefined;
const seeds = whole(values.seeds, single ? 1 : 2000, 'seeds');
const from = whole(values.seed, Date.now() % 1_000_000_000, 'seed');
const processes = Math.max(1, Math.min(seeds, whole(values.processes, availableParallelism(), 'processes')));
if (!values.json)
  console.log(`sim: ${seeds} seeds from ${from} of ${scenarios.join(', ')}, ${processes} processes`);

const beganAt = performance.now();
/** @type {Tally[]} */
const tallies = [];
const codes = await Promise.all(
  Array.from({ length: processes }, (_, i) => {
    const slice = {
      scenarios,
      from: from + i,
      to: from + seeds,
      step: processes,
      twice: values.twice,
      explain: 1,
      maxFailures: 20,
    };
    return runSlice(slice, (tally) => {
      tellNew(tallies[i]?.failures.length ?? 0, tally);
      tallies[i] = tally;
    });
  }),
);
const seconds = (performance.now() - beganAt) / 1000;
const ran = tallies.reduce((total, { runs }) => total + runs, 0);
const faults = sum(tallies, 'faults');
const marks = sum(tallies, 'marks');
const violations = tallies.flatMap(({ failures }) => failures);
const missing = [
  ...FAULTS.filter((/** @type {string} */ name) => faults[name] === undefined),
  ...SCENARIOS.filter((/** @type {{ name: string }} */ { name }) => scenarios.includes(name)).flatMap(
    (/** @type {{ name: string, marks: string[] }} */ { name, marks: wanted }) =>
      wanted.map((mark) => `${name}: ${mark}`).filter((mark) => marks[mark] === undefined),
  ),
];
const result = {
  scenarios,
  from,
  seeds: ran,
  seconds: Math.round(seconds * 10) / 10,
  seedsPerMinutePerProcess: Math.round((ran / seconds) * (60 / processes)),
  steps: tallies.reduce((total, { steps }) => total + steps, 0),
  processes,
  violations,
  faults,
  marks,
  policies: sum(tallies, 'policies'),
  missing,
};
if (values.json) console.log(JSON.stringify(result, null, 2));
else {
  const { violations: failures, ...figures } = result;
  console.log(JSON.stringify(figures, null, 2));
  for (const { scenario, seed, violations: lines, report } of failures)
    console.log(report ?? `scenario ${scenario}, seed ${seed}: ${lines.join('; ')}`);
  console.log(`sim: ${failures.length} of ${ran} seeds failed`);
}
// A process that ended before its seeds did has not looked at them.
const died = codes.some((code) => code !== 0);
if (died) console.error(`sim: a process ended with ${codes.join(', ')}`);
if (stopped) console.error(`sim: stopped after ${ran} of ${seeds} seeds`);
const cutShort = died || (stopped && ran < seeds);
process.exitCode = violations.length > 0 || cutShort || (values.complete && missing.length > 0) ? 1 : 0;
