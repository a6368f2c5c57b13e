/** Goes through seeds of the scenarios, and counts what came of them. */
import { explainFailure, tellRun } from './failure.kit.js';
import { differences, runSeed, type Run, type Scenario } from './scenario.kit.js';

export interface Slice {
  readonly scenarios: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly step: number;
  /** Each seed runs twice, and once more with its own tape, and must go the same way. */
  readonly twice: boolean;
  /** Each seed runs in every scenario, and is told at length, whatever comes of it. @default in one, and is counted */
  readonly atLength?: boolean;
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
  /** Of runs that hold what they promise and are told at length, one after the other. */
  readonly told: string[];
  readonly failures: {
    readonly scenario: string;
    readonly seed: number;
    readonly violations: readonly string[];
    readonly report: string | null;
  }[];
}

export interface Watch {
  /** Called after each seed, and tells whether to stop there. */
  readonly afterSeed: (tally: Tally) => boolean;
}

/** Runs the seeds of a slice, one after the other. `all` are the scenarios from which it names some. */
export async function runSlice(slice: Slice, all: readonly Scenario[], watch: Watch): Promise<Tally> {
  const tally: Tally = { runs: 0, steps: 0, faults: {}, marks: {}, policies: {}, told: [], failures: [] };
  const scenarios = all.filter(({ name }) => slice.scenarios.includes(name));
  for (let seed = slice.from; seed < slice.to; seed += slice.step) {
    // Which one a seed gets is for the seed alone to say: it is looked at again with other processes.
    const its = slice.atLength === true ? scenarios : [scenarios[seed % scenarios.length]!];
    for (const scenario of its) await runOne(slice, scenario, seed, tally);
    if (watch.afterSeed(tally) || tally.failures.length >= slice.maxFailures) break;
  }
  return tally;
}

async function runOne(slice: Slice, scenario: Scenario, seed: number, tally: Tally): Promise<void> {
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
  else if (slice.atLength === true) tally.told.push(tellRun(run));
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
