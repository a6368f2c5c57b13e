import { describe, expect, it } from 'vitest';
import { createPageWalk } from '../../dist/loader/listing.js';
import { createKeyPageBuilder } from '../../dist/protocol/key-page.js';

/** Walks a listing whose page `n` is continued at `next(n)`; gives the continuations that were asked for. */
async function walk(next: (asked: number) => number | null, limit: number): Promise<(string | null)[]> {
  const asked: (string | null)[] = [];
  const pages = createPageWalk(
    ({ continuation }) => {
      asked.push(continuation);
      if (asked.length > limit) throw new Error('it does not end');
      const following = next(Number(continuation ?? 0));
      return Promise.resolve(
        createKeyPageBuilder().finish([], following === null ? null : String(following)),
      );
    },
    { store: 0, prefix: new Uint8Array(0), delimiter: null },
  );
  while ((await pages.next()) !== null);
  expect(await pages.next()).toBeNull();
  return asked;
}

describe('a walk through a listing', () => {
  it.each([1, 2, 3, 7, 8, 100])('asks for each of %i pages once', async (count) => {
    const asked = await walk((page) => (page + 1 < count ? page + 1 : null), count);
    expect(asked).toEqual([null, ...Array.from({ length: count - 1 }, (_, i) => String(i + 1))]);
  });

  it.each([
    [1, 1],
    [5, 1],
    [1, 2],
    [4, 3],
    [40, 17],
  ])('ends when, after %i pages, it goes in a circle of %i', async (before, round) => {
    const circular = walk(
      (page) => (page + 1 < before + round ? page + 1 : before),
      3 * (before + round) + 3,
    );
    await expect(circular).rejects.toMatchObject({ code: 'ProtocolViolation', phase: 'list' });
  });
});
