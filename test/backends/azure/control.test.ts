import { describe, expect, it } from 'vitest';
import type { AzureDataConfig } from '../../../dist/backends/azure/config.js';
import { openAzureControl, type ControlWorld } from '../../../dist/backends/azure/control.js';
import { checkOptions, type AzureOptions } from '../../../dist/backends/azure/options.js';
import { loadChain } from '../../../dist/backends/azure/sdk.js';
import type { MillraceError } from '../../../dist/protocol/errors.js';
import { KEY, NOW, SAS, SIGNATURE, TOKEN } from './kit.js';

const OTHER_KEY = Buffer.from('the key of another account').toString('base64');
const missing = (): Promise<never> =>
  Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }));

function world(changes: Partial<ControlWorld> = {}): ControlWorld {
  return { importModule: missing, now: () => NOW, env: {}, ...changes };
}

async function configOf(
  options: AzureOptions,
  changes: Partial<ControlWorld> = {},
  store = 'az://myaccount/logs',
): Promise<AzureDataConfig> {
  const control = await openAzureControl(store, options, world(changes));
  const { config } = await control.snapshot(0);
  control.close();
  return structuredClone(config) as AzureDataConfig;
}

async function refusalOf(work: () => unknown): Promise<MillraceError> {
  try {
    await work();
  } catch (thrown) {
    return thrown as MillraceError;
  }
  throw new Error('it was accepted');
}

describe('authorization', () => {
  const connection = `DefaultEndpointsProtocol=https;AccountName=myaccount;AccountKey=${KEY};EndpointSuffix=core.windows.net`;
  it.each<[string, AzureOptions, Record<string, string>, object]>([
    ['a key', { accountKey: KEY }, {}, { kind: 'key', key: KEY }],
    ['a signature', { sasToken: `?${SAS}` }, {}, { kind: 'sas', token: SAS }],
    ['nothing', { anonymous: true }, { AZURE_STORAGE_KEY: KEY }, { kind: 'anonymous' }],
    ['a connection string', { connectionString: connection }, {}, { kind: 'key', key: KEY }],
    ['an option before variables', { accountKey: KEY }, { AZURE_STORAGE_SAS_TOKEN: SAS }, { kind: 'key' }],
    [
      'the connection string of the environment before its key',
      {},
      { AZURE_STORAGE_CONNECTION_STRING: connection, AZURE_STORAGE_KEY: OTHER_KEY },
      { kind: 'key', key: KEY },
    ],
    [
      'the key before the signature of the environment',
      {},
      { AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_SAS_TOKEN: SAS },
      { kind: 'key' },
    ],
    ['the signature of the environment', {}, { AZURE_STORAGE_SAS_TOKEN: SAS }, { kind: 'sas', token: SAS }],
  ])('is by %s', async (_, options, env, auth) => {
    expect((await configOf(options, { env })).auth).toMatchObject(auth);
  });

  it('passes over variables of another account, and asks the chain', async () => {
    const env = {
      AZURE_STORAGE_ACCOUNT: 'other',
      AZURE_STORAGE_KEY: OTHER_KEY,
      AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${OTHER_KEY}`,
    };
    const error = await refusalOf(() => configOf({}, { env }));
    expect(error.code).toBe('ModuleUnavailable');
    expect(error.message).toContain('npm install @azure/identity');
    expect(JSON.stringify(error.toWire())).not.toContain(OTHER_KEY);
  });

  it('makes a chain of the package as it is', async () => {
    const make = await loadChain((name) => import(name));
    expect(typeof make().getToken).toBe('function');
    await expect(loadChain(() => Promise.resolve({}))).rejects.toMatchObject({ code: 'ModuleUnavailable' });
  });

  it('tells of the missing package before anything is asked', async () => {
    const opening = openAzureControl('az://myaccount/logs', {}, world());
    await expect(opening).rejects.toMatchObject({ code: 'ModuleUnavailable' });
    const without = await openAzureControl('az://myaccount/logs', { accountKey: KEY }, world());
    without.close();
  });

  it('refuses a connection string of another account', async () => {
    const error = await refusalOf(() =>
      configOf({ connectionString: `AccountName=other;AccountKey=${OTHER_KEY}` }),
    );
    expect(error.message).toMatch(/is for another account than "myaccount"/);
  });

  it('tells, in their order, where it looked, when the chain has nothing', async () => {
    class DefaultAzureCredential {
      getToken(): Promise<never> {
        return Promise.reject(new Error(`ChainedTokenCredential authentication failed ${TOKEN}`));
      }
    }
    const error = await refusalOf(() =>
      configOf({}, { importModule: () => Promise.resolve({ DefaultAzureCredential }) }),
    );
    expect(error.code).toBe('Unauthenticated');
    expect(error.message).toMatch(
      /accountKey.*AZURE_STORAGE_CONNECTION_STRING; AZURE_STORAGE_KEY; AZURE_STORAGE_SAS_TOKEN.*DefaultAzureCredential.*az login/s,
    );
    expect(error.message).not.toContain('T'.repeat(40));
  });

  it('asks one credential once for all containers that share it, and again before its token ends', async () => {
    let asked = 0;
    const credential = {
      getToken: () => Promise.resolve({ token: `${TOKEN}${++asked}`, expiresOnTimestamp: NOW + 3_600_000 }),
    };
    const shared = world();
    const one = await openAzureControl('az://myaccount/logs', { credential }, shared);
    const two = await openAzureControl('az://other/data', { credential }, shared);
    const [first, second] = await Promise.all([one.snapshot(0), two.snapshot(0)]);
    expect(asked).toBe(1);
    expect(first.expiresAtMs).toBe(NOW + 3_600_000);
    expect((second.config as AzureDataConfig).auth).toEqual({ kind: 'token', token: `${TOKEN}1` });
    const renewed = await one.snapshot(first.version);
    expect(renewed.version).toBeGreaterThan(first.version);
    expect((renewed.config as AzureDataConfig).auth).toEqual({ kind: 'token', token: `${TOKEN}2` });
    one.close();
    two.close();
    await expect(one.snapshot(0)).rejects.toMatchObject({ code: 'Released' });
  });

  it('takes a new signature from a function when the last one has expired', async () => {
    let asked = 0;
    const sasToken = (): Promise<string> =>
      Promise.resolve(`sv=1&se=2026-11-2${2 + asked++}T00%3A00%3A00Z&sig=${encodeURIComponent(SIGNATURE)}`);
    const control = await openAzureControl('az://myaccount/logs', { sasToken }, world());
    const first = await control.snapshot(0);
    expect(first.expiresAtMs).toBe(Date.UTC(2026, 10, 22));
    expect((await control.snapshot(first.version)).expiresAtMs).toBe(Date.UTC(2026, 10, 23));
    control.close();
  });

  it('takes a new signature from a function when the last one is refused, and tells the workers that it can', async () => {
    let asked = 0;
    const sasToken = (): Promise<string> =>
      Promise.resolve(`sv=1&si=policy&sig=${++asked}${encodeURIComponent(SIGNATURE)}`);
    const control = await openAzureControl('az://myaccount/logs', { sasToken }, world());
    const first = await control.snapshot(0);
    expect(first).toMatchObject({ expiresAtMs: null, config: { auth: { kind: 'sas', renewable: true } } });
    const second = await control.snapshot(first.version);
    expect((second.config as AzureDataConfig).auth).toMatchObject({
      token: expect.stringContaining('sig=2'),
    });
    control.close();
    expect((await configOf({ sasToken: SAS })).auth).toMatchObject({ kind: 'sas', renewable: false });
  });

  it('does not show the address that the error of a function quotes', async () => {
    const sasToken = (): Promise<string> =>
      Promise.reject(new Error(`GET https://broker.test/?sig=short%2Bsignature&sv=1 failed with 500`));
    const error = await refusalOf(() => configOf({ sasToken }));
    expect(error.message).toMatch(/sasToken function.*sig=\*\*\*&sv=1 failed with 500$/);
  });

  it('has nothing newer than a key', async () => {
    const control = await openAzureControl('az://myaccount/logs', { accountKey: KEY }, world());
    const { version } = await control.snapshot(0);
    await expect(control.snapshot(version)).rejects.toMatchObject({ code: 'Unauthenticated' });
    control.close();
  });

  it.each([
    { token: 3, expiresOnTimestamp: NOW },
    { token: 'a b', expiresOnTimestamp: NOW },
    null,
    { token: TOKEN },
  ])('refuses %j for a token', async (given) => {
    const credential = { getToken: () => Promise.resolve(given as never) };
    const error = await refusalOf(() => configOf({ credential }));
    expect(error).toMatchObject({ code: 'Unauthenticated' });
    expect(error.message).toContain('{token, expiresOnTimestamp}');
  });
});

describe('the address', () => {
  it.each<[string, AzureOptions, string, object]>([
    [
      'the host of the public cloud',
      {},
      'az://myaccount/logs',
      { hostHeader: 'myaccount.blob.core.windows.net', basePath: '' },
    ],
    [
      'the host of another cloud',
      {},
      'az://myaccount.blob.core.chinacloudapi.cn/logs',
      { hostHeader: 'myaccount.blob.core.chinacloudapi.cn' },
    ],
    [
      'an endpoint with the account in its path',
      { endpoint: 'http://127.0.0.1:10000/myaccount/' },
      'az://myaccount/logs',
      { hostHeader: '127.0.0.1:10000', basePath: '/myaccount' },
    ],
    [
      'an address without a path',
      { endpoint: 'http://127.0.0.1:10000' },
      'az://myaccount/logs',
      { basePath: '/myaccount' },
    ],
    ['a host of its own', { endpoint: 'https://blobs.example.com' }, 'az://myaccount/logs', { basePath: '' }],
  ])('is %s', async (_, options, store, address) => {
    expect(await configOf({ accountKey: KEY, ...options }, {}, store)).toMatchObject(address);
  });

  it('is the emulator for UseDevelopmentStorage, whose bodies go with MD5', async () => {
    const options = { connectionString: 'UseDevelopmentStorage=true' };
    expect(await configOf(options, {}, 'az://devstoreaccount1/logs')).toMatchObject({
      hostHeader: '127.0.0.1:10000',
      basePath: '/devstoreaccount1',
      bodyChecksum: 'md5',
      origin: { secure: false, port: 10000 },
    });
  });

  it('comes with a connection string', async () => {
    const china = `AccountName=myaccount;AccountKey=${KEY};EndpointSuffix=core.chinacloudapi.cn`;
    expect((await configOf({ connectionString: china })).hostHeader).toBe(
      'myaccount.blob.core.chinacloudapi.cn',
    );
    const own = `BlobEndpoint=https://b.example.com/;SharedAccessSignature=${SAS}`;
    expect((await configOf({ connectionString: own })).hostHeader).toBe('b.example.com');
  });

  it('is refused for an access token in the clear, but not on this machine', async () => {
    const credential = {
      getToken: () => Promise.resolve({ token: TOKEN, expiresOnTimestamp: NOW + 3_600_000 }),
    };
    const error = await refusalOf(() => configOf({ credential, endpoint: 'http://blobs.example.com' }));
    expect(error).toMatchObject({ code: 'InvalidArgument' });
    expect(error.message).toMatch(/access token could be read on its way; expected https:/);
    expect((await configOf({ credential, endpoint: 'http://127.0.0.1:1' })).auth.kind).toBe('token');
  });

  it('is refused for the path of another account', async () => {
    const error = await refusalOf(() => configOf({ accountKey: KEY, endpoint: 'http://127.0.0.1:1/other' }));
    expect(error.message).toMatch(/has the path \/other, and the URI names the account "myaccount"/);
  });
});

describe('options', () => {
  it.each<[object, RegExp]>([
    [{ acountKey: KEY }, /no option "acountKey"; did you mean "accountKey"\?/],
    [{ accountKey: 3 }, /"accountKey" must be a string; given: a number/],
    [{ accountKey: `${KEY}!` }, /"accountKey" is not an account's key: expected base64/],
    [{ sasToken: `https://x/?${SIGNATURE}` }, /"sasToken" is not a shared access signature/],
    [{ accountKey: KEY, sasToken: SAS }, /"accountKey" and "sasToken" exclude each other/],
    [{ anonymous: true, credential: () => {} }, /exclude each other/],
    [{ credential: {} }, /"credential" must be an object with getToken/],
    [{ connectionString: `AccountKey=${KEY}` }, /neither AccountName nor BlobEndpoint/],
    [{ connectionString: KEY.replaceAll('=', '') }, /not Name=value/],
    [{ endpoint: `https://x/?${SIGNATURE}` }, /"endpoint" cannot be used/],
    [{ endpoint: SIGNATURE }, /"endpoint" is not a URL/],
    [{ apiVersion: '2023' }, /"apiVersion" must be a date/],
    [{ ca: '/etc/ca.pem' }, /must be the text of a PEM bundle/],
  ])('%j are refused, without a secret', async (options, message) => {
    const error = await refusalOf(() => checkOptions(options));
    expect(error).toMatchObject({ code: 'InvalidArgument', phase: 'configure' });
    expect(error.message).toMatch(message);
    for (const secret of [KEY.slice(0, 20), SIGNATURE.slice(0, 20)])
      expect(error.message).not.toContain(secret);
  });

  it('leave a mark in the snapshot, each', async () => {
    const plain = await configOf({ accountKey: KEY });
    expect(await configOf({ accountKey: KEY, apiVersion: '2018-11-09' })).toMatchObject({
      apiVersion: '2018-11-09',
      bodyChecksum: 'md5',
    });
    expect(plain).toMatchObject({
      apiVersion: '2023-11-03',
      bodyChecksum: 'crc64',
      allowContentEncoding: false,
    });
    expect((await configOf({ accountKey: KEY, allowContentEncoding: true })).allowContentEncoding).toBe(true);
    const ca = '-----BEGIN CERTIFICATE-----';
    expect((await configOf({ accountKey: KEY, ca })).origin).toMatchObject({ ca });
    expect((await configOf({ accountKey: KEY, ca })).origin.id).not.toBe(plain.origin.id);
  });
});
