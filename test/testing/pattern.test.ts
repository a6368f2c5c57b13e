import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fillPattern, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, patternSha256, verifyPattern } from '../../dist/testing/pattern.js';

describe('the payload pattern', () => {
  test('is the same bytes however it is cut and aligned', () => {
    const whole = patternBytes(objectIdOf('a/b'), 200_003);
    for (const [offset, length] of [
      [0, 5],
      [1, 3],
      [2, 70_000],
      [3, 65_536],
      [65_535, 4],
      [7, 131_077],
    ] as const) {
      for (const shift of [0, 1, 2, 3]) {
        const target = new Uint8Array(length + shift).subarray(shift);
        fillPattern(objectIdOf('a/b'), offset, target);
        expect(
          Buffer.compare(target, whole.subarray(offset, offset + length)),
          `${offset}+${length}/${shift}`,
        ).toBe(0);
      }
    }
  });

  test('repeats no four aligned bytes within an object', () => {
    const bytes = patternBytes(objectIdOf('one'), 4 << 20);
    expect(new Set(new Int32Array(bytes.buffer)).size).toBe(1 << 20);
  });

  test('shares no eight aligned bytes, at any distance, between objects whose ids differ in one bit', () => {
    const seen = new Map<bigint, string>();
    for (const id of [0, 1, 2, 4, 256, 65_536, 0x8000_0000]) {
      const words = new BigInt64Array(patternBytes(id, 64 << 10).buffer);
      words.forEach((word, i) => {
        expect(seen.get(word), `${id}@${i} also at ${seen.get(word)}`).toBeUndefined();
        seen.set(word, `${id}@${i}`);
      });
    }
  });

  test('shares no block between any two of many objects', () => {
    // The first word of each object, and the word that follows it.
    const beginnings = new Map<number, number>();
    const objects = Array.from({ length: 1500 }, (_, i) => objectIdOf(`object-${i}`));
    for (const id of objects) {
      const [first = 0, second = 0] = new Int32Array(patternBytes(id, 8).buffer);
      beginnings.set(first, second);
    }
    for (const id of objects) {
      const words = new Int32Array(patternBytes(id, 65_536).buffer);
      for (let i = 1; i + 1 < words.length; i++) {
        const second = beginnings.get(words[i] ?? 0);
        if (second !== undefined && (second === words[i + 1] || second === words[i - 1])) {
          expect.fail(`object ${id} has the beginning of another one at word ${i}`);
        }
      }
    }
  });

  test('goes on past 2^32 words without beginning again', () => {
    const far = 2 ** 34;
    const across = patternBytes(9, 64, far - 32);
    expect(verifyPattern(9, far, across.subarray(32))).toBe(-1);
    expect(verifyPattern(9, far - 32, across)).toBe(-1);
    expect(Buffer.compare(across.subarray(32), patternBytes(9, 32, 0))).not.toBe(0);
  });

  test('names the first wrong byte, wherever it is', () => {
    for (const at of [0, 1, 65_535, 65_536, 99_999]) {
      const bytes = patternBytes(77, 100_000, 13);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(verifyPattern(77, 13, bytes)).toBe(at);
    }
  });

  test('sees swapped, shifted, repeated and foreign chunks', () => {
    const id = objectIdOf('k');
    const chunk = (from: number): Uint8Array => patternBytes(id, 4096, from);
    const join = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);
    expect(verifyPattern(id, 0, join(chunk(0), chunk(4096)))).toBe(-1);
    expect(verifyPattern(id, 0, join(chunk(4096), chunk(0)))).not.toBe(-1);
    expect(verifyPattern(id, 0, join(chunk(0), chunk(0)))).toBeGreaterThanOrEqual(4096);
    expect(verifyPattern(id, 0, chunk(256))).not.toBe(-1);
    expect(verifyPattern(objectIdOf('l'), 0, chunk(0))).not.toBe(-1);
    expect(verifyPattern(objectIdOf('k', 1), 0, chunk(0))).not.toBe(-1);
  });

  test('can be filled and verified in shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(100_001), 1);
    fillPattern(5, 3, shared);
    expect(verifyPattern(5, 3, shared)).toBe(-1);
    shared[70_000] = (shared[70_000] ?? 0) ^ 0x80;
    expect(verifyPattern(5, 3, shared)).toBe(70_000);
  });

  test('has the hash of its bytes', () => {
    const bytes = patternBytes(3, 150_001);
    expect(patternSha256(3, 150_001)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  test('gives a key one id, as text or as bytes', () => {
    expect(objectIdOf('schlüssel')).toBe(objectIdOf(Buffer.from('schlüssel')));
    const ids = new Set(Array.from({ length: 10_000 }, (_, i) => objectIdOf(`part-${i}`)));
    expect(ids.size).toBeGreaterThan(9_990);
  });
});
