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

const ASKS: readonly (readonly [name: string, ask: () => unknown])[] = [
  ['now', () => Date.now()],
  ['new Date', () => new Date()],
  ['bigint', () => process.hrtime.bigint()],
  ['randomUUID', () => crypto.randomUUID()],
  ['getRandomValues', () => crypto.getRandomValues(new Uint8Array(4))],
  ['timeout', () => AbortSignal.timeout(5)],
];

it.each(ASKS)(
  'tells code that calls %s, at once or later, and no longer when the run is over',
  async (name, ask) => {
    const runtime = new SimulatedRuntime({ seed: 1, origin: { objects } });
    for (const ms of [0, 5]) {
      const run = runtime.run(async () => {
        if (ms > 0) await runtime.sleep(ms);
        return ask();
      });
      await expect(run).rejects.toThrow(`${name}() was called in a simulation`);
      expect(ask).not.toThrow();
    }
    await runtime.close();
  },
);

it('lets code do what asks nobody for the time: dates that are given, and expectations', async () => {
  const runtime = new SimulatedRuntime({ seed: 1, origin: { objects } });
  const written = await runtime.run(async () => {
    await runtime.sleep(5);
    expect(new Date(5)).toEqual(new Date('1970-01-01T00:00:00.005Z'));
    expect(() => expect({ at: new Date(5) }).toEqual({ at: new Date(6) })).toThrow('deeply equal');
    return new Date(runtime.sim.now).toISOString();
  });
  expect(written).toBe('1970-01-01T00:00:00.006Z');
  await runtime.close();
});

const LIMITS = {
  multipartThreshold: 4096,
  partBytes: 4096,
  partAlignment: 1,
  maxPartBytes: 16_384,
  maxParts: 12,
  maxObjectBytes: 100_000,
  deletesPerRequest: 4,
};

async function rows(iterable: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const row of iterable) count += row === undefined ? 0 : 1;
  return count;
}

it('has the calls of a runtime', async () => {
  const runtime = new SimulatedRuntime({ seed: 1, origin: { objects }, writes: LIMITS });
  const keys = (): string[] => [...runtime.origin.objects.keys()].sort();
  await runtime.run(async () => {
    const ranges = await runtime.getRanges('sim://a', [{ start: 0, end: 5 }, { start: 9 }]);
    expect(ranges.ranges.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(['bytes', 'a']);
    ranges.release();
    await runtime.putStream('sim://x/1', [new Uint8Array(3000), new Uint8Array(3000)]);
    expect((await runtime.head('sim://x/1')).size).toBe(6000);
    await runtime.copy('sim://a', 'sim://x/2');
    expect(await rows(runtime.copyPrefix('sim://x/', 'sim://y/'))).toBe(2);
    expect(keys()).toEqual(['a', 'b', 'c', 'd', 'x/1', 'x/2', 'y/1', 'y/2']);
    await runtime.delete('sim://a');
    expect(await rows(runtime.deletePrefix('sim://x/'))).toBe(2);
    expect(keys()).toEqual(['b', 'c', 'd', 'y/1', 'y/2']);
    runtime.origin.uploads.set('u9', { id: 'u9', key: 'z', parts: new Map() });
    for await (const { uri, upload } of runtime.uploads('sim://')) await runtime.abortUpload(uri, upload);
    expect(runtime.origin.uploads.size).toBe(0);
  });
  await runtime.close();
});

it('names what waits when nothing can happen any more', async () => {
  const runtime = new SimulatedRuntime({ seed: 1, origin: { objects } });
  const never = runtime.run(() => new Promise<never>(() => {}), 200);
  await expect(never).rejects.toThrow(/not over after 200 steps/);
});
