/**
 * What a memory store holds: objects over shared bytes, and groups of generated ones, all sorted by key.
 *
 * Invariants:
 * 1. A collection is in the order of its keys' bytes; keys are latin1 strings, one character for each byte.
 * 2. A group of generated objects takes the same few words whether it has ten or a billion.
 * 3. A key that two collections hold belongs to the first of them.
 */
import { copyBytes } from '../../protocol/copy.js';
import { fillPattern, numberedId } from './pattern.js';

/** One object over bytes in shared memory, as it travels to the workers. */
export interface StoredObject {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
  readonly version: string;
}

/** Objects `prefix00000000` to `prefix` + (count - 1), each of `size` bytes of the pattern of (seed, its number). */
export interface GeneratedObjects {
  readonly prefix: string;
  readonly count: number;
  readonly size: number;
  readonly seed: number;
}

/** The configuration that the workers get; cloneable, and the bytes are shared, not copied. */
export interface MemoryConfig {
  readonly stored: readonly StoredObject[];
  readonly generated: readonly GeneratedObjects[];
}

export interface Collection {
  readonly count: number;
  keyAt(index: number): string;
  sizeAt(index: number): number;
  versionAt(index: number): string;
  /** Copies `target.length` bytes from `offset` on; they are inside of the object. */
  copy(index: number, offset: number, target: Uint8Array): void;
}

/** Numbers have so many digits at least, so that adding objects to a small group does not rename the first ones. */
const MIN_DIGITS = 8;

export function collectionsOf(config: MemoryConfig): readonly Collection[] {
  return [storedCollection(config.stored), ...config.generated.map(generatedCollection)];
}

/** How many keys of the collection are below `key`, or at most `key` when `including`. */
export function rankIn(collection: Collection, key: string, including: boolean): number {
  let low = 0;
  let high = collection.count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = collection.keyAt(middle);
    if (found < key || (including && found === key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The key of a generated object. */
export function generatedKey(group: GeneratedObjects, index: number): string {
  const digits = Math.max(MIN_DIGITS, String(group.count - 1).length);
  return group.prefix + String(index).padStart(digits, '0');
}

function storedCollection(stored: readonly StoredObject[]): Collection {
  const sorted = stored
    .map((object) => ({ ...object, name: Buffer.from(object.key).toString('latin1') }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const at = (index: number): (typeof sorted)[number] => {
    const object = sorted[index];
    if (object === undefined) throw new RangeError(`object ${index} of ${sorted.length}`);
    return object;
  };
  return {
    count: sorted.length,
    keyAt: (index) => at(index).name,
    sizeAt: (index) => at(index).bytes.length,
    versionAt: (index) => at(index).version,
    copy: (index, offset, target) => {
      copyBytes(at(index).bytes.subarray(offset, offset + target.length), target);
    },
  };
}

function generatedCollection(group: GeneratedObjects): Collection {
  const prefix = Buffer.from(group.prefix, 'utf8').toString('latin1');
  const byteGroup = { ...group, prefix };
  return {
    count: group.count,
    keyAt: (index) => generatedKey(byteGroup, index),
    sizeAt: () => group.size,
    versionAt: (index) => `generated-${group.seed}-${index}-${group.size}`,
    copy: (index, offset, target) => {
      fillPattern(numberedId(group.seed, index), offset, target);
    },
  };
}
