/** A body that stalls is given up after the idle time-out, of every service, and its rest is asked for. */
import { expect, test } from 'vitest';
import { expectIdle, fault, MIB } from '../e2e/kit.js';
import { runtimeOf, SERVICES, startService } from '../e2e/stores.kit.js';

const SIZES = { small: 5000, large: 20 * MIB + 3 };

test.concurrent.each(SERVICES)('$scheme', async (service) => {
  const objects = Object.entries(SIZES).map(([key, size]) => ({ bucket: 'stalls', key, size }));
  await using origin = await startService(service, { objects });
  await using runtime = await runtimeOf(service, origin);
  await origin.script(
    ...Object.keys(SIZES).map((key) => ({ key, op: 'get' as const, times: 1, do: { stall: 3000 } })),
  );
  const reading = Promise.all(
    Object.entries(SIZES).map(async ([key, size]) => {
      const result = await runtime.get(service.uriOf(origin, 'stalls', key), { size });
      expect(fault(key, result.bytes, size)).toBeNull();
      result.release();
    }),
  );
  await origin.waitFor({ stalled: 2 });
  await reading;
  // Given up by the client, not let go by the service.
  expect((await origin.stats()).aborted).toBe(2);
  await expectIdle(runtime);
});
