/** What runs of drawn worlds found, said without them. */
import { expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { World } from './world.kit.js';

const refused = new MillraceError(ErrorCode.AccessDenied, 'refused');

it.each([
  { onError: 'fail', objects: 1 },
  { onError: 'skip', objects: 3 },
] as const)('leaves the cursor of a load with onError $onError behind $objects objects', async (given) => {
  const { onError, objects } = given;
  const world = new World({
    seed: 1,
    sizes: { a: 10, b: 20, c: 30 },
    origin: { faults: [{ kind: 'refuse', key: 'b', error: refused }] },
  });
  const load = world.load({ onError, batchSize: 1 });
  await world.untilOver();
  // Whoever goes on from the cursor of a load that failed gets to what it failed at.
  expect(load.record!.cursor.objects).toBe(objects);
  await world.close();
  expect(world.leftovers()).toEqual([]);
});
