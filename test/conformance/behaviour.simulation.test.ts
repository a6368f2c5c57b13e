import { describe } from 'vitest';
import { behaviour, loadCase, SIZES } from './runtime.behaviour.js';
import { openSimulation } from './rig.kit.js';

describe.each([2, 3, 4, 5])('with seed %i', (seed) => {
  behaviour('the simulation', openSimulation(seed), (what) => {
    const rig = openSimulation(1)(SIZES);
    return rig.outcome(loadCase(rig, what));
  });
});
