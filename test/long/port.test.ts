/** Ports and words between eight real threads: as the stress test of the ports, many times longer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Crew } from '../protocol/stress/rounds.js';

const ROUNDS = 500;
const MESSAGES = 500;

let crew: Crew;
beforeAll(() => {
  crew = new Crew(4);
});
afterAll(() => crew.end());

test(`${ROUNDS} rounds of four ports lose no message and no credit`, async () => {
  for (let round = 1; round <= ROUNDS; round += 1) await crew.round(100_000 + round, MESSAGES);
  const { sent, closedInFlight } = crew.sums;
  console.log(`ports: ${sent} messages in ${ROUNDS} rounds of 4 ports, ${closedInFlight} closed in flight`);
  expect(closedInFlight).toBeGreaterThan(ROUNDS);
});
