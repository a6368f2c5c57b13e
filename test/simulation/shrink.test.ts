/** What becomes of the tape of a failing run. */
import { expect, it } from 'vitest';
import type { Tape } from '../../dist/runtime/simulation/oracle.js';
import { explainFailure } from './failure.kit.js';
import { differences, runSeed, type Run, type Scenario } from './scenario.kit.js';
import { SCENARIOS } from './scenarios.js';
import { shrink } from './shrink.kit.js';

async function shrunk(
  tape: Tape,
  fails: (tape: Tape) => boolean,
  maxRuns = 2000,
): Promise<{ tape: Tape; runs: number }> {
  return await shrink(tape, (candidate) => Promise.resolve(fails(candidate)), maxRuns);
}

const LONG: Tape = Array.from({ length: 400 }, (_, i) => 1 + (i % 7));

it('keeps the one answer that matters, as small as it may be', async () => {
  const { tape } = await shrunk(LONG, (candidate) => (candidate[250] ?? 0) >= 3);
  expect(tape.filter((answer) => answer !== 0)).toEqual([3]);
  expect(tape.length).toBe(251);
});

it('keeps answers that matter together', async () => {
  const { tape } = await shrunk(LONG, (candidate) => (candidate[10] ?? 0) > 1 && (candidate[300] ?? 0) > 0);
  expect(tape.filter((answer) => answer !== 0)).toEqual([2, 1]);
});

it('leaves nothing of a tape that fails whatever is on it', async () => {
  expect((await shrunk(LONG, () => true)).tape).toEqual([]);
});

it('takes out answers of something that is asked for again and again, so that what follows moves up', async () => {
  // As a scenario does: so many things, each with answers of its own, of which one is bad.
  const bad = (tape: Tape): boolean => {
    const count = tape[0] ?? 0;
    for (let i = 0; i < count; i += 1) if (tape[1 + 3 * i] === 5 && tape[2 + 3 * i] === 6) return true;
    return false;
  };
  const things = Array.from({ length: 30 }, (_, i) => (i === 20 ? [5, 6, 7] : [1, 2, 3])).flat();
  const { tape } = await shrunk([30, ...things], bad);
  expect(tape).toEqual([1, 5, 6]);
});

it('fails still, and is not tried more often than it may be', async () => {
  const fails = (tape: Tape): boolean => tape.reduce((sum, answer) => sum + answer, 0) > 700;
  const { tape, runs } = await shrunk(LONG, fails, 50);
  expect(fails(tape)).toBe(true);
  expect(runs).toBeLessThanOrEqual(50);
});

it('is told with a test to paste, of a run that fails', async () => {
  const scenario: Scenario = {
    name: 'loads',
    marks: [],
    run: (draw) => {
      const answers = Array.from({ length: 40 }, (_, i) => draw.oracle.choose(10, `answer ${i}`));
      return Promise.resolve(answers.some((answer) => answer > 7) ? ["it's more than 7"] : []);
    },
  };
  const run = await runSeed(scenario, 3);
  expect(run.violations.length).toBe(1);
  const report = await explainFailure(scenario, run);
  expect(report).toMatch(/answer \d+: 8 of 10/);
  expect(report).toMatch(/1 of them not 0/);
  expect(report).toContain("it('holds where once: its more than 7'");
});

it.each(SCENARIOS)('is a tape that goes the same way again, in $name', async (scenario) => {
  for (let seed = 0; seed < 20; seed += 1) {
    const run = await runSeed(scenario, seed);
    const again = await runSeed(scenario, seed, run.tape);
    expect(differences(run, again)).toEqual([]);
  }
});

it('differs in its events, its tape and what was violated, each by its name', async () => {
  let calls = 0;
  const scenario: Scenario = {
    name: 'other',
    marks: [],
    run: (draw) => {
      draw.oracle.of([0, 1], 'an answer');
      calls += 1;
      if (calls === 2) draw.oracle.of([0, 1], 'one more');
      return Promise.resolve(calls === 3 ? ['violated'] : []);
    },
  };
  const runs: Run[] = [];
  for (let i = 0; i < 4; i += 1) runs.push(await runSeed(scenario, 3));
  const [first, drawn, violated, same] = runs;
  expect(differences(first!, drawn!)).toEqual(['tape']);
  expect(differences(first!, violated!)).toEqual(['violations']);
  expect(differences(first!, same!)).toEqual([]);
  expect(differences(first!, { ...same!, hash: 1 })).toEqual(['events']);
});
