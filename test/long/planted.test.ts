/**
 * The simulation finds bugs that are put in on purpose: each is a change of one place of the build, in a copy of it, and the
 * seeds are gone through until one fails.
 *
 * How many seeds each took is printed: a scenario that needs many more than before has lost its sight.
 */
import { fork } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileScenarios } from '../../scripts/lib/scenarios.mjs';
import type { Tally } from '../simulation/run.js';
import { PLANTED } from './planted.kit.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** More seeds than any of them needs. */
const MOST_SEEDS = 20_000;
const SLOW_MS = 1_800_000;

describe('a bug that is put in', () => {
  let copy = '';
  const took: Record<string, number> = {};

  beforeAll(() => {
    compileScenarios(ROOT);
    copy = mkdtempSync(join(tmpdir(), 'millrace-planted-'));
    for (const part of ['dist', '.sim', 'package.json'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  });

  afterAll(() => {
    rmSync(copy, { recursive: true, force: true });
    console.table(took);
  });

  /** Seeds until one fails, or null when none does. */
  function seedsUntilFailure(): Promise<number | null> {
    const slice = { scenarios: ['loads', 'writes', 'service'], from: 0, to: MOST_SEEDS, step: 1 };
    const more = { twice: false, explain: 0, maxFailures: 1 };
    const child = fork(join(copy, '.sim/simulation/run.js'), [JSON.stringify({ ...slice, ...more })]);
    let last: Tally | null = null;
    child.on('message', (tally) => {
      last = tally as Tally;
    });
    return new Promise((resolve) => {
      child.on('exit', () => resolve(last?.failures.length === 1 ? last.runs : null));
    });
  }

  it(
    'is not there: no seed fails that many of them would find',
    async () => {
      expect(await seedsUntilFailure()).toBeNull();
    },
    SLOW_MS,
  );

  it.each(PLANTED)(
    'is found: $name',
    async ({ name, file, find, put }) => {
      const path = join(copy, 'dist', file);
      const right = readFileSync(path, 'utf8');
      expect(right.split(find), 'the place is there once').toHaveLength(2);
      writeFileSync(path, right.replace(find, put));
      const seeds = await seedsUntilFailure();
      writeFileSync(path, right);
      expect(seeds).not.toBeNull();
      took[name.split(':')[0]!] = seeds!;
    },
    SLOW_MS,
  );
});
