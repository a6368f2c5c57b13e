/** A minute of 503 to everything, at full load: what it costs the service, and how soon the rate is back. */
import { expect, test } from 'vitest';
import { MOST_EXTRA, rideOut } from '../faults/storm.kit.js';

test.each([1, 2, 4])(
  'a storm of a minute over %i workers costs the retry budget and a tenth, and ten seconds afterwards the rate is back',
  async (workers) => {
    const objects = 2400;
    const storm = await rideOut({ workers, objects, beginsAfter: 500, stormMs: 60_000 });
    expect(storm).toMatchObject({ wrong: [], delivered: objects, failed: 0 });
    expect(storm.extra).toBeLessThanOrEqual(MOST_EXTRA);
    expect(storm.recoveredMs).toBeLessThanOrEqual(10_000);
  },
);
