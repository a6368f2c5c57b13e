import { createStore } from '../../dist/backends/memory/data.js';
import { createMemoryScheme, memoryConfig } from '../../dist/backends/memory/scheme.js';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

async function openMemory(): Promise<OpenFixture> {
  const objects = new Map<string, { key: Uint8Array; bytes: Uint8Array }>();
  const scheme = createMemoryScheme([]);
  const control = await scheme.open('memory:///');
  const first = await control.snapshot(0);
  const store = createStore(first);
  let { version } = first;
  return {
    store,
    put: async (key, bytes) => {
      // Shared once here, or each later put would copy every object again.
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      objects.set(Buffer.from(key).toString('latin1'), { key, bytes: shared });
      version += 1;
      store.update({ version, expiresAtMs: null, config: memoryConfig([...objects.values()]) });
    },
    close: async () => {},
  };
}

storeConformance(COLUMNS.memory, openMemory);
