/** A run told at length; one that failed is made small, so that whoever reads it can go on: what, why, how to see it again. */
import type { Choice, Tape } from '../../dist/runtime/simulation/oracle.js';
import { MAX_STEPS, runSeed, type Run, type Scenario } from './scenario.kit.js';
import { shrink } from './shrink.kit.js';
import { printTape } from './tapes.kit.js';

const SHOWN_EVENTS = 30;
const SHOWN_CHOICES = 60;
const MAX_RUNS = 3000;
const SPARE_STEPS = 500;

/** What kind of failure it is: numbers differ from run to run of the same defect. */
function kindOf(run: Run): string {
  return (run.violations[0] ?? '').replaceAll(/\d+/g, 'n').slice(0, 60);
}

/** The report of a failing run, with its tape made as simple as it gets. */
export async function explainFailure(scenario: Scenario, run: Run, maxRuns = MAX_RUNS): Promise<string> {
  const kind = kindOf(run);
  // What does not end is another failure, or the very one: a run of many more steps need not be gone through.
  const maxSteps = Math.min(MAX_STEPS, run.steps + SPARE_STEPS);
  const fails = async (tape: Tape): Promise<boolean> =>
    kindOf(await runSeed(scenario, run.seed, tape, undefined, maxSteps)) === kind;
  // What does not come back is a defect of the simulation itself.
  if (!(await fails(run.tape))) return `${describe(run)}\nIT DOES NOT FAIL AGAIN with its own tape\n`;
  const { tape, runs } = await shrink(run.tape, fails, maxRuns);
  const choices: Choice[] = [];
  const small = await runSeed(scenario, run.seed, tape, (choice) => choices.push(choice), maxSteps);
  const taken = choices.filter(({ answer }) => answer !== 0);
  return [
    describe(run),
    `shrunk in ${runs} runs from ${run.tape.length} to ${tape.length} answers, ${taken.length} of them not 0:`,
    ...taken.slice(0, SHOWN_CHOICES).map(({ label, of, answer }) => `  ${label}: ${answer} of ${of}`),
    'it then says:',
    ...small.violations.map((line) => `  ${line}`),
    ...latestEvents(small),
    'a test for test/simulation/regressions.test.ts:',
    regressionTest(scenario, run.seed, tape, small),
  ].join('\n');
}

/** The run as it was: what it met, what it reached, and how it ended. */
export function tellRun(run: Run): string {
  return [describe(run), ...latestEvents(run)].join('\n');
}

function latestEvents(run: Run): string[] {
  const latest = run.trace().slice(-SHOWN_EVENTS);
  return ['latest events:', ...latest.map((line) => `  ${line}`)];
}

function counted(counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? 'none' : [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

function describe(run: Run): string {
  return [
    `scenario ${run.scenario}, seed ${run.seed}, policy ${run.policy}, ${run.steps} steps`,
    `faults: ${counted(run.faults)}`,
    `marks: ${counted(run.marks)}`,
    ...run.violations.map((line) => `violated: ${line}`),
    `see it again: npm run sim -- --scenario ${run.scenario} --seed ${run.seed}`,
  ].join('\n');
}

function regressionTest({ name }: Scenario, seed: number, tape: Tape, { violations }: Run): string {
  const claim = (violations[0] ?? '').split('\n')[0]!.replaceAll("'", '');
  return [
    `it('holds where once: ${claim}', async () => {`,
    `  const run = await runSeed(${name.toUpperCase()}, ${seed}, parseTape('${printTape(tape)}'));`,
    '  expect(run.violations).toEqual([]);',
    '});',
  ].join('\n');
}
