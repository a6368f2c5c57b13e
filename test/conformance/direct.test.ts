import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe } from 'vitest';
import { createStore } from '../../dist/backends/file/direct-data.js';
import { createDirectScheme } from '../../dist/backends/file/direct-scheme.js';
import { directAvailable, makeDirectDirectory } from '../backends/direct/kit.js';
import { skipUnless } from '../kit/require-server.mjs';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

async function openDirect(): Promise<OpenFixture> {
  const root = makeDirectDirectory();
  const scheme = createDirectScheme({ root });
  const control = await scheme.open(scheme.parse(`direct://${root}`).store);
  return {
    store: createStore(await control.snapshot(0)),
    storeName: scheme.parse(`direct://${root}`).store,
    put: async (key, bytes) => {
      const path = Buffer.concat([Buffer.from(root), key]);
      await mkdir(Buffer.from(dirname(path.toString('latin1')), 'latin1'), { recursive: true });
      await writeFile(path, bytes);
    },
    close: () => rm(root, { recursive: true }),
  };
}

describe.skipIf(skipUnless(directAvailable()))('O_DIRECT', () => {
  storeConformance(COLUMNS.direct, openDirect);
});
