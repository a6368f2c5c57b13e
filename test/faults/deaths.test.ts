/** Threads that die while bodies are on their way to them: everything comes, byte for byte, and the killer is named. */
import { describe, expect, test } from 'vitest';
import { ObjectDataset } from '../../dist/index.js';
import { expectSum, fault, KIB } from '../e2e/kit.js';
import { SERVICES } from '../e2e/stores.kit.js';
import { script, worldFor } from './kit.js';

const KILLER = new URL('./modules/killer.mjs', import.meta.url);
/** Every second one is in mid-body when the thread dies. */
const OTHERS = Array.from({ length: 12 }, (_, i) => `other/${String(i).padStart(2, '0')}`);
const SIZES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(OTHERS.map((key, i) => [key, 40 * KIB + i])),
  killer: 1000,
};
const STALLING = 6;

describe.each(SERVICES)('$scheme', (service) => {
  // One thread, so that all bodies are on their way to the one that dies.
  const world = worldFor(service, { sizes: SIZES, runtime: () => ({ workers: 1 }) });

  /** Loads everything; the thread dies when all bodies that stall do so, each time that it has the killer. */
  async function load(deaths: number): Promise<{ seen: string[]; report: unknown }> {
    const words = new Int32Array(new SharedArrayBuffer(12));
    const allFired = await script(world.origin, {
      op: 'get',
      key: /^other\/\d[02468]$/,
      times: STALLING,
      do: { stall: 20 * KIB },
    });
    const before = (await world.runtime.stats()).deaths;
    const loader = world.runtime.loader(
      ObjectDataset.fromUris(['killer', ...OTHERS].map((key) => world.uriOf(key))),
      {
        onError: 'skip',
        maxConcurrentObjects: 16,
        transform: { url: KILLER, options: { words, kills: 'killer', deaths } },
      },
    );
    const seen: string[] = [];
    const loading = (async () => {
      for await (const batch of loader) {
        for (const item of batch) {
          expect(fault(item.key, item.bytes, SIZES[item.key]!)).toBeNull();
          seen.push(item.key);
        }
      }
    })();
    await world.origin.waitFor({ stalled: STALLING });
    for (let waiting = Atomics.load(words, 0); waiting === 0; waiting = Atomics.load(words, 0))
      await Atomics.waitAsync(words, 0, 0).value;
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
    await loading;
    expectSum(loader.report);
    expect((await world.runtime.stats()).deaths - before).toBe(Math.min(deaths, 3));
    await allFired();
    // Nobody let them go: they ended with their thread.
    expect((await world.origin.stats()).aborted).toBe(STALLING);
    return { seen, report: loader.report };
  }

  test('a thread that dies with bodies in flight loses none of them', async () => {
    const { seen, report } = await load(1);
    expect(seen).toEqual(['killer', ...OTHERS]);
    expect(report).toMatchObject({ reason: 'completed', delivered: 13, failed: 0, left: 0 });
  });

  test('an object that kills whichever thread has it fails alone, by name', async () => {
    const { seen, report } = await load(Infinity);
    expect(seen).toEqual(OTHERS);
    expect(report).toMatchObject({
      delivered: 12,
      failed: 1,
      failures: [{ uri: world.uriOf('killer'), error: { code: 'WorkerCrashed' } }],
    });
  });
});
