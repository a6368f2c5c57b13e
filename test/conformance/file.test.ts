import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createStore } from '../../dist/backends/file/data.js';
import { createFileScheme, WRITE_LIMITS } from '../../dist/backends/file/scheme.js';
import { storeConformance, type StoreFixture } from './store.conformance.js';

/** A store over a new directory: confined to it, or rooted at `/` and seen through keys below the directory. */
async function openFiles(): Promise<StoreFixture> {
  const root = `${await mkdtemp(join(tmpdir(), 'millrace-conformance-'))}/`;
  const scheme = createFileScheme({ root });
  const control = await scheme.open(scheme.parse(root).store);
  const store = createStore(await control.snapshot(0));
  return {
    store,
    storeName: scheme.parse(root).store,
    put: async (key, bytes) => {
      const path = Buffer.concat([Buffer.from(root), key]);
      await mkdir(Buffer.from(dirname(path.toString('latin1')), 'latin1'), { recursive: true });
      await writeFile(path, bytes);
    },
    close: () => rm(root, { recursive: true }),
  };
}

storeConformance('file', {
  open: openFiles,
  writes: { limits: WRITE_LIMITS, exceptions: ['content-type'] },
  extraKeys: [
    'new\nline',
    'tab\t',
    '\u0001',
    Uint8Array.of(0x78, 0xff, 0xfe),
    Uint8Array.of(0xc3, 0x28, 0x2f, 0x80),
  ],
});
