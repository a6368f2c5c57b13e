/** What a user sees of the actors, whatever they stand on. */
import { describe, expect, it } from 'vitest';
import type { LoaderOptions } from '../../dist/index.js';
import { Loader } from '../../dist/loader/loader.js';
import type { TerminalRecord } from '../../dist/actors/supervisor/types.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { type OpenRig, type Rig, TRANSFORM } from './rig.kit.js';

export const SIZES: Readonly<Record<string, number>> = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => [`k${i}`, (i * 7919) % 40_000]),
);
const URIS = Object.keys(SIZES).map((key) => `memory:///${key}`);
const SMALL: LoaderOptions = { shuffle: true, seed: 5, batchSize: 4 };

export interface Outcome {
  /** Keys of the items, or what stands for a value. */
  readonly items: readonly string[];
  readonly record: Partial<TerminalRecord>;
}

export interface Case {
  readonly what: string;
  readonly uris?: readonly string[];
  readonly options: () => LoaderOptions;
  /** Threads that it costs. */
  readonly deaths?: number;
}

const crashing = (): LoaderOptions => ({
  ...SMALL,
  transform: { url: TRANSFORM, options: { once: new Int32Array(new SharedArrayBuffer(4)) } },
});

/** Loads whose whole outcome the plan and the seed determine. */
export const CASES: readonly Case[] = [
  { what: 'a whole epoch in shuffled order', options: () => SMALL },
  {
    what: 'an epoch without its short last batch',
    options: () => ({ ...SMALL, batchSize: 7, dropLast: true }),
  },
  {
    what: 'objects in ranges',
    options: () => ({ ...SMALL, ranges: { splitThreshold: 8192, partBytes: 4096 } }),
  },
  {
    what: 'a transform that makes none or two',
    options: () => ({ ...SMALL, transform: { url: TRANSFORM } }),
  },
  { what: 'a transform that takes its thread with it', options: crashing, deaths: 1 },
  {
    what: 'an object that is not there, skipped',
    uris: [...URIS.slice(0, 9), 'memory:///missing', ...URIS.slice(9)],
    options: () => ({ ...SMALL, onError: 'skip' }),
  },
];

export async function loadCase(rig: Rig, { uris = URIS, options }: Case): Promise<Outcome> {
  const loader = new Loader(rig.supervisor, [...uris], options());
  const items: string[] = [];
  await consume(loader, items);
  const { elapsedMs: _elapsed, retries: _retries, failures, ...record } = loader.report!;
  return { items, record: { ...record, failures: failures.map(({ uri }) => ({ uri })) as never } };
}

/** Looks at every byte; calls `at` before each batch. */
async function consume(
  loader: Loader,
  items: string[],
  at: (batches: number) => void = () => {},
): Promise<void> {
  let batches = 0;
  for await (const batch of loader) {
    at((batches += 1));
    for (const item of batch) {
      if (item.value !== undefined) {
        items.push(`${item.key}: ${JSON.stringify(item.value)}`);
        continue;
      }
      const { key } = item;
      const wrong = verifyPattern(objectIdOf(key), 0, item.bytes);
      if (wrong >= 0) throw new Error(`${key} is wrong from byte ${wrong}`);
      items.push(`${key}: ${item.bytes.length}`);
    }
  }
}

async function close(rig: Rig, deaths = 0): Promise<void> {
  const { stuckWorkers, unreleasedBytes, ...record } = await rig.outcome(rig.supervisor.close('close', 5000));
  expect({ stuckWorkers, unreleasedBytes }).toEqual({ stuckWorkers: [], unreleasedBytes: 0 });
  expect(record.deaths).toBe(deaths);
  expect(rig.arena.stats()).toMatchObject({ usedBytes: 0, chargedBytes: 0, extents: 0 });
}

function sumOf(record: TerminalRecord): number {
  const { delivered, filtered, failed, dropped, left } = record;
  return delivered + filtered + failed + dropped + left;
}

export function behaviour(name: string, open: OpenRig, expected: (what: Case) => Promise<Outcome>): void {
  describe(`${name} under the real actors`, () => {
    it.each(CASES)('gives the same items and record: $what', async (what) => {
      const rig = open(SIZES);
      const outcome = await rig.outcome(loadCase(rig, what));
      await close(rig, what.deaths);
      expect(outcome.items.length).toBeGreaterThan(40);
      expect(outcome).toEqual(await expected(what));
    });

    it('drains in the middle: a prefix of the order is delivered, and the record adds up', async () => {
      const whole = await expected(CASES[0]!);
      const rig = open(SIZES);
      const loader = new Loader(rig.supervisor, URIS, SMALL);
      const items: string[] = [];
      await rig.outcome(consume(loader, items, (batches) => batches === 3 && rig.token.drain('stop')));
      const record = loader.report!;
      expect(items).toEqual(whole.items.slice(0, items.length));
      expect(sumOf(record)).toBe(record.planned);
      expect(record).toMatchObject({ reason: 'stop', delivered: items.length, dropped: 0 });
      await close(rig);
    });

    it('cancels in the middle: the consumer is told so, and the record adds up', async () => {
      const rig = open(SIZES);
      const loader = new Loader(rig.supervisor, URIS, SMALL);
      const cancel = (batches: number): false | void => batches === 2 && rig.token.cancel('stop');
      const failure = consume(loader, [], cancel).then(null, (error: unknown) => error);
      expect(await rig.outcome(failure)).toMatchObject({ code: 'Cancelled' });
      expect(sumOf(loader.report!)).toBe(loader.report!.planned);
      expect(loader.report!.reason).toBe('stop');
      await close(rig);
    });

    it('gives each of two loads beside each other what it gives to one alone', async () => {
      const rig = open(SIZES);
      const both = Promise.all([loadCase(rig, CASES[0]!), loadCase(rig, CASES[3]!)]);
      const [first, second] = await rig.outcome(both);
      expect([first.items, second.items]).toEqual([
        (await expected(CASES[0]!)).items,
        (await expected(CASES[3]!)).items,
      ]);
      await close(rig);
    });
  });
}
