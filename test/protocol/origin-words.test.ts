import { describe, expect, it } from 'vitest';
import {
  claimProbe,
  CLOSE_AFTER,
  closedForMs,
  closeOrigin,
  FIRST_PROBE_MS,
  generationOf,
  isClosed,
  LAST_PROBE_MS,
  MAX_PROBE_WAIT_MS,
  noteServed,
  noteThrottled,
  probeWaitMs,
} from '../../dist/protocol/origin-words.js';
import { createRuntimeWords, fillRetryBudget, RETRY_COST, spendRetry } from '../../dist/protocol/words.js';

const STORE = 7;
/** Low bits that overflow a signed word soon. */
const NOW = 2 ** 41 + 2 ** 31 - 100;
const refusal = (nowMs = NOW, retryAfterMs = 0) => ({ nowMs, retryAfterMs, random: 1 });

function closedWords(retryAfterMs = 0): Int32Array {
  const words = createRuntimeWords();
  closeOrigin(words, STORE, 0, refusal(NOW, retryAfterMs));
  return words;
}

const closed = (words: Int32Array): boolean => isClosed(generationOf(words, STORE));

describe('an origin', () => {
  it('closes after so many refusals in a row, and any other answer begins the row anew', () => {
    const words = createRuntimeWords();
    for (let i = 1; i < CLOSE_AFTER; i += 1) noteThrottled(words, STORE, 0, refusal());
    noteServed(words, STORE, 0);
    for (let i = 1; i < CLOSE_AFTER; i += 1) noteThrottled(words, STORE, 0, refusal());
    expect(closed(words)).toBe(false);
    noteThrottled(words, STORE, 0, refusal());
    expect(closed(words)).toBe(true);
    expect(isClosed(generationOf(words, STORE + 1))).toBe(false);
  });

  it('is neither opened nor closed by answers to what began before it last was', () => {
    const words = closedWords();
    noteServed(words, STORE, 0);
    expect(closed(words)).toBe(true);
    noteServed(words, STORE, 1);
    expect(closed(words)).toBe(false);
    for (let i = 0; i < 2 * CLOSE_AFTER; i += 1) noteThrottled(words, STORE, 1, refusal());
    for (let i = 1; i < CLOSE_AFTER; i += 1) noteThrottled(words, STORE, 0, refusal());
    noteThrottled(words, STORE, 2, refusal());
    closeOrigin(words, STORE, 0, refusal());
    expect(generationOf(words, STORE)).toBe(2);
  });

  it('has one probe per interval, for whoever comes first', () => {
    const words = closedWords();
    expect(claimProbe(words, STORE, NOW + FIRST_PROBE_MS - 1, 1)).toBe(false);
    const claims = [1, 2, 3].map(() => claimProbe(words, STORE, NOW + FIRST_PROBE_MS, 1));
    expect(claims).toEqual([true, false, false]);
    expect(probeWaitMs(words, STORE, NOW + FIRST_PROBE_MS)).toBe(2 * FIRST_PROBE_MS);
  });

  it('is probed at intervals that double up to a most', () => {
    const words = closedWords();
    let nowMs = NOW;
    const waits = Array.from({ length: 7 }, () => {
      const wait = probeWaitMs(words, STORE, nowMs);
      nowMs += wait;
      claimProbe(words, STORE, nowMs, 1);
      noteThrottled(words, STORE, 1, refusal(nowMs));
      return wait;
    });
    expect(waits).toEqual([500, 1000, 2000, 4000, LAST_PROBE_MS, LAST_PROBE_MS, LAST_PROBE_MS]);
    expect(closedForMs(words, STORE, nowMs)).toBe(nowMs - NOW);
  });

  it('is left alone for as long as it asks, up to a minute', () => {
    expect(probeWaitMs(closedWords(9000), STORE, NOW)).toBe(9000);
    expect(probeWaitMs(closedWords(10 * 60_000), STORE, NOW)).toBe(MAX_PROBE_WAIT_MS);
  });

  it('is probed although the clock was set back by a day', () => {
    expect(probeWaitMs(closedWords(), STORE, NOW - 86_400_000)).toBe(0);
  });

  it('brings back some of the retry budget when it opens', () => {
    const words = closedWords();
    fillRetryBudget(words, 0);
    noteServed(words, STORE, 1);
    let retries = 0;
    while (spendRetry(words)) retries += 1;
    expect(retries).toBe(100 / RETRY_COST);
  });
});
