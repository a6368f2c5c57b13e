/** Every decorator around a store of ours, as a worker reads from it: still a store, with the keys below a prefix alone. */
import { createStore } from '../../dist/backends/memory/data.js';
import { memoryConfig } from '../../dist/backends/memory/scheme.js';
import { decoratedStore } from '../../dist/host/decorated-store.js';
import type { StoreSnapshot } from '../../dist/protocol/store.js';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

const BELOW = 'bélow/a/';
const DECORATORS = [
  { prefix: BELOW },
  { latency: { ms: 0, jitterMs: 0.5 } },
  { throttle: { bytesPerSecond: '10GiB', requestsPerSecond: 100_000 } },
  { limit: { concurrency: 2 } },
];

async function openDecorated(): Promise<OpenFixture> {
  const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
  const objects = ['a', 'bélow/a', 'bélow/b', 'z'].map((key) => ({
    key: bytesOf(key),
    bytes: bytesOf('outside'),
  }));
  let version = 0;
  const snapshot = (): StoreSnapshot => {
    version += 1;
    return { version, expiresAtMs: null, config: memoryConfig(objects) };
  };
  const inner = createStore(snapshot());
  const spec = { id: 0, name: 'memory:///', dataModule: '', kind: 'direct', snapshot: snapshot() } as const;
  const store = decoratedStore(inner, { ...spec, decorators: DECORATORS });
  return {
    store,
    put: async (key, bytes) => {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      const full = new Uint8Array(Buffer.concat([Buffer.from(BELOW), key]));
      const at = objects.findIndex((each) => Buffer.compare(each.key, full) === 0);
      objects.splice(at < 0 ? objects.length : at, at < 0 ? 0 : 1, { key: full, bytes: shared });
      store.update(snapshot());
    },
    close: async () => {},
  };
}

storeConformance(COLUMNS.decorated, openDecorated);
