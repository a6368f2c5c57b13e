/**
 * What a round consists of: the same works in each, in an order that is drawn. Only a worker's death does not come in each
 * of them: a new one costs more CPU, for compiling its code again, than all of the round's requests.
 */
import { calls, refused } from './calls.mjs';
import { completion, large, middle, prefix, retained, shuffled, transformed } from './loads.mjs';
import { closing, crash, rotation } from './mishaps.mjs';
import { aborted, drained, left, outOfTime, tokens } from './stops.mjs';
import { writes } from './writes.mjs';

/** @typedef {{name: string, run: (work: import('./kit.mjs').Work) => Promise<void>, slot: number}} Planned */

const ROUNDS_PER_CRASH = 4;

/** How often each comes in a round. */
const MIX = [
  { name: 'prefix', run: prefix, times: 2 },
  { name: 'shuffled', run: shuffled, times: 2 },
  { name: 'completion', run: completion, times: 2 },
  { name: 'middle', run: middle, times: 2 },
  { name: 'large', run: large, times: 1 },
  { name: 'retained', run: retained, times: 1 },
  { name: 'transformed', run: transformed, times: 2 },
  { name: 'left', run: left, times: 2 },
  { name: 'out of time', run: outOfTime, times: 2 },
  { name: 'aborted', run: aborted, times: 2 },
  { name: 'drained', run: drained, times: 1 },
  { name: 'tokens', run: tokens, times: 2 },
  { name: 'calls', run: calls, times: 3 },
  { name: 'refused', run: refused, times: 2 },
  { name: 'writes', run: writes, times: 2 },
  { name: 'rotation', run: rotation, times: 1 },
  { name: 'closing', run: closing, times: 2 },
];

/**
 * The works of a round in a drawn order (Fisher-Yates).
 * @param {() => number} random @param {number} round from 0 @returns {Planned[]}
 */
export function planRound(random, round) {
  const plan = MIX.flatMap(({ name, run, times }) =>
    Array.from({ length: times }, (_, slot) => ({ name, run, slot })),
  );
  if (round % ROUNDS_PER_CRASH === 1) plan.push({ name: 'crash', run: crash, slot: 0 });
  for (let i = plan.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [plan[i], plan[j]] = [plan[j], plan[i]];
  }
  return plan;
}
