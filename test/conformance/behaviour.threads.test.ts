import { behaviour, loadCase, SIZES } from './runtime.behaviour.js';
import { openSimulation, openThreads } from './rig.kit.js';

behaviour('threads', openThreads, (what) => {
  const rig = openSimulation(1)(SIZES);
  return rig.outcome(loadCase(rig, what));
});
