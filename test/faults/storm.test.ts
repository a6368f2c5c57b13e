/** On threads: a service that tells everybody to slow down for a few seconds. The minute is in test/long. */
import { expect, test } from 'vitest';
import { MOST_EXTRA, rideOut } from './storm.kit.js';

test.each([1, 3])(
  'a storm of 503 over %i workers is waited out within the retry budget, and no object is lost',
  async (workers) => {
    const objects = 400;
    const storm = await rideOut({ workers, objects, beginsAfter: 100, stormMs: 3_000 });
    expect(storm).toMatchObject({ wrong: [], delivered: objects, failed: 0 });
    const [reported, answered] = storm.throttled;
    expect(reported).toBe(answered);
    expect(answered).toBeGreaterThan(0);
    expect(storm.extra).toBeLessThanOrEqual(MOST_EXTRA);
  },
);
