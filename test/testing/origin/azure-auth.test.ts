/** What the Azure dialect lets in, and what it says to the rest. */
import { createHmac } from 'node:crypto';
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  AnonymousCredential,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  BlobSASPermissions,
  SASProtocol,
} from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { ask, clientOf, credentialOf, signedHeaders, VERSION } from './azure.kit.js';
import { headerOf } from './raw.kit.js';

let origin: Origin;
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'azure',
    objects: [
      { bucket: 'c', key: 'dir/k', size: 10 },
      { bucket: 'c', key: 'other', size: 10 },
    ],
    tokens: [{ token: 'good' }, { token: 'short', expiresAtMs: Date.now() + HOUR_MS }],
  });
});
afterAll(() => origin.stop());

const PATH = 'c/dir/k';
const get = (headers: Record<string, string>, path = PATH) => ask(origin, { path, headers });
const codeOf = async (answer: ReturnType<typeof get>) => {
  const { head, body } = await answer;
  const [, detail = ''] =
    /<AuthenticationErrorDetail>([^]*)<\/AuthenticationErrorDetail>/.exec(body.toString()) ?? [];
  return { status: Number(head.slice(9, 12)), code: headerOf(head, 'x-ms-error-code'), detail };
};

describe('Shared Key', () => {
  test('as the specification has it is let in', async () => {
    expect((await get(signedHeaders(origin, { path: PATH }, Date.now()))).head).toMatch(/^HTTP\/1.1 200 /);
    const dated = { ...signedHeaders(origin, { path: PATH }, Date.now()), Date: new Date(0).toUTCString() };
    expect((await get(dated)).head).toMatch(/^HTTP\/1.1 200 /);
    const asked = { path: PATH, headers: { Range: 'bytes=1-2' } };
    expect((await get(signedHeaders(origin, asked, Date.now()))).head).toMatch(/^HTTP\/1.1 206 /);
  });

  test('refuses whatever was changed after it was signed', async () => {
    const headers = signedHeaders(origin, { path: PATH }, Date.now());
    const refused = {
      status: 403,
      code: 'AuthenticationFailed',
      detail: expect.stringContaining('string to sign'),
    };
    expect(await codeOf(get({ ...headers, Range: 'bytes=0-1' }))).toEqual(refused);
    expect(await codeOf(get({ ...headers, 'x-ms-range': 'bytes=0-1' }))).toEqual(refused);
    expect(await codeOf(get(headers, 'c/other'))).toEqual(refused);
    expect(await codeOf(get(headers, `${PATH}?timeout=1`))).toEqual(refused);
    const key = Buffer.from('another key').toString('base64');
    const stranger = { ...origin, account: { ...origin.account, key } };
    expect(await codeOf(get(signedHeaders(stranger, { path: PATH }, Date.now())))).toEqual(refused);
  });

  test('refuses a clock that is a quarter of an hour away, and a date it cannot read', async () => {
    const late = signedHeaders(origin, { path: PATH }, Date.now() - 16 * 60_000);
    expect((await codeOf(get(late))).detail).toMatch(/^Request date header too old/);
    await origin.configure({ clockOffsetMs: -16 * 60_000 });
    expect((await get(late)).head).toMatch(/^HTTP\/1.1 200 /);
    await origin.configure({ clockOffsetMs: 0 });
    const undated = { Authorization: `SharedKey ${origin.account.name}:x`, 'x-ms-version': VERSION };
    expect((await codeOf(get(undated))).detail).toMatch(/Date header/);
  });

  test('counts a length of 0 as nothing, from 2015-02-21 on, and any other as it is', async () => {
    const put = (body: string, signed: string) => {
      const headers = {
        'x-ms-blob-type': 'BlockBlob',
        'x-ms-date': new Date().toUTCString(),
        'x-ms-version': VERSION,
      };
      const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
      const { name, key } = origin.account;
      const text = `PUT\n\n\n${signed}\n\n\n\n\n\n\n\n\n${lines.join('')}/${name}/${name}/c/new`;
      const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
      const Authorization = `SharedKey ${name}:${signature}`;
      return codeOf(
        ask(origin, { method: 'PUT', path: 'c/new', headers: { ...headers, Authorization }, body }),
      );
    };
    expect(await put('', '')).toMatchObject({ status: 201 });
    expect(await put('', '0')).toMatchObject({ status: 403 });
    expect(await put('four', '4')).toMatchObject({ status: 201 });
    expect(await put('four', '')).toMatchObject({ status: 403 });
  });
});

describe('a shared access signature', () => {
  const blobSas = (permissions: string, expiresOn: Date, more: object = {}) =>
    generateBlobSASQueryParameters(
      {
        containerName: 'c',
        blobName: 'dir/k',
        permissions: BlobSASPermissions.parse(permissions),
        expiresOn,
        ...more,
      },
      credentialOf(origin),
    ).toString();
  const soon = (): Date => new Date(Date.now() + HOUR_MS);

  test('for a blob opens that blob alone', async () => {
    const sas = blobSas('r', soon(), { cacheControl: 'no-store', contentType: 'text/odd' });
    expect((await get({}, `${PATH}?${sas}`)).head).toMatch(/^HTTP\/1.1 200 /);
    expect(await codeOf(get({}, `c/other?${sas}`))).toEqual({
      status: 403,
      code: 'AuthenticationFailed',
      detail: expect.stringMatching(/^Signature did not match/),
    });
  });

  test('for a container lists it', async () => {
    const sas = generateBlobSASQueryParameters(
      { containerName: 'c', permissions: ContainerSASPermissions.parse('rl'), expiresOn: soon() },
      credentialOf(origin),
    ).toString();
    expect((await get({}, `c?restype=container&comp=list&${sas}`)).head).toMatch(/^HTTP\/1.1 200 /);
    expect((await get({}, `${PATH}?${sas}`)).head).toMatch(/^HTTP\/1.1 200 /);
  });

  test('that is over, or not yet begun, says so', async () => {
    const window = {
      status: 403,
      code: 'AuthenticationFailed',
      detail: expect.stringContaining('time frame: Start ['),
    };
    expect(await codeOf(get({}, `${PATH}?${blobSas('r', new Date(Date.now() - 1000))}`))).toEqual(window);
    const later = blobSas('r', soon(), { startsOn: new Date(Date.now() + HOUR_MS / 2) });
    expect(await codeOf(get({}, `${PATH}?${later}`))).toEqual(window);
  });

  test('allows what it permits, over the protocol that it names', async () => {
    expect(await codeOf(get({}, `${PATH}?${blobSas('w', soon())}`))).toMatchObject({
      code: 'AuthorizationPermissionMismatch',
    });
    const https = blobSas('r', soon(), { protocol: SASProtocol.Https });
    expect(await codeOf(get({}, `${PATH}?${https}`))).toMatchObject({
      code: 'AuthorizationProtocolMismatch',
    });
  });

  test('of the account is held to its services and kinds of resource', async () => {
    const sas = (services: string, types: string) =>
      generateAccountSASQueryParameters(
        {
          permissions: AccountSASPermissions.parse('rl'),
          services: AccountSASServices.parse(services).toString(),
          resourceTypes: AccountSASResourceTypes.parse(types).toString(),
          expiresOn: soon(),
        },
        credentialOf(origin),
      ).toString();
    expect((await get({}, `${PATH}?${sas('b', 'o')}`)).head).toMatch(/^HTTP\/1.1 200 /);
    expect(await codeOf(get({}, `${PATH}?${sas('q', 'o')}`))).toMatchObject({
      code: 'AuthorizationServiceMismatch',
    });
    expect(await codeOf(get({}, `c?restype=container&comp=list&${sas('b', 'o')}`))).toMatchObject({
      code: 'AuthorizationResourceTypeMismatch',
    });
  });
});

describe('a bearer token', () => {
  const withToken = (token: string) => get({ Authorization: `Bearer ${token}`, 'x-ms-version': VERSION });

  test('is let in until it is over', async () => {
    expect((await withToken('good')).head).toMatch(/^HTTP\/1.1 200 /);
    expect((await withToken('short')).head).toMatch(/^HTTP\/1.1 200 /);
    await origin.configure({ clockOffsetMs: 2 * HOUR_MS });
    const over = await withToken('short');
    expect(over.head).toMatch(/^HTTP\/1.1 401 /);
    expect(headerOf(over.head, 'x-ms-error-code')).toBe('InvalidAuthenticationInfo');
    expect(headerOf(over.head, 'www-authenticate')).toMatch(/resource_id=https:\/\/storage.azure.com/);
    expect(over.body.toString()).toContain('Lifetime validation failed. The token is expired.');
    await origin.configure({ clockOffsetMs: 0 });
    await origin.expire('good');
    expect((await withToken('good')).head).toMatch(/^HTTP\/1.1 401 /);
  });

  test('that nobody issued, or of another scheme, is refused', async () => {
    expect(await codeOf(withToken('made up'))).toMatchObject({
      status: 401,
      code: 'InvalidAuthenticationInfo',
    });
    expect(await codeOf(get({ Authorization: 'Basic x' }))).toMatchObject({ status: 401 });
    const anyone = clientOf(origin, new AnonymousCredential()).getContainerClient('c').getBlobClient('dir/k');
    await expect(anyone.download()).rejects.toMatchObject({ statusCode: 401 });
  });
});
