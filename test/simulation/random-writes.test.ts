/**
 * Worlds that write, drawn: puts, streams and copies beside loads, with faults, deaths and stops at any moment.
 * `SIMULATION_SEEDS=from:to` goes through others than the usual ones, and through as many as one likes.
 */
import { expect, it } from 'vitest';
import { excused } from './random.kit.js';
import { createRandomWrites, excusedWrite } from './random-writes.kit.js';

const [FROM = 0, TO = 400] = (process.env.SIMULATION_SEEDS ?? '').split(':').filter(Boolean).map(Number);

async function survive(seed: number): Promise<void> {
  const drawn = createRandomWrites(seed);
  const { world, writer, calm, silent } = drawn;
  const wrong: string[] = [];
  const { arena } = world;
  world.sim.afterEachStep(() => {
    const { usedBytes } = arena.stats();
    if (usedBytes > arena.budgetBytes) wrong.push('the budget was exceeded');
  });
  await world.run(() => writer.over && world.loads.every((load) => load.over));
  const pardon = { world, asks: { asked: 0, settled: 0 }, memoryIsHeld: silent, mustComplete: calm };
  for (const load of world.loads) {
    wrong.push(...load.violations());
    if (load.failure !== null && !excused(load.failure, pardon))
      wrong.push(`a load failed: ${(load.failure as Error).message}`);
    for (const { error } of load.record!.failures)
      if (!excused(error, pardon)) wrong.push(`an item failed: ${String(error)}`);
  }
  for (const write of writer.writes) {
    if (write.failure !== null && !excusedWrite(write, drawn))
      wrong.push(`${write.call.how} ${write.call.key} failed: ${(write.failure as Error).message}`);
  }
  await world.close();
  wrong.push(...writer.violations(), ...world.leftovers());
  if (!silent && drawn.deaths < 3) {
    const keyOf = (id: string): string => world.origin.uploads.get(id)!.key;
    const left = [...writer.unfinished(), ...writer.unheard()];
    for (const id of left)
      if (!drawn.spoiledAborts.has(keyOf(id))) wrong.push(`upload ${id} of ${keyOf(id)} is left`);
  }
  if (wrong.length > 0) throw new Error(wrong.join('; '));
}

async function surviveAll(seeds: Iterable<number>): Promise<void> {
  const failures: string[] = [];
  for (const seed of seeds) {
    if (failures.length === 10) break;
    try {
      await survive(seed);
    } catch (thrown) {
      failures.push(`seed ${seed}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  expect(failures).toEqual([]);
}

function* range(from: number, to: number): Iterable<number> {
  for (let seed = from; seed < to; seed += 1) yield seed;
}

it(`holds what it promises in worlds that write, ${FROM} to ${TO}`, async () => {
  await surviveAll(range(FROM, TO));
}, 3_600_000);
