/** The az store with its real transport: against Microsoft's own emulator, and against the scripted origin. */
import {
  AccountSASPermissions,
  BlobServiceClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { describe } from 'vitest';
import { createStoreData } from '../../dist/backends/azure/data.js';
import { createAzureScheme, type AzureOptions } from '../../dist/backends/azure/scheme.js';
import { httpStore } from '../../dist/host/http-store.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { createTransport } from '../../dist/transport/transport.js';
import { azuriteAvailable, startAzurite } from '../kit/azurite.mjs';
import { startOrigin, type OriginPolicy } from '../../dist/testing/index.js';
import { skipUnless } from '../kit/require-server.mjs';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

const CONTAINER = 'conformance';

interface Server {
  /** Of the account. */
  readonly url: string;
  readonly account: { readonly name: string; readonly key: string };
  readonly ca: string | null;
  stop(): Promise<void>;
}

/** The store of a container as a worker has it: the scheme's snapshot, its data half, and the transport. */
async function openAzure(server: Server, auth: AzureOptions): Promise<OpenFixture> {
  const { account, url, ca } = server;
  const credential = new StorageSharedKeyCredential(account.name, account.key);
  // The types of the SDK leave out what the pipeline below it takes.
  const trust = ca === null ? {} : { tlsOptions: { ca } };
  const client = new BlobServiceClient(url, credential, { keepAliveOptions: { enable: true }, ...trust });
  const container = client.getContainerClient(CONTAINER);
  await container.create();
  const scheme = createAzureScheme({ ...auth, endpoint: url, ca: ca ?? undefined });
  const control = await scheme.open(scheme.parse(`az://${account.name}/${CONTAINER}/`).store);
  const transport = createTransport(DEFAULT_TRANSPORT_LIMITS, { now: () => performance.now() });
  const store = httpStore(createStoreData(await control.snapshot(0)), transport, () => Date.now());
  return {
    store,
    storeName: `az://${account.name}/${CONTAINER}`,
    put: async (key, bytes) => {
      await container
        .getBlockBlobClient(Buffer.from(key).toString('utf8'))
        .upload(Buffer.from(bytes), bytes.length);
    },
    close: async () => {
      transport.close();
      control.close();
      await server.stop();
    },
  };
}

async function origin(policy: OriginPolicy = {}): Promise<Server> {
  const server = await startOrigin({ dialect: 'azure', ...policy });
  const { account } = server;
  return { url: `${server.url}/${account.name}`, account, ca: null, stop: () => server.stop() };
}

function accountSas({ name, key }: Server['account']): string {
  return generateAccountSASQueryParameters(
    {
      expiresOn: new Date(Date.now() + 3_600_000),
      permissions: AccountSASPermissions.parse('rwdlc'),
      resourceTypes: 'co',
      services: 'b',
    },
    new StorageSharedKeyCredential(name, key),
  ).toString();
}

async function azurite(secure = false): Promise<Server> {
  const server = await startAzurite({ secure });
  return { ...server, account: { name: server.account, key: server.key }, stop: () => server.stop() };
}

storeConformance(COLUMNS.azure, async () => {
  const server = await origin();
  return openAzure(server, { accountKey: server.account.key });
});

storeConformance(COLUMNS.azureToken, async () => {
  const server = await origin({ tokens: [{ token: 'token-of-a-test' }] });
  const credential = {
    getToken: () => Promise.resolve({ token: 'token-of-a-test', expiresOnTimestamp: Date.now() + 3_600_000 }),
  };
  return openAzure(server, { credential });
});

describe.skipIf(skipUnless(azuriteAvailable()))('with Azurite', () => {
  storeConformance(COLUMNS.azurite, async () => {
    const server = await azurite();
    return openAzure(server, { accountKey: server.account.key });
  });
  storeConformance(COLUMNS.azuriteSas, async () => {
    const server = await azurite(true);
    return openAzure(server, { sasToken: accountSas(server.account) });
  });
});
