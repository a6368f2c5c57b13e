/**
 * The `memory:` scheme: objects that are given, or made up, for tests, examples and measurements without a disk.
 *
 * The given bytes are copied once into shared memory (unless they are there already) and then read by every worker.
 * They must not be changed afterwards: their version is a checksum that is taken here.
 */
import { crc32 } from 'node:zlib';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Scheme, SchemeDefaults } from '../../protocol/store.js';
import type { GeneratedObjects, MemoryConfig, StoredObject } from './objects.js';
import { keyOfUri, STORE, uriOfKey } from './uri.js';

/** One object with its bytes; a text key is taken as UTF-8. */
export interface MemoryObject {
  readonly key: string | Uint8Array;
  readonly bytes: Uint8Array;
}

const MIB = 1024 * 1024;

/** Network-like, so that what is written against memory splits, packs and assembles as it will against a service. */
const DEFAULTS: SchemeDefaults = {
  splitThreshold: 8 * MIB,
  partBytes: 8 * MIB,
  maxPartsPerObject: 32,
};

/**
 * A scheme over these objects: given ones, and groups of generated ones (see `GeneratedObjects`).
 * @throws MillraceError InvalidArgument when a key is given twice or a group is not valid
 */
export function createMemoryScheme(objects: readonly (MemoryObject | GeneratedObjects)[]): Scheme {
  const config = memoryConfig(objects);
  return {
    name: 'memory',
    kind: 'direct',
    writes: null,
    defaults: DEFAULTS,
    dataModule: new URL('./data.js', import.meta.url).href,
    parse: (uri) => ({ store: STORE, key: keyOfUri(uri) }),
    format: (location) => {
      checkStore(location.store);
      return uriOfKey(location.key);
    },
    open: async (store) => {
      checkStore(store);
      const snapshot = { version: 1, expiresAtMs: null, config };
      return { snapshot: async () => snapshot, close: () => {} };
    },
  };
}

/** What the workers are given; also what a test hands to `update` to change the objects. */
export function memoryConfig(objects: readonly (MemoryObject | GeneratedObjects)[]): MemoryConfig {
  const stored: StoredObject[] = [];
  const generated: GeneratedObjects[] = [];
  const seen = new Set<string>();
  for (const object of objects) {
    if ('prefix' in object) {
      generated.push(checkedGroup(object));
      continue;
    }
    const key = typeof object.key === 'string' ? Buffer.from(object.key, 'utf8') : object.key;
    const uri = uriOfKey(key);
    if (seen.has(uri)) throw invalid(`${uri} is given twice; expected each key once`);
    seen.add(uri);
    const bytes = shared(object.bytes);
    stored.push({ key: new Uint8Array(key), bytes, version: `${crc32(bytes).toString(16)}-${bytes.length}` });
  }
  return { stored, generated };
}

function shared(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

function checkedGroup(group: GeneratedObjects): GeneratedObjects {
  const { prefix, count, size, seed } = group;
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (typeof prefix === 'string' && isCount(count) && isCount(size) && Number.isSafeInteger(seed)) {
    return { prefix, count, size, seed };
  }
  throw invalid(
    'generated objects: expected a text as prefix and whole numbers as count, size and seed; given ' +
      JSON.stringify({ prefix, count, size, seed }),
  );
}

function checkStore(store: string): void {
  if (store !== STORE)
    throw invalid(`not a store of this scheme: ${JSON.stringify(store)}; expected "${STORE}"`);
}

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}
