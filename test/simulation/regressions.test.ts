/** Runs in which something was violated once, made as small as they get. */
import { expect, it } from 'vitest';
import { runSeed } from './scenario.kit.js';
import { SERVICE } from './service.scenario.js';
import { parseTape } from './tapes.kit.js';

it('goes on, after a load that failed, at the object that it failed at', async () => {
  const run = await runSeed(SERVICE, 26, parseTape('0^28 1 0 1 0^19 1 0 1'));
  expect(run.faults.get('store.wrong-range')).toBe(1);
  expect(run.violations).toEqual([]);
});
