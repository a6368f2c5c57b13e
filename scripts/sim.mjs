/**
 * Builds, and goes through seeds of the simulation, on all cores.
 *
 * `npm run sim -- --seeds N --scenario X --seed S --processes P [--twice] [--complete] [--json]`
 *
 * Without `--seed` it begins at a fresh one, which it prints; `--seed S` alone runs that one in every scenario and tells it
 * at length. Of several seeds each runs in one scenario: seed modulo the number of them says in which.
 * `--twice` runs each seed twice and compares; `--complete` fails when a fault never struck or a mark was never reached.
 * Exits with 1 on a violation, or when SIGINT or SIGTERM cut it short: it prints then what it has come to; with 2 on
 * options that it cannot follow.
 */
import { execFileSync, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { compileScenarios, scenarioNames } from './lib/scenarios.mjs';
import { missingOf, readSimOptions } from './lib/sim-options.mjs';

/** @typedef {import('../test/simulation/run.js').Tally} Tally */

const root = fileURLToPath(new URL('..', import.meta.url));
const options = readOptions();
const { scenarios, seeds, from, processes, atLength } = options;

function readOptions() {
  try {
    const fresh = Date.now() % 1_000_000_000;
    return readSimOptions(process.argv.slice(2), {
      known: scenarioNames(root),
      fresh,
      cores: availableParallelism(),
    });
  } catch (thrown) {
    console.error(/** @type {Error} */ (thrown).message);
    return process.exit(2);
  }
}

function build() {
  try {
    execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' });
    compileScenarios(root);
  } catch {
    console.error('sim: it does not compile');
    process.exit(1);
  }
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

build();
const { SCENARIOS } = await import(`${root}/.sim/simulation/scenarios.js`);
const { FAULTS } = await import(`${root}/dist/runtime/simulation/sites.js`);
if (!options.json) {
  const what = atLength ? `seed ${from}` : `${seeds} seeds from ${from}, ${processes} processes,`;
  console.log(`sim: ${what} of ${scenarios.join(', ')}`);
}

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
      twice: options.twice,
      atLength,
      explain: atLength ? scenarios.length : 1,
      maxFailures: 20,
    };
    return runSlice(slice, (tally) => {
      tellNew(tallies[i]?.failures.length ?? 0, tally);
      tallies[i] = tally;
    });
  }),
);
const seconds = (performance.now() - beganAt) / 1000;
const wanted = atLength ? scenarios.length : seeds;
const ran = tallies.reduce((total, { runs }) => total + runs, 0);
const faults = sum(tallies, 'faults');
const marks = sum(tallies, 'marks');
const violations = tallies.flatMap(({ failures }) => failures);
const looked = SCENARIOS.filter((/** @type {{ name: string }} */ { name }) => scenarios.includes(name));
const missing = missingOf({ faults: FAULTS, scenarios: looked }, { faults, marks });
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
const incomplete = options.complete && missing.length > 0;
const told = tallies.flatMap((tally) => tally.told);
if (options.json) console.log(JSON.stringify(atLength ? { ...result, told } : result, null, 2));
else {
  const { violations: failures, ...figures } = result;
  // Of one seed the figures are those that are told.
  if (!atLength) console.log(JSON.stringify(figures, null, 2));
  for (const report of told) console.log(`${report}\n`);
  for (const { scenario, seed, violations: lines, report } of failures)
    console.log(report ?? `scenario ${scenario}, seed ${seed}: ${lines.join('; ')}`);
  const unmet = incomplete ? `, ${missing.length} faults and states were not met` : '';
  console.log(`sim: ${failures.length} of ${ran} ${atLength ? 'scenarios' : 'seeds'} failed${unmet}`);
}
// A process that ended before its seeds did has not looked at them.
const died = codes.some((code) => code !== 0);
if (died) console.error(`sim: a process ended with ${codes.join(', ')}`);
if (stopped) console.error(`sim: stopped after ${ran} of ${wanted} runs`);
if (incomplete) console.error(`sim: --complete: never struck, or never reached: ${missing.join('; ')}`);
const cutShort = died || (stopped && ran < wanted);
process.exitCode = violations.length > 0 || cutShort || incomplete ? 1 : 0;
