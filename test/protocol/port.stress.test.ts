/** Ports and words between real threads, as many rounds as a test run has time for; `npm run test:long` has more. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Crew } from './stress/rounds.js';

const ROUNDS = 60;
const MESSAGES = 300;

let crew: Crew;
beforeAll(() => {
  crew = new Crew(2);
});
afterAll(() => crew.end());

it('four threads lose no message and no credit, whoever closes at whatever moment', async () => {
  for (let round = 1; round <= ROUNDS; round += 1) await crew.round(round, MESSAGES);
  // Otherwise the closes came when nothing was under way, and showed nothing.
  expect(crew.sums.closedInFlight).toBeGreaterThan(ROUNDS / 4);
  expect(crew.sums.sent).toBeGreaterThan(ROUNDS * MESSAGES * 0.5);
});
