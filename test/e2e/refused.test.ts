/** What is refused is over once: nothing of it is left that a later call could meet. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { exhaust, expectIdle, MIB } from './kit.js';

const small = Array.from({ length: 12 }, (_, i) => ({
  key: `b/small-${i}`,
  bytes: new Uint8Array(300).fill(i + 1),
}));
const large = { key: 'b/large', bytes: new Uint8Array(3 * MIB) };
const PIECES = new URL('transforms/pieces.mjs', import.meta.url);

let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.start({ workers: 2, memoryBudget: MIB, stores: { memory: [...small, large] } });
});
afterAll(async () => {
  await runtime.close();
});

test.each([
  ['a get', () => runtime.get('memory:///b/large', { size: 3 * MIB })],
  ['a loader', () => exhaust(runtime.loader([{ uri: 'memory:///b/large', size: 3 * MIB }]))],
])(
  'after %s of an object that is larger than the budget, calls beside each other all come to their ends',
  async (_name, refuse) => {
    for (let round = 0; round < 3; round += 1)
      await expect(refuse()).rejects.toMatchObject({ code: 'BudgetTooSmall' });
    const results = await Promise.all(small.map(({ key }) => runtime.get(`memory:///${key}`)));
    for (const [i, result] of results.entries()) {
      expect(result.bytes).toEqual(small[i]!.bytes);
      result.release();
    }
    await expectIdle(runtime);
  },
);

test('values of a transform keep the bytes that they were made of, whatever its memory is used for next', async () => {
  const many = Array.from({ length: 400 }, (_, i) => ({
    key: `m/${String(i).padStart(3, '0')}`,
    bytes: new Uint8Array(1000).fill(i % 251),
  }));
  const values = await Runtime.start({ workers: 2, memoryBudget: '64KiB', stores: { memory: many } });
  const kept: { key: string; head: Uint8Array; nested: Map<string, DataView>[] }[] = [];
  for await (const batch of values.loader(ObjectDataset.fromPrefix('memory:///m/'), {
    transform: PIECES,
    batchSize: 8,
  })) {
    for (const item of batch) kept.push(item.value as (typeof kept)[number]);
  }
  expect(kept).toHaveLength(many.length);
  for (const [i, { head, nested }] of kept.entries()) {
    expect([...head]).toEqual(Array.from({ length: 8 }, () => i % 251));
    expect(head.buffer).toBeInstanceOf(ArrayBuffer);
    expect(nested[0]!.get('tail')!.getUint8(7)).toBe(i % 251);
  }
  await values.close();
});
