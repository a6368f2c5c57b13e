import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createStore } from '../../dist/backends/file/data.js';
import { createFileScheme } from '../../dist/backends/file/scheme.js';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

/** A store over a new directory: confined to it, or rooted at `/` and seen through keys below the directory. */
async function openFiles(): Promise<OpenFixture> {
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

storeConformance(COLUMNS.file, openFiles);
