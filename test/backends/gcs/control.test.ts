import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GcsDataConfig } from '../../../dist/backends/gcs/config.js';
import { openGcsControl, type ControlWorld } from '../../../dist/backends/gcs/control.js';
import { createGcsScheme, type GcsOptions } from '../../../dist/backends/gcs/scheme.js';
import type { StoreSnapshot } from '../../../dist/protocol/store.js';
import { startOrigin } from '../../../dist/testing/index.js';

const PEM =
  '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n';
const START = Date.UTC(2026, 10, 21);

const configOf = (snapshot: StoreSnapshot): GcsDataConfig => snapshot.config as GcsDataConfig;

/** An SDK whose tokens are counted, and whose clients remember theirs as the real ones do. */
function fakeSdk(lifetimeMs = 3_600_000): { module: unknown; options: unknown[]; tokens: () => number } {
  const options: unknown[] = [];
  let tokens = 0;
  class Storage {
    readonly authClient = {
      getClient: () => {
        const client = {
          credentials: {} as { expiry_date?: number },
          getAccessToken: () => {
            tokens += 1;
            client.credentials = { expiry_date: START + lifetimeMs };
            return Promise.resolve({ token: `token-${tokens}` });
          },
        };
        return Promise.resolve(client);
      },
    };
    constructor(given: unknown) {
      options.push(given);
    }
  }
  return { module: { Storage }, options, tokens: () => tokens };
}

function world(changes: Partial<ControlWorld> = {}): ControlWorld {
  return {
    importModule: () => Promise.reject(new Error('the test expected no SDK')),
    now: () => START,
    env: {},
    ...changes,
  };
}

const open = (
  options: GcsOptions,
  place: ControlWorld,
  store = 'gs://logs',
): ReturnType<typeof openGcsControl> => openGcsControl(store, options, place);

describe('credentials of the SDK', () => {
  it('are asked for once for all buckets, with their expiry, and again when they are refused', async () => {
    const sdk = fakeSdk();
    const place = world({ importModule: () => Promise.resolve(sdk.module) });
    const options = { projectId: 'mine' };
    const [one, other] = [await open(options, place), await open(options, place, 'gs://other')];
    const [first, second] = await Promise.all([one.snapshot(0), other.snapshot(0)]);
    expect(sdk.tokens()).toBe(1);
    expect(sdk.options).toEqual([{ projectId: 'mine' }]);
    expect(first).toMatchObject({ version: 1, expiresAtMs: START + 3_600_000 });
    expect([configOf(first).bucket, configOf(second).bucket]).toEqual(['logs', 'other']);
    expect(configOf(first).auth).toEqual({ kind: 'bearer', token: 'token-1' });
    expect(configOf(await one.snapshot(1)).auth).toEqual({ kind: 'bearer', token: 'token-2' });
    // A client that holds a token would give it again.
    expect(sdk.options).toHaveLength(2);
    expect(configOf(await other.snapshot(1)).auth).toEqual({ kind: 'bearer', token: 'token-2' });
    expect(structuredClone(first)).toEqual(first);
    one.close();
    other.close();
    await expect(one.snapshot(0)).rejects.toMatchObject({ code: 'Released' });
  });

  it('are given what the options have', async () => {
    const sdk = fakeSdk();
    const place = world({ importModule: () => Promise.resolve(sdk.module) });
    const credentials = { client_email: 'a@b.test', private_key: PEM };
    for (const options of [{ credentials }, { keyFilename: '/srv/key.json' }]) {
      const control = await open(options, place);
      await control.snapshot(0);
      control.close();
    }
    expect(sdk.options).toEqual([{ credentials }, { keyFilename: '/srv/key.json' }]);
  });

  it('that cannot be found are an error that says where to put them', async () => {
    class Storage {
      readonly authClient = {
        getClient: () =>
          Promise.reject(new Error(`Could not load the default credentials ${PEM.slice(30, 90)}`)),
      };
    }
    const control = await open({}, world({ importModule: () => Promise.resolve({ Storage }) }));
    const failure: unknown = await control.snapshot(0).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'Unauthenticated' });
    const { message } = failure as Error;
    expect(message).toMatch(/GOOGLE_APPLICATION_CREDENTIALS.*application-default login.*anonymous/);
    expect(message).not.toContain(PEM.slice(30, 90).split('\n')[0]);
    control.close();
  });

  it('that hang are given up', async () => {
    class Storage {
      readonly authClient = { getClient: () => new Promise(() => {}) };
    }
    const place = world({ importModule: () => Promise.resolve({ Storage }), resolveTimeoutMs: 10 });
    const control = await open({}, place);
    await expect(control.snapshot(0)).rejects.toMatchObject({ code: 'Unauthenticated', retryable: true });
    control.close();
  });

  it('need a package, and a missing one says what to do', async () => {
    const missing = Object.assign(new Error('nope'), { code: 'ERR_MODULE_NOT_FOUND' });
    const absent = open({}, world({ importModule: () => Promise.reject(missing) }));
    await expect(absent).rejects.toMatchObject({ code: 'ModuleUnavailable' });
    await expect(absent).rejects.toThrow(/npm install @google-cloud\/storage; or set one of the gs options/);
    await expect(open({}, world({ importModule: () => Promise.resolve({}) }))).rejects.toThrow(
      /has no Storage/,
    );
  });

  it('come from the real SDK, which asks a metadata server', async () => {
    await using origin = await startOrigin({ dialect: 'gcs', tokenLifetimeSeconds: 3000 });
    const directory = await mkdtemp(join(tmpdir(), 'millrace-gcs-'));
    const before = { ...process.env };
    // Without a home there are no credentials of gcloud; the library asks the host that is named.
    Object.assign(process.env, {
      GCE_METADATA_HOST: new URL(origin.url).host,
      HOME: directory,
      CLOUDSDK_CONFIG: directory,
    });
    delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
    const place = world({ importModule: () => import('@google-cloud/storage'), now: Date.now });
    const control = await open({ projectId: 'project' }, place);
    try {
      const first = await control.snapshot(0);
      const { auth } = configOf(first);
      expect(auth).toMatchObject({ kind: 'bearer', token: expect.stringMatching(/^ya29\.issued-metadata-/) });
      expect(Math.abs(first.expiresAtMs! - Date.now() - 3_000_000)).toBeLessThan(60_000);
      const next = configOf(await control.snapshot(1)).auth;
      expect(next.kind === 'bearer' && next.token).not.toBe(auth.kind === 'bearer' && auth.token);
    } finally {
      control.close();
      process.env = before;
      await rm(directory, { recursive: true });
    }
  });
});

describe('without the SDK', () => {
  it('a function gives tokens, renewed for whoever was refused', async () => {
    let calls = 0;
    const credentials = (): Promise<{ accessToken: string; expiration: Date }> => {
      calls += 1;
      return Promise.resolve({ accessToken: `own-${calls}`, expiration: new Date(START + 600_000) });
    };
    const control = await open({ credentials }, world());
    expect(await control.snapshot(0)).toMatchObject({ version: 1, expiresAtMs: START + 600_000 });
    expect(configOf(await control.snapshot(0)).auth).toEqual({ kind: 'bearer', token: 'own-1' });
    expect(configOf(await control.snapshot(1)).auth).toEqual({ kind: 'bearer', token: 'own-2' });
    control.close();
  });

  it('a function that gives the refused token again is an error', async () => {
    const control = await open({ credentials: () => Promise.resolve({ accessToken: 'same' }) }, world());
    await control.snapshot(0);
    await expect(control.snapshot(1)).rejects.toThrow(/gives no newer ones/);
    control.close();
  });

  it('a function that gives something else is an error without what it gave', async () => {
    const credentials = (): Promise<never> => Promise.resolve({ token: 'secret-of-mine' } as never);
    const control = await open({ credentials }, world());
    const failure = control.snapshot(0);
    await expect(failure).rejects.toThrow(/\{accessToken, expiration\?\}/);
    await expect(failure).rejects.not.toThrow(/secret-of-mine/);
    control.close();
  });

  it('tokens are not sent in clear to another machine', async () => {
    const credentials = (): Promise<{ accessToken: string }> => Promise.resolve({ accessToken: 't' });
    const away = open({ credentials, endpoint: 'http://storage.test:9000' }, world());
    await expect(away).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(away).rejects.toThrow(/over https, or to this machine; given: host "storage\.test"/);
    for (const endpoint of [
      'http://127.0.0.1:1',
      'http://localhost:1',
      'http://[::1]:1',
      'https://storage.test',
    ]) {
      (await open({ credentials, endpoint }, world())).close();
    }
    (await open({ hmac: { accessId: 'a', secret: 's' }, endpoint: 'http://storage.test' }, world())).close();
  });

  it('there are HMAC keys and nobody', async () => {
    const keyed = await open({ hmac: { accessId: 'id', secret: 's' } }, world());
    expect(configOf(await keyed.snapshot(0)).auth).toEqual({ kind: 'hmac', accessId: 'id', secret: 's' });
    const nobody = await open({ anonymous: true }, world());
    expect(configOf(await nobody.snapshot(0)).auth).toEqual({ kind: 'none' });
    keyed.close();
    nobody.close();
  });

  it('an emulator is asked as nobody, unless an endpoint is given', async () => {
    const env = { STORAGE_EMULATOR_HOST: 'http://127.0.0.1:9199' };
    const control = await open({ userProject: 'p' }, world({ env }));
    expect(configOf(await control.snapshot(0))).toMatchObject({
      auth: { kind: 'none' },
      emulated: true,
      hostHeader: '127.0.0.1:9199',
      userProject: 'p',
    });
    expect(createGcsScheme({}, env).writes?.multipartThreshold).toBe(Infinity);
    expect(createGcsScheme({ endpoint: 'https://x.test' }, env).writes?.multipartThreshold).toBe(
      16 * 1024 * 1024,
    );
    const own = await open({ endpoint: 'http://x.test:1/base/', anonymous: true }, world({ env }));
    expect(configOf(await own.snapshot(0))).toMatchObject({
      emulated: false,
      pathPrefix: '/base',
      origin: { id: 'http://x.test:1', port: 1, secure: false },
    });
    control.close();
    own.close();
  });

  it('an emulator without a protocol is one over TLS, as the SDK reads it', async () => {
    const control = await open({}, world({ env: { STORAGE_EMULATOR_HOST: 'localhost:9199' } }));
    expect(configOf(await control.snapshot(0)).origin).toMatchObject({ secure: true, port: 9199 });
    control.close();
  });
});

describe('options', () => {
  it.each([
    [{ userproject: 'x' }, /no option "userproject".*userProject/],
    [{ anonymous: 'yes' }, /"anonymous" must be a boolean/],
    [
      { credentials: { client_email: 'a@b', private_key: 'secret-of-mine' } },
      /must be \{client_email, private_key\}/,
    ],
    [{ hmac: { accessId: 'a' } }, /must be \{accessId, secret\}/],
    [{ hmac: null }, /must be \{accessId, secret\}/],
    [{ anonymous: true, keyFilename: '/k' }, /"keyFilename" and "anonymous" exclude each other/],
    [{ endpoint: 'https://user:secret-of-mine@x.test' }, /"endpoint" cannot be used/],
    [{ endpoint: 'x' }, /"endpoint" is not a URL/],
    [{ userProject: 'a\r\nb' }, /"userProject" must be/],
    [{ ca: '/path' }, /PEM bundle/],
  ])('%j is refused before anything is loaded', (options, what) => {
    expect(() => createGcsScheme(options as GcsOptions)).toThrow(what);
    expect(() => createGcsScheme(options as GcsOptions)).not.toThrow(/secret-of-mine/);
  });
});
