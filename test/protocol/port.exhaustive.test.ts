/** The port that ships, in every order in which two or three threads can make its atomic steps. */
import { afterAll, describe, expect, it } from 'vitest';
import * as port from '../../dist/protocol/port.js';
import { explore } from './interleave/explore.js';
import { PORT_SCENARIOS } from './interleave/port-scenarios.js';

const report: string[] = [];
afterAll(() => console.log(`ports, every schedule followed:\n${report.join('\n')}`));

describe('a port, in every order of its steps', () => {
  it.each(Object.entries(PORT_SCENARIOS))('%s', async (name, scenario) => {
    const { schedules, states, longest } = await explore(scenario(port));
    report.push(`  ${name}: ${schedules} schedules of up to ${longest} steps, ${states} states`);
    // Fewer would mean that the threads did not meet.
    expect(schedules).toBeGreaterThan(100n);
  });
});
