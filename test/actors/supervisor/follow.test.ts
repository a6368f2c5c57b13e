/** What a stream hears of the tokens above its own once that has turned. */
import { expect, it } from 'vitest';
import { onFirstStop } from '../../../dist/actors/supervisor/follow.js';
import { CountedToken } from '../../kit/counted-token.js';
import { settle } from './kit.js';
import { GONE, open, some } from './stream.kit.js';

const two = (): [CountedToken, CountedToken] => [new CountedToken(), new CountedToken()];

it.each([0, 1])('is told of the first cancel alone, by token %i, and listens to none any more', (first) => {
  const tokens = two();
  let told = 0;
  onFirstStop(tokens, () => void (told += 1));
  tokens[first]!.drain('not yet');
  expect(told).toBe(0);
  tokens[first]!.cancel();
  tokens[1 - first]!.cancel();
  expect([told, ...tokens.map(({ linked }) => linked)]).toEqual([1, 0, 0]);
});

it.each([0, 1])('is told at once where token %i was cancelled before', (first) => {
  const tokens = two();
  tokens[first]!.cancel();
  let told = 0;
  onFirstStop(tokens, () => void (told += 1));
  expect([told, ...tokens.map(({ linked }) => linked)]).toEqual([1, 0, 0]);
});

it('is told of nothing once it was taken back', () => {
  const tokens = two();
  let told = 0;
  onFirstStop(tokens, () => void (told += 1))();
  for (const token of tokens) token.cancel();
  expect(told).toBe(0);
});

it('ends a stream that fails when nobody wants what it has any more', async () => {
  const { stream, told, pull, used } = open([some(1), GONE], {}, { deps: { onGivenUp: (fn) => fn() } });
  const [task] = await pull();
  settle(stream, task!);
  await pull();
  expect([stream.over, told.closed, used()]).toEqual([true, 1, 0]);
  await expect(stream.next()).rejects.toBe(GONE);
  expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 0, dropped: 1 });
});
