import { describe, expect, it } from 'vitest';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import { attemptDeps } from './kit.js';
import { verifyLanded } from '../../../dist/actors/worker/verify.js';
import { digestOf } from '../../../dist/protocol/checksums/digest.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { createRuntimeWords, writeToken } from '../../../dist/protocol/words.js';
import { patternBytes } from '../../kit/pattern.mjs';

/** Enough for several slices of MD5, the slowest. */
const bytes = patternBytes(3, 16 * 1024 * 1024);
const checksums = [{ algorithm: 'md5', value: Buffer.from(digestOf('md5', bytes)).toString('base64') }];
const landed = {
  store: 0,
  key: Uint8Array.of(1),
  version: '"v"',
  bytes,
  policy: 'always' as const,
  uri: 'x:k',
};

/** Verifies; the token turns to `state` in the first sleep between two slices. */
async function verified(state: StopState) {
  const words = createRuntimeWords();
  writeToken(words, 0, 1, StopState.Live);
  const info = { size: bytes.length, version: '"v"', modified: null, contentType: null, checksums };
  const store = {
    head: () => Promise.resolve({ outcome: Outcome.Complete, value: info, error: null, retryAfterMs: 0 }),
  } as unknown as Store;
  const deps = attemptDeps(words);
  let sleeps = 0;
  const { verdict } = await verifyLanded(
    landed,
    { token: new LocalToken(words, 0, 1), maxAttempts: 1, patienceMs: 0, seat: { slot: 0 } },
    {
      ...deps,
      context: {
        ...deps.context,
        sleep: () => {
          sleeps += 1;
          writeToken(words, 0, 1, state);
          return Promise.resolve();
        },
      },
      stopping: false,
      store: () => store,
    },
  );
  return { verdict, sleeps };
}

describe('the checksum of what landed in pieces', () => {
  it('is looked at slice by slice', async () => {
    const { verdict, sleeps } = await verified(StopState.Live);
    expect(verdict).toMatchObject({ status: DoneStatus.Ok, verified: 'md5' });
    expect(sleeps).toBeGreaterThan(2);
  });

  it.each([
    ['cancel', StopState.Cancelled, DoneStatus.Cancelled],
    ['drain', StopState.Draining, DoneStatus.Left],
  ])('is given up in the slice in which a %s comes', async (_how, state, status) => {
    const { verdict, sleeps } = await verified(state);
    expect(sleeps).toBe(1);
    expect(verdict).toEqual({ status, error: null, verified: null });
  });
});
