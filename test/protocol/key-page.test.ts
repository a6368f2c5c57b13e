import { describe, expect, it } from 'vitest';
import { createKeyPageBuilder, prefixText } from '../../dist/protocol/key-page.js';

describe('createKeyPageBuilder', () => {
  it('packs rows back to back, in arrays that carry nothing else', () => {
    const builder = createKeyPageBuilder();
    const keys = Array.from({ length: 3000 }, (_, i) => Buffer.from(`key-${i}-\u00ff`, 'latin1'));
    for (const [i, key] of keys.entries())
      builder.add(key, i, i % 2 === 0 ? `v${i}-\u{1f600}` : null, i % 3 === 0 ? i : null);
    expect(builder.count).toBe(3000);
    const page = builder.finish(['p/'], 'next');
    expect(page).toMatchObject({ count: 3000, prefixes: ['p/'], next: 'next' });
    for (const [i, key] of keys.entries()) {
      expect(Buffer.compare(page.keys.subarray(page.keyEnds[i - 1] ?? 0, page.keyEnds[i]), key)).toBe(0);
      const version = page.versions.subarray(page.versionEnds[i - 1] ?? 0, page.versionEnds[i]);
      expect(Buffer.from(version).toString('utf8')).toBe(i % 2 === 0 ? `v${i}-\u{1f600}` : '');
      expect(page.sizes[i]).toBe(i);
      expect(page.modified[i]).toBe(i % 3 === 0 ? i : Number.NaN);
    }
    for (const array of [page.keys, page.keyEnds, page.sizes, page.versions, page.versionEnds, page.modified])
      expect(array.buffer.byteLength).toBe(array.byteLength);
    expect(structuredClone(page)).toEqual(page);
  });

  it('makes an empty page', () => {
    const page = createKeyPageBuilder().finish([], null);
    expect(page).toMatchObject({ count: 0, next: null });
    expect(page.keys).toHaveLength(0);
  });
});

describe('prefixText', () => {
  it('gives the text of UTF-8 and refuses other bytes', () => {
    expect(prefixText(Buffer.from('é/'))).toBe('é/');
    expect(() => prefixText(Uint8Array.of(0xff, 0x2f))).toThrow(
      expect.objectContaining({
        code: 'Unsupported',
        phase: 'list',
        message: 'the prefix "\u00ff/" is not UTF-8; list without a delimiter',
      }),
    );
  });
});
