import { describe, expect, it } from 'vitest';
import { readAhead } from '../../dist/cli/ahead.js';

/** Numbers as sources of that length; tells how far it was asked and whether it has ended. */
function counted(upTo: number, failAt = Infinity) {
  const seen = { asked: 0, closed: false };
  async function* numbers() {
    try {
      for (let at = 1; at <= upTo; at += 1) {
        seen.asked = at;
        if (at === failAt) throw new Error(`no ${at}`);
        yield { length: at };
      }
    } finally {
      seen.closed = true;
    }
  }
  return { seen, source: numbers() };
}

/** Two turns of the event loop: whatever would run on by itself has run on. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate);
}

describe('reading ahead', () => {
  it('hands on every source in order, and knows the totals when all were seen', async () => {
    const { source } = counted(25);
    const ahead = readAhead(source, 10);
    const lengths: number[] = [];
    for await (const { length } of ahead) lengths.push(length);
    expect(lengths).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect([ahead.objects, ahead.bytes, ahead.ended]).toEqual([25, 325, true]);
  });

  it('knows the totals while the first source is in hand, where all fit', async () => {
    const { source } = counted(5);
    const ahead = readAhead(source, 10);
    const iterator = ahead[Symbol.asyncIterator]();
    await iterator.next();
    await quiet();
    expect([ahead.objects, ahead.bytes, ahead.ended]).toEqual([5, 15, true]);
    await iterator.return?.();
  });

  it('holds no more than its limit', async () => {
    const { seen, source } = counted(1000);
    const iterator = readAhead(source, 10)[Symbol.asyncIterator]();
    await iterator.next();
    await quiet();
    expect(seen.asked).toBeGreaterThan(5);
    expect(seen.asked).toBeLessThanOrEqual(11);
    await iterator.return?.();
  });

  it('tells a failure behind what came before it', async () => {
    const ahead = readAhead(counted(9, 4).source, 10);
    const lengths: number[] = [];
    const gone = async (): Promise<void> => {
      for await (const { length } of ahead) lengths.push(length);
    };
    await expect(gone()).rejects.toThrow('no 4');
    expect([lengths, ahead.ended]).toEqual([[1, 2, 3], false]);
  });

  it('ends its source when it is left, and asks no more of it', async () => {
    const { seen, source } = counted(1000);
    for await (const { length } of readAhead(source, 10)) if (length === 3) break;
    const { asked } = seen;
    await quiet();
    expect([seen.closed, seen.asked]).toEqual([true, asked]);
  });
});
