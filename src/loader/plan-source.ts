/**
 * Makes the plan of one epoch: dataset, then sampler or shuffle.
 *
 * Invariants:
 * 1. The order depends on (dataset, seed, epoch, sampler or shuffle) alone.
 * 2. A pull never blocks the service thread for long: after every so many entries that only filled a buffer, the
 *    event loop has a turn.
 * 3. A pull waits for the dataset only while it has nothing to hand out.
 */
import type { PlanEntry } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { Dataset } from './datasets.js';
import type { ResolvedLoaderOptions } from './options.js';
import { type SourceWorld, userError } from './references.js';
import { createShuffleBuffer } from './samplers/buffered-shuffle.js';
import { createPermutation } from './samplers/permutation.js';
import { epochSeed, type Seed } from './samplers/random.js';
import {
  createIndexSource,
  createMapSource,
  createPrefixSource,
  createSamplerSource,
  createStreamSource,
  type EntrySource,
} from './sources.js';

export type PlanOrder = Pick<ResolvedLoaderOptions, 'shuffle' | 'seed' | 'epoch' | 'sampler'>;

/**
 * The plan of one epoch.
 * @throws MillraceError InvalidArgument when the order does not go with the dataset (see `checkOrder`)
 */
export function createPlanSource(dataset: Dataset, order: PlanOrder, world: SourceWorld): EntrySource {
  checkOrder(dataset, order);
  const { shuffle, seed, epoch } = order;
  if (dataset.kind === 'map') return createMapSource(dataset.map, indexesOf(dataset, order), world);
  const entries =
    dataset.kind === 'prefix' ? createPrefixSource(dataset, world) : createStreamSource(dataset.open, world);
  if (typeof shuffle === 'boolean') return entries;
  return createShuffledSource(entries, shuffle.buffer, epochSeed(seed, epoch));
}

/** @throws MillraceError InvalidArgument that says which shuffle or sampler this dataset can have */
export function checkOrder(
  dataset: Dataset,
  { shuffle, sampler }: Pick<PlanOrder, 'shuffle' | 'sampler'>,
): void {
  if (dataset.kind === 'map') {
    if (typeof shuffle !== 'boolean') {
      throw wrongOrder(
        'shuffle: {buffer} is for datasets without a length; this one has a length: use shuffle: true, ' +
          'a full permutation that needs no buffer',
      );
    }
    return;
  }
  const kind = dataset.kind === 'prefix' ? 'a streamed listing' : 'a streamed iterable';
  if (shuffle === true) {
    throw wrongOrder(
      `shuffle: true needs a dataset with a length, and ${kind} has none; use shuffle: {buffer: n}`,
    );
  }
  if (sampler !== null) {
    throw wrongOrder(`sampler needs a dataset with length and at(i), and ${kind} has neither`);
  }
}

function indexesOf(dataset: Extract<Dataset, { kind: 'map' }>, order: PlanOrder) {
  const { length } = dataset.map;
  const { seed, epoch, sampler } = order;
  if (sampler !== null) {
    return createSamplerSource(
      typeof sampler === 'function' ? callSampler(() => sampler({ length, seed, epoch })) : sampler,
      length,
    );
  }
  if (order.shuffle === false) return createIndexSource(length, (position) => position);
  const permutation = createPermutation(length, epochSeed(seed, epoch));
  return createIndexSource(length, (position) => permutation.at(position));
}

function callSampler<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw userError(thrown, 'the sampler');
  }
}

function wrongOrder(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

/** Entries pulled into the buffer at a time, and after which the event loop has a turn. */
const FILL_ENTRIES = 1024;

function createShuffledSource(entries: EntrySource, size: number, seed: Seed): EntrySource {
  const buffer = createShuffleBuffer<PlanEntry>(size, seed);
  let rest: IterableIterator<PlanEntry> | null = null;
  return {
    next: async (limit) => {
      const out: PlanEntry[] = [];
      while (rest === null && out.length < limit) {
        // No more than what may go out may come in, once the buffer is full.
        const room = size - buffer.held;
        const pulled = await entries.next(room > 0 ? Math.min(room, FILL_ENTRIES) : limit - out.length);
        if (pulled === null) {
          rest = buffer.drain();
          break;
        }
        for (const entry of pulled) {
          const pushed = buffer.push(entry);
          if (pushed !== undefined) out.push(pushed);
        }
        // A producer may wait for what it has yielded to be loaded: what has come out goes on without the rest.
        if (out.length > 0) break;
        await turn();
      }
      while (rest !== null && out.length < limit) {
        const step = rest.next();
        if (step.done === true) break;
        out.push(step.value);
      }
      return out.length === 0 ? null : out;
    },
    close: () => entries.close(),
  };
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  // Wait ends: with this turn of the event loop.
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
