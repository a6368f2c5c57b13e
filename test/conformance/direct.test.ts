import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe } from 'vitest';
import { createStore } from '../../dist/backends/file/direct-data.js';
import { createDirectScheme } from '../../dist/backends/file/direct-scheme.js';
import { WRITE_LIMITS } from '../../dist/backends/file/scheme.js';
import { directAvailable, makeDirectDirectory } from '../backends/direct/kit.js';
import { skipUnless } from '../kit/require-server.mjs';
import { storeConformance, type StoreFixture } from './store.conformance.js';

async function openDirect(): Promise<StoreFixture> {
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
  storeConformance('direct', {
    open: openDirect,
    writes: { limits: WRITE_LIMITS, exceptions: ['content-type'] },
    extraKeys: ['new\nline', 'tab\t', '\u0001', Uint8Array.of(0x78, 0xff, 0xfe)],
  });
});
