/**
 * Seeds of every scenario: as many that are the same each time, which hold or do not hold for everybody, and some fresh
 * ones, which look further each time. Each runs again with its own tape and has to go the same way. The fixed ones strike
 * every fault and reach every state that is looked for: what is never met is never tested.
 *
 * A failure tells its seed, what was violated, and a test to paste into regressions.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { explainFailure } from './failure.kit.js';
import { FAULTS } from '../../dist/runtime/simulation/sites.js';
import { differences, runSeed, type Run } from './scenario.kit.js';
import { SCENARIOS } from './scenarios.js';

const FIXED = Math.ceil(2000 / SCENARIOS.length);
const FRESH = Math.ceil(500 / SCENARIOS.length);
const MAX_FAILURES = 3;
/** Others each time; the name of the test tells which. */
const FRESH_FROM = Date.now() % 1_000_000_000;
const SLOW_MS = 600_000;

const struck = new Set<string>();

describe.each(SCENARIOS)('$name', (scenario) => {
  async function hold(from: number, count: number, look: (run: Run) => void = () => {}): Promise<void> {
    const failures: string[] = [];
    for (let seed = from; seed < from + count && failures.length < MAX_FAILURES; seed += 1) {
      const run = await runSeed(scenario, seed);
      look(run);
      if (run.violations.length > 0) {
        failures.push(await explainFailure(scenario, run, 300));
        continue;
      }
      const others = differences(run, await runSeed(scenario, seed, run.tape));
      if (others.length > 0) failures.push(`seed ${seed} has other ${others.join(', ')} with its own tape`);
    }
    expect(failures.join('\n\n')).toBe('');
  }

  it(
    `holds what it promises in the seeds 0 to ${FIXED}, and reaches every state there`,
    async () => {
      const reached = new Set<string>();
      await hold(0, FIXED, ({ faults, marks }) => {
        for (const name of faults.keys()) struck.add(name);
        for (const name of marks.keys()) reached.add(name);
      });
      expect(scenario.marks.filter((mark) => !reached.has(mark))).toEqual([]);
    },
    SLOW_MS,
  );
  it(
    `holds what it promises in ${FRESH} fresh seeds from ${FRESH_FROM}`,
    () => hold(FRESH_FROM, FRESH),
    SLOW_MS,
  );
});

it('every fault has struck in the fixed seeds', () => {
  expect(FAULTS.filter((name) => !struck.has(name))).toEqual([]);
});
