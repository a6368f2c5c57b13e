import { describe, expect, it } from 'vitest';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import { attemptDeps } from './kit.js';
import { type Landed, verifyLanded } from '../../../dist/actors/worker/verify.js';
import { digestOf } from '../../../dist/protocol/checksums/digest.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { type Answer, type ObjectInfo, Outcome, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { createRuntimeWords, writeToken } from '../../../dist/protocol/words.js';
import { patternBytes } from '../../../dist/testing/pattern.js';

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

/** What the service answers to the question for the checksums; an `Answer` without a value is a failed one. */
interface Asked {
  readonly landed?: Partial<Landed>;
  readonly info?: Partial<ObjectInfo>;
  readonly answer?: Partial<Answer<ObjectInfo>>;
}

/** Verifies; the token turns to `state` in the first sleep between two slices. */
async function verified(state: StopState, { landed: more = {}, info: other = {}, answer = {} }: Asked = {}) {
  const words = createRuntimeWords();
  writeToken(words, 0, 1, StopState.Live);
  const info = { size: bytes.length, version: '"v"', modified: null, contentType: null, checksums, ...other };
  const store = {
    head: () =>
      Promise.resolve({ outcome: Outcome.Complete, value: info, error: null, retryAfterMs: 0, ...answer }),
  } as unknown as Store;
  const deps = attemptDeps(words);
  let sleeps = 0;
  const { verdict } = await verifyLanded(
    { ...landed, ...more },
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

describe('what landed in pieces', () => {
  const ok = { status: DoneStatus.Ok, error: null };
  const small = patternBytes(9, 3000);
  const sums = (of: Uint8Array) => [
    { algorithm: 'crc32c', value: Buffer.from(digestOf('crc32c', of)).toString('base64') },
  ];

  it('is right when it has the checksum, and that is looked at in one slice where it is short', async () => {
    expect(
      await verified(StopState.Live, {
        landed: { bytes: small, policy: 'auto' },
        info: { checksums: sums(small) },
      }),
    ).toEqual({ verdict: { ...ok, verified: 'crc32c' }, sleeps: 0 });
  });

  it('fails by name when it has not', async () => {
    const { verdict } = await verified(StopState.Live, {
      landed: { bytes: small },
      info: { checksums: sums(small.subarray(1)) },
    });
    expect(verdict).toMatchObject({
      status: DoneStatus.Failed,
      verified: null,
      error: {
        code: 'ChecksumMismatch',
        phase: 'verify',
        uri: 'x:k',
        message: 'x:k: the bytes do not have the crc32c checksum that the service gave',
      },
    });
  });

  it.each<[string, Asked]>([
    ['has no checksum', { info: { checksums: [] } }],
    ['tells of none', { info: { checksums: undefined as never } }],
    ['has one that costs too much', { landed: { policy: 'auto' } }],
  ])('is taken as it is where the object %s', async (_, asked) => {
    expect((await verified(StopState.Live, asked)).verdict).toEqual({ ...ok, verified: null });
  });

  it.each([
    ['"v"', '"w"', DoneStatus.VersionChanged],
    ['"v"', null, DoneStatus.Ok],
    [null, '"w"', DoneStatus.Ok],
  ])('in version %s, of an object that is in version %s now, ends as %i', async (version, now, status) => {
    const { verdict } = await verified(StopState.Live, {
      landed: { bytes: small, version },
      info: { version: now, checksums: sums(small) },
    });
    expect(verdict).toEqual({
      status,
      error: null,
      verified: status === DoneStatus.Ok ? 'crc32c' : null,
    });
  });

  it('is taken as it is where the question fails, unless a checksum is wanted in any case', async () => {
    const error = new MillraceError(ErrorCode.AccessDenied, 'no');
    const answer = { outcome: Outcome.Refused, value: null, error };
    expect((await verified(StopState.Live, { landed: { policy: 'auto' }, answer })).verdict).toEqual({
      ...ok,
      verified: null,
    });
    expect((await verified(StopState.Live, { answer })).verdict).toMatchObject({
      status: DoneStatus.Failed,
      error: { code: 'AccessDenied' },
      verified: null,
    });
  });
});
