/** The gs store with its real transport: against the scripted origin in both dialects, and against Google's own emulator. */
import { describe } from 'vitest';
import { createStoreData } from '../../dist/backends/gcs/data.js';
import { createGcsScheme, type GcsOptions } from '../../dist/backends/gcs/scheme.js';
import { openGcsControl } from '../../dist/backends/gcs/control.js';
import { httpStore } from '../../dist/host/http-store.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { createTransport } from '../../dist/transport/transport.js';
import { gcsEmulatorAvailable, startGcsEmulator } from '../kit/gcs-emulator.mjs';
import { DEFAULT_CREDENTIALS, startOrigin } from '../../dist/testing/index.js';
import { skipUnless } from '../kit/require-server.mjs';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

const BUCKET = 'conformance';
const STORE = `gs://${BUCKET}`;
const TOKEN = 'token-of-a-test';

interface Server {
  readonly url: string;
  readonly ca?: string | undefined;
  stop(): Promise<void>;
}

/** The store of a bucket as a worker has it: the scheme's snapshot, its data half, and the transport. */
async function openGcs(
  server: Server,
  options: GcsOptions,
  env: Record<string, string> = {},
): Promise<OpenFixture> {
  const scheme = createGcsScheme(options, env);
  const control = await openGcsControl(scheme.parse(`${STORE}/`).store, options, {
    importModule: () => Promise.reject(new Error('nothing here needs the SDK')),
    now: Date.now,
    env,
  });
  const transport = createTransport(DEFAULT_TRANSPORT_LIMITS, { now: () => performance.now() });
  const store = httpStore(createStoreData(await control.snapshot(0)), transport, () => Date.now());
  return {
    store,
    storeName: STORE,
    put: async (key, bytes) => {
      const name = encodeURIComponent(Buffer.from(key).toString('utf8'));
      const url = `${server.url}/upload/storage/v1/b/${BUCKET}/o?uploadType=media&name=${name}`;
      const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/octet-stream' };
      const answer = await fetch(url, { method: 'POST', headers, body: Buffer.from(bytes) });
      if (!answer.ok) throw new Error(`the server did not take ${name}: ${answer.status}`);
      await answer.arrayBuffer();
    },
    close: async () => {
      transport.close();
      control.close();
      await server.stop();
    },
  };
}

const origin = (): Promise<Server> =>
  startOrigin({
    dialect: 'gcs',
    buckets: [BUCKET],
    tokens: [{ token: TOKEN }],
    generationOffset: '9007199254740992',
  });

storeConformance(COLUMNS.gcs, async () => {
  const server = await origin();
  const credentials = (): Promise<{ accessToken: string }> => Promise.resolve({ accessToken: TOKEN });
  return openGcs(server, { endpoint: server.url, credentials });
});

storeConformance(COLUMNS.gcsHmac, async () => {
  const server = await origin();
  const { accessKeyId: accessId, secretAccessKey: secret } = DEFAULT_CREDENTIALS;
  return openGcs(server, { endpoint: server.url, hmac: { accessId, secret } });
});

describe.skipIf(skipUnless(gcsEmulatorAvailable()))('with the emulator', () => {
  storeConformance(COLUMNS.gcsEmulator, async () => {
    const server = await startGcsEmulator();
    return openGcs(server, {}, { STORAGE_EMULATOR_HOST: server.url });
  });
});
