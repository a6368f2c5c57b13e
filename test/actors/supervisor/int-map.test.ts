import { describe, expect, it } from 'vitest';
import { IntMap } from '../../../dist/actors/supervisor/int-map.js';
import { tries } from '../../kit/effort.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';

interface Value {
  readonly key: number;
}

describe('a map by whole numbers', () => {
  it('does what a Map does, whatever is put in, written over and taken out, in any order', () => {
    const map = new IntMap<Value>();
    const model = new Map<number, Value>();
    let base = 0;
    for (let step = 0; step < tries(60_000, 2500); step += 1) {
      const dice = mix32(step) >>> 0;
      // Numbers that fall on the same slots, beyond 32 bits too, and some that stay while the others go on.
      if (step % 64 === 0) base += dice % 3 === 0 ? 2 ** 32 : 64;
      const key = dice % 5 === 0 ? dice % 7 : base + ((dice >>> 8) % 300);
      if ((dice >>> 4) % 2 === 0) {
        const value = { key };
        map.set(key, value);
        model.set(key, value);
      } else {
        expect(map.delete(key)).toBe(model.delete(key));
      }
      expect(map.size).toBe(model.size);
      expect(map.get(key)).toBe(model.get(key));
      if (step % 997 === 0) {
        const wanted = [...model].sort(([a], [b]) => a - b).map(([, value]) => value);
        expect(map.values()).toEqual(wanted);
        for (const [each, value] of model) expect(map.get(each)).toBe(value);
      }
      if (step % tries(20_011, 1201) === 0) {
        map.clear();
        model.clear();
        expect(map.values()).toEqual([]);
      }
    }
  });

  it('finds what stands behind one that was taken out', () => {
    const map = new IntMap<Value>();
    const keys = [1, 65, 2, 129, 66, 63, 127, 191];
    for (const key of keys) map.set(key, { key });
    for (const gone of keys) {
      expect(map.delete(gone)).toBe(true);
      expect(map.get(gone)).toBeUndefined();
      for (const key of keys.slice(keys.indexOf(gone) + 1)) expect(map.get(key)).toEqual({ key });
    }
    expect(map.size).toBe(0);
  });

  it('may be changed while a list of its values is gone through', () => {
    const map = new IntMap<Value>();
    for (let key = 0; key < 100; key += 1) map.set(key, { key });
    for (const { key } of map.values()) map.delete(key);
    expect([map.size, map.values()]).toEqual([0, []]);
  });
});
