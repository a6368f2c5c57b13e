/** A shuffle buffer behind a producer that is slow, or that waits for what it has yielded to be loaded. */
import { describe, expect, it } from 'vitest';
import { asDataset, ObjectDataset } from '../../dist/loader/datasets.js';
import { createPlanSource } from '../../dist/loader/plan-source.js';
import type { EntrySource } from '../../dist/loader/sources.js';
import { createFakeSupervisor, uriOf } from './fake-supervisor.js';

const BUFFER = 4;
const names = Array.from({ length: 30 }, (_, at) => `k${String(at).padStart(3, '0')}`);

function sourceOf(open: () => Iterable<string> | AsyncIterable<string>): EntrySource {
  const supervisor = createFakeSupervisor();
  const stream = supervisor.openStream({} as never, { next: async () => null }, null);
  return createPlanSource(
    asDataset(ObjectDataset.fromIterable(open)),
    { shuffle: { buffer: BUFFER }, seed: 5, epoch: 0, sampler: null },
    { stores: supervisor.stores, stream: () => stream },
  );
}

/** All pulls, each of as many as `limitOf` says; `taken` is called after each. */
async function pullsOf(
  source: EntrySource,
  limitOf: (pull: number) => number,
  taken: (entries: number) => void = () => {},
): Promise<string[][]> {
  const pulls: string[][] = [];
  for (let limit = limitOf(0); ; limit = limitOf(pulls.length)) {
    const entries = await source.next(limit);
    if (entries === null) return pulls;
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.length).toBeLessThanOrEqual(limit);
    pulls.push(entries.map(({ key }) => Buffer.from(key).toString()));
    taken(entries.length);
  }
}

/** Yields one more than the buffer holds, and then one for each entry that was loaded. */
function createCoupled() {
  let loaded = 0;
  let wake = (): void => {};
  async function* open(): AsyncGenerator<string> {
    for (const [at, name] of names.entries()) {
      // Wait ends: with the entry before, once the consumer has it.
      while (at > BUFFER + loaded) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      yield uriOf(name);
    }
  }
  const load = (entries: number): void => {
    loaded += entries;
    wake();
  };
  return { open, load };
}

describe('a shuffle buffer', () => {
  it('hands out what came out of it while its producer waits for that to be loaded', async () => {
    const { open, load } = createCoupled();
    const pulls = await pullsOf(sourceOf(open), () => 7, load);
    expect(pulls.flat().toSorted()).toEqual(names);
    // Each but the end, which is what the buffer still held, came as soon as it was pushed out.
    expect(pulls.map(({ length }) => length)).toEqual([...names.slice(BUFFER).map(() => 1), BUFFER]);
  });

  it('has the same order for the same seed, whatever the pulls and however its producer yields', async () => {
    const orderOf = async (
      open: () => Iterable<string> | AsyncIterable<string>,
      limitOf: (pull: number) => number,
      taken?: (entries: number) => void,
    ): Promise<string[]> => (await pullsOf(sourceOf(open), limitOf, taken)).flat();
    const uris = (): string[] => names.map(uriOf);
    async function* unhurried(): AsyncGenerator<string> {
      for (const uri of uris()) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        yield uri;
      }
    }
    const { open, load } = createCoupled();
    const first = await orderOf(uris, () => 1);
    expect(first).not.toEqual(names);
    for (const limit of [2, 7, 1000]) expect(await orderOf(uris, () => limit)).toEqual(first);
    expect(await orderOf(uris, (pull) => 1 + ((pull * 5) % 9))).toEqual(first);
    expect(await orderOf(unhurried, () => 7)).toEqual(first);
    expect(await orderOf(open, () => 7, load)).toEqual(first);
  });
});
