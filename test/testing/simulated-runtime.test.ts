/** The simulated runtime as a user of `millrace/testing` meets it. */
import { expect, it } from 'vitest';
import { FaultSites, Oracle, SimulatedRuntime, storedObject } from '../../dist/testing/index.js';

const objects = new Map(
  ['a', 'b', 'c', 'd'].map((key) => [key, storedObject(new TextEncoder().encode(`bytes of ${key}`), 'v1')]),
);

async function loadAll(
  seed: number,
): Promise<{ readonly texts: string[]; readonly trace: readonly string[] }> {
  const runtime = new SimulatedRuntime({ seed, origin: { objects } });
  const texts: string[] = [];
  await runtime.run(async () => {
    const loader = runtime.loader({ prefix: 'sim://', filter: null }, { batchSize: 2 });
    for await (const batch of loader) for (const item of batch) texts.push(item.text());
  });
  await runtime.close();
  return { texts, trace: runtime.sim.trace };
}

it('loads what the service has, and the same seed goes the same way', async () => {
  const [first, again, other] = [await loadAll(1), await loadAll(1), await loadAll(2)];
  expect(first.texts).toEqual(['bytes of a', 'bytes of b', 'bytes of c', 'bytes of d']);
  expect(again.trace).toEqual(first.trace);
  expect(other.texts).toEqual(first.texts);
  expect(other.trace).not.toEqual(first.trace);
});

it('meets the faults that are switched on, and tells how often', async () => {
  const oracle = new Oracle({ seed: 3 });
  let now = (): number => 0;
  const sites = new FaultSites({
    oracle,
    now: () => now(),
    allowed: (name) => name === 'store.reset-within',
  });
  const runtime = new SimulatedRuntime({
    seed: 3,
    origin: { objects, drawn: { sites, oracle } },
    simulation: { oracle, sites },
  });
  now = () => runtime.sim.now;
  const read = async (): Promise<string> => {
    const object = await runtime.get('sim://a');
    const text = object.text();
    object.release();
    return text;
  };
  for (let i = 0; i < 50; i += 1) expect(await runtime.run(read)).toBe('bytes of a');
  await runtime.close();
  const retried = runtime.origin.reads.length - 50;
  expect(sites.counts.get('store.reset-within') ?? 0).toBe(retried);
});

it('tells code that asks the process for the time', async () => {
  const runtime = new SimulatedRuntime({ seed: 1, origin: { objects } });
  await expect(
    runtime.run(async () => {
      await runtime.sleep(5);
      return Date.now();
    }),
  ).rejects.toThrow(/now\(\) was called in a simulation/);
  expect(Date.now()).toBeGreaterThan(0);
  await runtime.close();
});

it('names what waits when nothing can happen any more', async () => {
  const runtime = new SimulatedRuntime({ seed: 1, origin: { objects } });
  const never = runtime.run(() => new Promise<never>(() => {}), 200);
  await expect(never).rejects.toThrow(/not over after 200 steps/);
});
