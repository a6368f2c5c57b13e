import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Directory } from '../../dist/host/directory.js';
import { REFRESH_AHEAD_MS, type Scheme } from '../../dist/protocol/store.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('the credentials of an open store', () => {
  it('are renewed by the clock when they have as little left as a new store would not be given', async () => {
    const lifeMs = 3_600_000;
    const asked: number[] = [];
    const scheme: Scheme = {
      name: 'own',
      kind: 'direct',
      writes: null,
      dataModule: 'none',
      defaults: { splitThreshold: Infinity, partBytes: 1, maxPartsPerObject: 1 },
      parse: () => ({ store: 'own://a', key: new Uint8Array(0) }),
      format: () => 'own://a/',
      open: () =>
        Promise.resolve({
          snapshot: (stale) => {
            asked.push(stale);
            return Promise.resolve({ version: stale + 1, expiresAtMs: Date.now() + lifeMs, config: null });
          },
          close: () => {},
        }),
    };
    const directory = new Directory([scheme]);
    await directory.open(directory.locate('own://a/').store);
    await vi.advanceTimersByTimeAsync(lifeMs - REFRESH_AHEAD_MS - 1);
    expect(asked).toEqual([0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([0, 1]);
    directory.close();
  });
});
