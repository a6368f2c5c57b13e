import { describe, expect, it } from 'vitest';
import { StopState } from '../../dist/protocol/stop.js';
import {
  createRuntimeWords,
  fillRetryBudget,
  readToken,
  refundRetry,
  RETRY_CAPACITY,
  RETRY_COST,
  spendRetry,
  TOKEN_SLOTS,
  TokenSlots,
  writeToken,
} from '../../dist/protocol/words.js';

const MAX_EPOCH = 0x1fff_ffff;

describe('a token word', () => {
  it.each([StopState.Live, StopState.Draining, StopState.Cancelled])(
    'gives the state %i to its own epoch alone',
    (state) => {
      const words = createRuntimeWords();
      for (const epoch of [1, 2, 0x1000_0000, MAX_EPOCH]) {
        writeToken(words, 5, epoch, state);
        expect(readToken(words, 5, epoch)).toBe(state);
        expect(readToken(words, 5, epoch - 1)).toBe(StopState.Cancelled);
        expect(readToken(words, 5, epoch + 1)).toBe(StopState.Cancelled);
      }
    },
  );

  it('is one of many: a neighbour is not touched', () => {
    const words = createRuntimeWords();
    writeToken(words, 6, 9, StopState.Draining);
    writeToken(words, 5, 9, StopState.Cancelled);
    writeToken(words, 7, 9, StopState.Live);
    expect([5, 6, 7].map((slot) => readToken(words, slot, 9))).toEqual([2, 1, 0]);
  });
});

describe('TokenSlots', () => {
  it('gives a live slot, whose epoch is new each time that it is used again', () => {
    const slots = new TokenSlots(createRuntimeWords());
    const first = slots.acquire()!;
    expect(readToken(slots.words, first.slot, first.epoch)).toBe(StopState.Live);
    slots.release(first.slot);
    const second = slots.acquire()!;
    expect(second.slot).toBe(first.slot);
    expect(second.epoch).not.toBe(first.epoch);
    expect(readToken(slots.words, second.slot, second.epoch)).toBe(StopState.Live);
    expect(readToken(slots.words, first.slot, first.epoch)).toBe(StopState.Cancelled);
  });

  it('refuses to give a slot back twice: two streams would share it', () => {
    const slots = new TokenSlots(createRuntimeWords());
    const { slot } = slots.acquire()!;
    slots.release(slot);
    expect(() => slots.release(slot)).toThrow(/not in use/);
  });

  it('cancels whoever still carries the epoch of a released slot', () => {
    const slots = new TokenSlots(createRuntimeWords());
    const { slot, epoch } = slots.acquire()!;
    slots.release(slot);
    expect(readToken(slots.words, slot, epoch)).toBe(StopState.Cancelled);
  });

  it('has so many slots, all different, and says null when all are in use', () => {
    const slots = new TokenSlots(createRuntimeWords());
    const all = Array.from({ length: TOKEN_SLOTS }, () => slots.acquire()!.slot);
    expect(new Set(all).size).toBe(TOKEN_SLOTS);
    expect(slots.acquire()).toBeNull();
    expect(slots.inUse).toBe(TOKEN_SLOTS);
    slots.release(all[7]!);
    expect(slots.inUse).toBe(TOKEN_SLOTS - 1);
    expect(slots.acquire()?.slot).toBe(all[7]);
  });

  it('leaves the retry budget, which lies behind the last slot, alone', () => {
    const words = createRuntimeWords();
    fillRetryBudget(words, RETRY_COST);
    const slots = new TokenSlots(words);
    while (slots.acquire() !== null);
    expect(spendRetry(words)).toBe(true);
    expect(spendRetry(words)).toBe(false);
    expect(readToken(words, TOKEN_SLOTS - 1, 1)).toBe(StopState.Live);
  });
});

describe('the retry budget', () => {
  it('pays for a hundred retries, and then takes nothing', () => {
    const words = createRuntimeWords();
    fillRetryBudget(words);
    let paid = 0;
    while (spendRetry(words)) paid += 1;
    expect(paid).toBe(RETRY_CAPACITY / RETRY_COST);
    refundRetry(words, RETRY_COST - 1);
    expect(spendRetry(words)).toBe(false);
    refundRetry(words, 1);
    expect(spendRetry(words)).toBe(true);
    expect(spendRetry(words)).toBe(false);
  });

  it('loses nothing by a refund, whatever is called full', () => {
    const words = createRuntimeWords();
    fillRetryBudget(words, 2 * RETRY_COST);
    refundRetry(words, 1, RETRY_COST);
    expect([spendRetry(words), spendRetry(words), spendRetry(words)]).toEqual([true, true, false]);
  });

  it('is never more than full', () => {
    const words = createRuntimeWords();
    fillRetryBudget(words, 10);
    expect(spendRetry(words)).toBe(true);
    refundRetry(words, 1000, 10);
    refundRetry(words, 1, 10);
    expect([spendRetry(words), spendRetry(words), spendRetry(words)]).toEqual([true, true, false]);
  });
});
