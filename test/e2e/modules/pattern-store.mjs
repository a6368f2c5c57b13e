/** A store of one's own: `config.count` objects of `config.size` bytes with the pattern of their keys. */
import { fillPattern, objectIdOf } from '../../../dist/backends/memory/pattern.js';

const complete = (value) => ({ outcome: 'complete', value, error: null, retryAfterMs: 0 });

export function createStore({ config }) {
  const { bucket, count, size } = config;
  const keyOf = (i) => `${bucket}-${String(i).padStart(4, '0')}`;
  return {
    read: async ({ key, start, length }, target) => {
      const landed = Math.max(0, Math.min(length, size - start));
      fillPattern(objectIdOf(key), start, target.subarray(0, landed));
      return { outcome: 'complete', landed, size, version: 'only', error: null, retryAfterMs: 0 };
    },
    head: async () => complete({ size, version: 'only', lastModifiedMs: null, contentType: null }),
    list: async ({ continuation, limit }) => {
      const from = Number(continuation ?? 0);
      const to = Math.min(count, from + limit);
      const keys = Array.from({ length: to - from }, (_, i) => Buffer.from(keyOf(from + i)));
      let end = 0;
      return complete({
        count: keys.length,
        keys: new Uint8Array(Buffer.concat(keys)),
        keyEnds: Uint32Array.from(keys, (key) => (end += key.length)),
        sizes: new Float64Array(keys.length).fill(size),
        versions: new Uint8Array(0),
        versionEnds: new Uint32Array(keys.length),
        modified: new Float64Array(keys.length).fill(NaN),
        prefixes: [],
        next: to < count ? String(to) : null,
      });
    },
    update: () => {},
    close: () => {},
  };
}
