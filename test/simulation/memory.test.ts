/** Tight memory, where somebody always has to go first. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import { type LoadOptions, PAGE } from './load.kit.js';
import { World, type WorldOptions } from './world.kit.js';

async function loaded(options: Omit<WorldOptions, 'seed'>, load: LoadOptions): Promise<World> {
  const world = new World({ seed: 1, ...options });
  world.load(load);
  await world.untilOver();
  expect(world.loads[0]!.violations()).toEqual([]);
  await world.close();
  expect(world.leftovers()).toEqual([]);
  return world;
}

describe('memory for one more', () => {
  it('is found for an empty object behind items that fill it all', async () => {
    const sizes = { a0: 2 * PAGE, empty: 0 };
    // Both belong into one batch, which therefore waits for the one that has no memory.
    const world = await loaded({ sizes, arenaBytes: 2 * PAGE, workers: 1 }, { windowObjects: 2 });
    expect(world.loads[0]!.handed).toEqual(['a0#0', 'empty#0']);
  });

  it('is found for objects one by one where they do not fit together', async () => {
    const sizes = { a: PAGE, b: PAGE, c: PAGE, d: PAGE };
    const world = await loaded({ sizes, arenaBytes: 2 * PAGE, workers: 1 }, { batchSize: 1 });
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 4 });
  });

  it('is refused at once to a small object that is larger than all of it', async () => {
    const world = await loaded({ sizes: { a: 2 * PAGE }, arenaBytes: PAGE }, {});
    expect((world.loads[0]!.failure as MillraceError).code).toBe(ErrorCode.BudgetTooSmall);
  });
});
