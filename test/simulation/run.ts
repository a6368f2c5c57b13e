/**
 * One process of `npm run sim`: goes through seeds of the scenarios, and tells its parent what came of them.
 *
 * `node run.js '{"scenarios": ["loads"], "from": 0, "to": 1000, "step": 2, "twice": false, "explain": 1, "maxFailures": 20}'`
 */
import { explainFailure } from './failure.kit.js';
import { differences, runSeed, type Run, type Scenario } from './scenario.kit.js';
import { SCENARIOS } from './scenarios.js';

export interface Slice {
  readonly scenarios: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly step: number;
  /** Each seed runs twice, and once more with its own tape, and must go the same way. */
  readonly twice: boolean;
  /** Failures that are made small and told at length. */
  readonly explain: number;
  /** It ends with so many failures: more say no more. */
  readonly maxFailures: number;
}

/** What came of it so far. */
export interface Tally {
  runs: number;
  steps: number;
  readonly faults: Record<string, number>;
  readonly marks: Record<string, number>;
  readonly policies: Record<string, number>;
  readonly failures: {
    readonly scenario: string;
    readonly seed: number;
    readonly violations: readonly string[];
    readonly report: string | null;
  }[];
}

const TELL_EVERY_MS = 2000;

async function main(slice: Slice, tell: (tally: Tally) => void): Promise<void> {
  const tally: Tally = { runs: 0, steps: 0, faults: {}, marks: {}, policies: {}, failures: [] };
  const scenarios = SCENARIOS.filter(({ name }) => slice.scenarios.includes(name));
  let toldAt = Date.now();
  let stopped = false;
  process.on('message', () => {
    stopped = true;
  });
  // A Ctrl-C is for the parent, who says when to stop.
  process.on('SIGINT', () => {});
  for (let seed = slice.from; seed < slice.to && !stopped; seed += slice.step) {
    const scenario = scenarios[Math.floor(seed / slice.step) % scenarios.length]!;
    const run = await runSeed(scenario, seed);
    const violations = [...run.violations];
    if (slice.twice) {
      const again = differences(run, await runSeed(scenario, seed));
      if (again.length > 0) violations.push(`the same seed has other ${again.join(', ')} the second time`);
      const taped = differences(run, await runSeed(scenario, seed, run.tape));
      if (taped.length > 0) violations.push(`with its own tape it has other ${taped.join(', ')}`);
    }
    count(tally, run);
    if (violations.length > 0) await fail(tally, scenario, { ...run, violations }, slice);
    if (tally.failures.length >= slice.maxFailures) break;
    if (Date.now() - toldAt < TELL_EVERY_MS) continue;
    toldAt = Date.now();
    tell(tally);
  }
  tell(tally);
}

function count(tally: Tally, run: Run): void {
  tally.runs += 1;
  tally.steps += run.steps;
  add(tally.policies, run.policy, 1);
  for (const [name, times] of run.faults) add(tally.faults, name, times);
  for (const [name, times] of run.marks) add(tally.marks, `${run.scenario}: ${name}`, times);
}

function add(sums: Record<string, number>, name: string, more: number): void {
  sums[name] = (sums[name] ?? 0) + more;
}

async function fail(tally: Tally, scenario: Scenario, run: Run, { explain }: Slice): Promise<void> {
  const { seed, violations } = run;
  const report = tally.failures.length < explain ? await explainFailure(scenario, run) : null;
  tally.failures.push({ scenario: scenario.name, seed, violations, report });
}

// Errors by the thousand, of which nobody reads where they were made.
Error.stackTraceLimit = 0;
await main(JSON.parse(process.argv[2]!) as Slice, (tally) => process.send?.(tally));
process.disconnect?.();
