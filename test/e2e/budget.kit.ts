/** Two loaders that are gone through in turn, over one budget, with single gets in between. */
import { expect } from 'vitest';
import { ObjectDataset, type Batch, type Loader, type Runtime } from '../../dist/index.js';
import { expectIdle, expectSum, fault, type LoaderOptions } from './kit.js';

export interface Zip {
  readonly runtime: Runtime;
  /** Prefixes of the two loaders. */
  readonly prefixes: readonly [string, string];
  readonly options: readonly [LoaderOptions, LoaderOptions];
  /** What is got in the loop body, with its size. */
  readonly single: { readonly uri: string; readonly key: string; readonly size: number };
  readonly sizeOf: (key: string) => number;
  /** Whether a batch is released before the other loader is asked, as one does who wants large items of both. */
  readonly early: boolean;
  /** Called with the number of each round; the consumer stalls for as long as that takes. */
  readonly stall: (round: number) => Promise<void>;
}

/** Goes through both to their ends. Everything comes once, with its own bytes; the keys of each loader. */
export async function zipped(zip: Zip): Promise<string[][]> {
  const { runtime, single } = zip;
  const loaders = zip.prefixes.map((prefix, i) =>
    runtime.loader(ObjectDataset.fromPrefix(prefix), zip.options[i]),
  );
  const iterators = loaders.map((loader: Loader) => loader[Symbol.asyncIterator]());
  const keys: string[][] = loaders.map(() => []);
  const open = new Set(iterators.keys());
  for (let round = 0; open.size > 0; round += 1) {
    for (const i of open) {
      const step = await iterators[i]!.next();
      if (step.done === true) {
        open.delete(i);
        continue;
      }
      keys[i]!.push(...looked(step.value, zip.sizeOf));
      if (zip.early) step.value.release();
    }
    if (round % 3 === 0) {
      const result = await runtime.get(single.uri);
      expect(fault(single.key, result.bytes, single.size)).toBeNull();
      result.release();
    }
    await zip.stall(round);
  }
  for (const { report } of loaders) {
    expect(report).toMatchObject({ reason: 'completed', failed: 0, left: 0, dropped: 0 });
    expectSum(report);
  }
  await expectIdle(runtime);
  return keys;
}

function looked(batch: Batch, sizeOf: (key: string) => number): string[] {
  return batch.items.map((item) => {
    expect(fault(item.key, item.bytes, sizeOf(item.key))).toBeNull();
    return item.key;
  });
}
