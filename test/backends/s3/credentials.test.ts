import { describe, expect, it } from 'vitest';
import { openS3Control } from '../../../dist/backends/s3/control.js';
import { MillraceError } from '../../../dist/protocol/errors.js';
import type { S3Options } from '../../../dist/backends/s3/scheme.js';
import { NOW, SECRET, TOKEN } from './kit.js';
import { configOf, fakeSdk, world, type Given } from './control-kit.js';

const minutes = (count: number): number => count * 60_000;
const region: S3Options = { region: 'eu-west-1' };
const key = (id: string, expiresAtMs?: number): Given => ({
  accessKeyId: id,
  secretAccessKey: SECRET,
  ...(expiresAtMs === undefined ? {} : { sessionToken: TOKEN, expiration: new Date(expiresAtMs) }),
});

/** A provider that gives K1, K2, ... each for an hour from the clock on. */
function rotating(clock: { nowMs: number }): () => Promise<Given> {
  let count = 0;
  return () => Promise.resolve(key(`K${++count}`, clock.nowMs + minutes(60)));
}

const rejection = async (work: Promise<unknown>): Promise<MillraceError> => {
  const error = await work.then(
    () => new Error('it was resolved'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MillraceError);
  return error as MillraceError;
};

describe('credentials', () => {
  it('are resolved once for concurrent callers and for all buckets with the same options', async () => {
    const clock = { nowMs: NOW };
    const sdk = fakeSdk(rotating(clock));
    const own = world({ importModule: async () => sdk.module, now: () => clock.nowMs });
    const [one, two] = [
      await openS3Control('bucket-1', region, own),
      await openS3Control('bucket-2', { ...region }, own),
    ];
    const all = await Promise.all([one.snapshot(0), one.snapshot(0), two.snapshot(0), two.snapshot(0)]);
    expect(all.map((snapshot) => configOf(snapshot).credentials!.accessKeyId)).toEqual([
      'K1',
      'K1',
      'K1',
      'K1',
    ]);
    expect(configOf(all[2]).bucket).toBe('bucket-2');
    expect(sdk.asked).toEqual([{}]);
    expect(structuredClone(all[0])).toEqual(all[0]);
    one.close();
    const three = await openS3Control('bucket-3', region, own);
    expect(configOf(await three.snapshot(0)).credentials!.accessKeyId).toBe('K1');
    three.close();
    two.close();
  });

  it('are not shared between different options, nor kept after the last bucket was closed', async () => {
    const sdk = fakeSdk(rotating({ nowMs: Date.now() }));
    const own = world({ importModule: async () => sdk.module });
    const [plain, profile] = [
      await openS3Control('bucket-1', region, own),
      await openS3Control('bucket-1', { ...region, profile: 'other' }, own),
    ];
    await plain.snapshot(0);
    await profile.snapshot(0);
    expect(sdk.chains.map((config) => config.profile)).toEqual([undefined, 'other']);
    plain.close();
    plain.close();
    profile.close();
    const again = await openS3Control('bucket-1', region, own);
    expect(configOf(await again.snapshot(0)).credentials!.accessKeyId).toBe('K3');
    await expect(plain.snapshot(0)).rejects.toMatchObject({ code: 'Released' });
    again.close();
  });

  it('are resolved again, past the memory of the SDK, for a worker whose snapshot is stale', async () => {
    const clock = { nowMs: NOW };
    const sdk = fakeSdk(rotating(clock));
    const control = await openS3Control(
      'bucket-1',
      region,
      world({ importModule: async () => sdk.module, now: () => clock.nowMs }),
    );
    const first = await control.snapshot(0);
    expect(first).toMatchObject({ version: 1, expiresAtMs: NOW + minutes(60) });
    const [second, other] = await Promise.all([control.snapshot(1), control.snapshot(1)]);
    expect([second.version, other.version]).toEqual([2, 2]);
    expect(await control.snapshot(1)).toEqual(second);
    expect(sdk.asked).toEqual([{}, { forceRefresh: true }]);
    control.close();
  });

  it('with less than five minutes left are renewed before they are given to a new bucket', async () => {
    const clock = { nowMs: NOW };
    const sdk = fakeSdk(rotating(clock));
    const own = world({ importModule: async () => sdk.module, now: () => clock.nowMs });
    const control = await openS3Control('bucket-1', region, own);
    await control.snapshot(0);
    clock.nowMs += minutes(55) - 1;
    expect((await control.snapshot(0)).version).toBe(1);
    clock.nowMs += 1;
    expect((await control.snapshot(0)).version).toBe(2);
    control.close();
  });

  it('with less than five minutes left are given all the same where their source fails, to those whom nobody refused', async () => {
    const clock = { nowMs: NOW };
    let failing = false;
    const credentials = (): Promise<Given> =>
      failing ? Promise.reject(new Error('a hiccup')) : Promise.resolve(key('K1', NOW + minutes(60)));
    const own = world({ now: () => clock.nowMs });
    const control = await openS3Control('bucket-1', { ...region, credentials }, own);
    await control.snapshot(0);
    failing = true;
    clock.nowMs += minutes(56);
    const [late, asked] = await Promise.all([control.snapshot(0), rejection(control.snapshot(1))]);
    expect(late.version).toBe(1);
    expect(asked.message).toContain('a hiccup');
    clock.nowMs += minutes(4);
    expect((await rejection(control.snapshot(0))).message).toContain('a hiccup');
    control.close();
  });

  it.each<[string, Error, boolean]>([
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), true],
    [
      'a failed fetch',
      new TypeError('fetch failed', {
        cause: Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' }),
      }),
      true,
    ],
    ['a time-out', Object.assign(new Error('late'), { name: 'TimeoutError' }), true],
    [
      'a failing STS',
      Object.assign(new Error('no'), { name: 'InternalFailure', $metadata: { httpStatusCode: 500 } }),
      true,
    ],
    [
      'a throttling STS',
      Object.assign(new Error('no'), {
        $retryable: { throttling: true },
        $metadata: { httpStatusCode: 400 },
      }),
      true,
    ],
    [
      'a role that may not be assumed',
      Object.assign(new Error('no'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }),
      false,
    ],
    ['an error of its own', new Error('no'), false],
  ])('whose source ends with %s say whether to try again', async (_, thrown, retryable) => {
    const sdk = fakeSdk(() => Promise.reject(thrown));
    const control = await openS3Control('bucket-1', region, world({ importModule: async () => sdk.module }));
    expect(await rejection(control.snapshot(0))).toMatchObject({ code: 'Unauthenticated', retryable });
    control.close();
  });

  it('that the chain finds nowhere are worth another try where it found some before', async () => {
    const nowhere = Object.assign(new Error('Could not load credentials from any providers'), {
      name: 'CredentialsProviderError',
    });
    const clock = { nowMs: NOW };
    let failing = true;
    const next = rotating(clock);
    const sdk = fakeSdk(() => (failing ? Promise.reject(nowhere) : next()));
    const own = world({ importModule: async () => sdk.module, now: () => clock.nowMs });
    const control = await openS3Control('bucket-1', region, own);
    expect((await rejection(control.snapshot(0))).retryable).toBe(false);
    failing = false;
    await control.snapshot(0);
    failing = true;
    expect((await rejection(control.snapshot(1))).retryable).toBe(true);
    control.close();
  });

  it('that never last five minutes are given out all the same, and asked for once', async () => {
    let calls = 0;
    const credentials = () => Promise.resolve(key(`K${++calls}`, NOW + minutes(4)));
    const control = await openS3Control('bucket-1', { ...region, credentials }, world({ now: () => NOW }));
    await control.snapshot(0);
    expect((await control.snapshot(1)).version).toBe(2);
    expect((await control.snapshot(1)).version).toBe(2);
    expect(calls).toBe(2);
    control.close();
  });

  it('that a source gives again unchanged before their expiry are taken, and refused once they have none or it has passed', async () => {
    const clock = { nowMs: NOW };
    const own = world({ now: () => clock.nowMs });
    const same = key('K1', NOW + minutes(10));
    const control = await openS3Control(
      'bucket-1',
      { ...region, credentials: () => Promise.resolve(same) },
      own,
    );
    expect((await control.snapshot(0)).version).toBe(1);
    expect((await control.snapshot(1)).version).toBe(2);
    clock.nowMs += minutes(10);
    expect(await rejection(control.snapshot(2))).toMatchObject({
      code: 'Unauthenticated',
      message: expect.stringMatching(
        /expired.*sso login.*clock, which may be ahead \(it says 2026-11-21T04:46:34/,
      ),
    });
    control.close();
    const fixed = await openS3Control('bucket-1', { ...region, credentials: key('K1') }, own);
    expect(configOf(await fixed.snapshot(0)).credentials).toEqual({
      accessKeyId: 'K1',
      secretAccessKey: SECRET,
    });
    const refused = await rejection(fixed.snapshot(1));
    expect(refused.code).toBe('Unauthenticated');
    // The service has said so, not the clock of this machine.
    expect(refused.message).not.toContain('clock');
    fixed.close();
  });

  it('are known to be renewable where a function or a file gives them', async () => {
    const sdk = fakeSdk(() => Promise.resolve(key('K1')));
    const variables = { AWS_ACCESS_KEY_ID: 'K1', AWS_SECRET_ACCESS_KEY: SECRET };
    const cases: [S3Options, object, boolean][] = [
      [{ credentials: () => Promise.resolve(key('K1')) }, {}, true],
      [{ credentials: key('K1') }, {}, false],
      [{ anonymous: true }, {}, false],
      [{}, {}, true],
      [{}, variables, false],
      [{ profile: 'other' }, variables, true],
    ];
    for (const [options, env, renewable] of cases) {
      const own = world({ importModule: async () => sdk.module, env: { ...world().env, ...env } });
      const control = await openS3Control('bucket-1', { ...region, ...options }, own);
      expect(configOf(await control.snapshot(0)).renewable).toBe(renewable);
      control.close();
    }
  });

  it('are not looked for when the store is anonymous', async () => {
    const sdk = fakeSdk(() => Promise.reject(new Error('asked')));
    const control = await openS3Control(
      'bucket-1',
      { ...region, anonymous: true },
      world({ importModule: async () => sdk.module }),
    );
    expect(configOf(await control.snapshot(0)).credentials).toBeNull();
    expect((await control.snapshot(1)).version).toBe(2);
    expect(sdk.asked).toEqual([]);
    control.close();
  });

  it('that could not be resolved once are asked for again, of a new client', async () => {
    let calls = 0;
    const sdk = fakeSdk(() =>
      ++calls === 1 ? Promise.reject(new Error('a hiccup')) : Promise.resolve(key('K2')),
    );
    const control = await openS3Control('bucket-1', region, world({ importModule: async () => sdk.module }));
    expect(await rejection(control.snapshot(0))).toMatchObject({
      code: 'Unauthenticated',
      message: expect.stringContaining('a hiccup'),
    });
    expect(configOf(await control.snapshot(0)).credentials!.accessKeyId).toBe('K2');
    expect(sdk.chains.length).toBe(2);
    control.close();
  });

  it('whose source never answers are given up, and the next caller does not wait for the same promise', async () => {
    let calls = 0;
    const sdk = fakeSdk(() => (++calls === 1 ? new Promise(() => {}) : Promise.resolve(key('K2'))));
    const control = await openS3Control(
      'bucket-1',
      region,
      world({ importModule: async () => sdk.module, resolveTimeoutMs: 5 }),
    );
    const error = await rejection(control.snapshot(0));
    expect(error).toMatchObject({
      code: 'Unauthenticated',
      retryable: true,
      message: expect.stringContaining('longer than 5 ms'),
    });
    expect(configOf(await control.snapshot(0)).credentials!.accessKeyId).toBe('K2');
    control.close();
  });

  it('of a wrong shape are refused without being shown', async () => {
    for (const wrong of [
      null,
      'text',
      { accessKeyId: 'A' },
      { ...key('A'), sessionToken: 5 },
      { ...key('A'), expiration: 'tomorrow' },
    ]) {
      const credentials = (() => Promise.resolve(wrong)) as never;
      const control = await openS3Control('bucket-1', { ...region, credentials }, world());
      const error = await rejection(control.snapshot(0));
      expect(error).toMatchObject({ code: 'Unauthenticated' });
      expect(JSON.stringify(error.toWire())).not.toContain(SECRET);
      control.close();
    }
  });

  it('never show in an error, even when the message of their source repeats them', async () => {
    const messages = [
      `bad ${SECRET} here`,
      `Command failed: get-keys --password hunter2\nboom`,
      `token ${TOKEN}`,
      `first\n${SECRET}`,
      `short pa55`,
    ];
    for (const message of messages) {
      const sdk = fakeSdk(() => Promise.reject(new Error(message)));
      const env = { ...world().env, AWS_SECRET_ACCESS_KEY: 'pa55' };
      const control = await openS3Control(
        'bucket-1',
        region,
        world({ importModule: async () => sdk.module, env }),
      );
      const wire = JSON.stringify((await rejection(control.snapshot(0))).toWire());
      expect(wire).toContain('AWS_PROFILE');
      for (const secret of [SECRET, 'hunter2', TOKEN, 'pa55', 'K7MDENG']) expect(wire).not.toContain(secret);
      control.close();
    }
  });
});
