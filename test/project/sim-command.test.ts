/** The options of `npm run sim`, which are looked at before anything is built. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { scenarioNames } from '../../scripts/lib/scenarios.mjs';
import { missingOf, readSimOptions } from '../../scripts/lib/sim-options.mjs';
import { SCENARIOS } from '../simulation/scenarios.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const GIVEN = { known: ['loads', 'writes'], fresh: 77, cores: 4 };

it('knows the scenarios that there are, without compiling them', () => {
  expect(scenarioNames(root).toSorted()).toEqual(SCENARIOS.map(({ name }) => name).toSorted());
});

it('goes through 2,000 seeds of every scenario from a fresh one on, when nothing is said', () => {
  expect(readSimOptions([], GIVEN)).toEqual({
    scenarios: ['loads', 'writes'],
    seeds: 2000,
    from: 77,
    processes: 4,
    atLength: false,
    twice: false,
    complete: false,
    json: false,
  });
});

it.each([
  { args: ['--seed', '5'], seeds: 1, from: 5, processes: 1, atLength: true },
  { args: ['--seeds', '1'], seeds: 1, from: 77, processes: 1, atLength: true },
  { args: ['--seed', '0', '--seeds', '3'], seeds: 3, from: 0, processes: 3, atLength: false },
  { args: ['--seeds=10', '--processes', '2'], seeds: 10, from: 77, processes: 2, atLength: false },
])('understands $args', ({ args, ...expected }) => {
  expect(readSimOptions(args, GIVEN)).toMatchObject(expected);
});

it.each([
  { args: ['--sed', '5'], says: /^sim: Unknown option '--sed'/ },
  { args: ['5'], says: /^sim: Unexpected argument '5'/ },
  { args: ['--seed'], says: /^sim: Option '--seed <value>' argument missing/ },
  { args: ['--seeds', '0'], says: /^sim: --seeds is 0; expected a whole number from 1 on/ },
  { args: ['--seeds='], says: /^sim: --seeds is empty; expected a whole number from 1 on/ },
  { args: ['--seed='], says: /^sim: --seed is empty; expected a whole number from 0 on/ },
  { args: ['--seed=-1'], says: /^sim: --seed is -1;/ },
  { args: ['--seeds', '1e3'], says: /^sim: --seeds is 1e3;/ },
  { args: ['--processes', '0'], says: /^sim: --processes is 0;/ },
  { args: ['--scenario', 'loads', '--complete'], says: /^sim: --complete asks for what all scenarios meet/ },
  { args: ['--scenario', 'nope'], says: /^sim: there is no scenario nope; there are loads, writes/ },
])('refuses $args, and says what there is', ({ args, says }) => {
  expect(() => readSimOptions(args, GIVEN)).toThrow(says);
  expect(() => readSimOptions(args, GIVEN)).toThrow(
    /--seeds N.*--scenario loads\|writes.*--seed S.*--complete/,
  );
});

it('exits with 2 and no stack on options that it cannot follow', () => {
  const script = join(root, 'scripts/sim.mjs');
  for (const args of [['--sed', '5'], ['--seeds='], ['--scenario', 'nope']]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^sim: .*\nusage: npm run sim -- .*\n$/);
  }
});

it('names what never struck and what was never reached', () => {
  const scenarios = [
    { name: 'loads', marks: ['a', 'b'] },
    { name: 'writes', marks: ['a'] },
  ];
  const met = { faults: { crash: 1 }, marks: { 'loads: a': 1, 'writes: a': 2 } };
  expect(missingOf({ faults: ['crash', 'stall'], scenarios }, met)).toEqual(['stall', 'loads: b']);
});
