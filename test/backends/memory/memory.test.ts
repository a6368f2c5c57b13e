import { describe, expect, it } from 'vitest';
import { createStore } from '../../../dist/backends/memory/data.js';
import { generatedKey } from '../../../dist/backends/memory/objects.js';
import { numberedId } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { createMemoryScheme, memoryConfig } from '../../../dist/backends/memory/scheme.js';
import { keyOfUri } from '../../../dist/backends/memory/uri.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import type { KeyPage, ListRequest, Store } from '../../../dist/protocol/store.js';
import { manualSignal } from '../../../dist/testing/signals.js';
import { readOnce } from '../../kit/attempts.js';

type Objects = Parameters<typeof createMemoryScheme>[0];
const MIB = 1024 * 1024;

const storeOf = (objects: Objects): Store =>
  createStore(structuredClone({ version: 1, expiresAtMs: null, config: memoryConfig(objects) }));
const keyOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const range = (key: string, start: number, length: number) => ({
  key: keyOf(key),
  start,
  length,
  whole: false,
  version: null,
  verify: 'never' as const,
});

async function list(store: Store, request: Partial<ListRequest>): Promise<KeyPage> {
  const full = { prefix: new Uint8Array(0), delimiter: null, continuation: null, limit: 1000, ...request };
  const { value, error } = await store.list(full, NEVER);
  if (value === null) throw error ?? new Error('no page');
  return value;
}

const keysOf = (page: KeyPage): string[] =>
  Array.from(page.keyEnds, (end, i) =>
    Buffer.from(page.keys.subarray(page.keyEnds[i - 1] ?? 0, end)).toString('latin1'),
  );

describe('a URI in memory', () => {
  it('is refused with half a surrogate pair, which is no bytes', () => {
    expect(() => keyOfUri('memory:///a\ud800')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
    expect(keyOfUri('memory:///%F0%9F%98%80')).toEqual(keyOfUri('memory:///\u{1f600}'));
  });
});

describe('the ids of numbered objects', () => {
  it('are of other bytes for each number and each seed: no eight of them occur twice', () => {
    const seen = new Set<bigint>();
    let windows = 0;
    const numbers = [...Array(50).keys(), 2 ** 32, 2 ** 32 + 1, 3 * 2 ** 40];
    for (const [seed, number] of [1, 2].flatMap((one) => numbers.map((each) => [one, each] as const))) {
      const view = new DataView(patternBytes(numberedId(seed, number), 4096).buffer);
      for (let at = 0; at + 8 <= view.byteLength; at += 4) {
        seen.add(view.getBigUint64(at));
        windows += 1;
      }
    }
    expect(seen.size).toBe(windows);
  });
});

describe('generated objects', () => {
  const group = { prefix: 'gen/', count: 1_000_000_000, size: 3 * MIB, seed: 11 };

  it('are read at any place without being stored', async () => {
    const store = storeOf([group]);
    const key = generatedKey(group, 987_654_321);
    expect(key).toBe('gen/987654321');
    const target = new Uint8Array(1000);
    const answer = await readOnce(store, range(key, 2 * MIB + 3, 1000), target, NEVER);
    expect(answer).toMatchObject({ outcome: 'complete', landed: 1000, size: 3 * MIB });
    const expected = patternBytes(numberedId(11, 987_654_321), 1000, 2 * MIB + 3);
    expect(Buffer.compare(target, expected)).toBe(0);
  });

  it('exist for their own keys only', async () => {
    const store = storeOf([{ ...group, count: 100 }]);
    expect((await store.head(keyOf('gen/00000099'), NEVER)).outcome).toBe('complete');
    for (const key of ['gen/00000100', 'gen/99', 'gen/0000009', 'gen/', 'gen', 'gen/0000009a'])
      expect((await store.head(keyOf(key), NEVER)).error?.code).toBe('NotFound');
  });

  it('are listed in order among the given ones, and a key that both have is the first one', async () => {
    const store = storeOf([
      { key: 'gen/00000001', bytes: new Uint8Array(5) },
      { key: 'gen/00000001x', bytes: new Uint8Array(6) },
      { key: 'a', bytes: new Uint8Array(7) },
      { ...group, count: 4 },
      { ...group, count: 6, size: 9 },
    ]);
    const pages: KeyPage[] = [];
    let continuation: string | null = null;
    do {
      const page: KeyPage = await list(store, { limit: 2, continuation });
      pages.push(page);
      continuation = page.next;
    } while (continuation !== null);
    const size = 3 * MIB;
    expect(pages.flatMap(keysOf)).toEqual([
      'a',
      'gen/00000000',
      'gen/00000001',
      'gen/00000001x',
      ...[2, 3, 4, 5].map((i) => `gen/0000000${i}`),
    ]);
    expect(pages.flatMap((page) => [...page.sizes])).toEqual([7, size, 5, 6, size, size, 9, 9]);
    expect((await store.head(keyOf('gen/00000001'), NEVER)).value?.size).toBe(5);
  });

  it('are rolled up without walking over a billion of them', async () => {
    const store = storeOf([group, { key: 'z', bytes: new Uint8Array(1) }]);
    const page = await list(store, { delimiter: '/', limit: 10 });
    expect(page.prefixes).toEqual(['gen/']);
    expect(keysOf(page)).toEqual(['z']);
    const late = await list(store, { prefix: keyOf('gen/99999999'), limit: 3 });
    expect(keysOf(late)).toEqual(['gen/999999990', 'gen/999999991', 'gen/999999992']);
  });
});

describe('the memory store', () => {
  it('answers version-changed when an object is replaced while it is read', async () => {
    const before = {
      version: 1,
      expiresAtMs: null,
      config: memoryConfig([{ key: 'a', bytes: new Uint8Array(8 * MIB) }]),
    };
    const after = memoryConfig([{ key: 'a', bytes: new Uint8Array(8 * MIB).fill(1) }]);
    const store = createStore(before);
    const stop = manualSignal((signal) => {
      if (signal.looks === 3) store.update({ version: 2, expiresAtMs: null, config: after });
    });
    const answer = await readOnce(store, range('a', 0, 8 * MIB), new Uint8Array(8 * MIB), stop);
    expect(answer).toMatchObject({
      outcome: 'version-changed',
      landed: 0,
      error: { code: 'VersionChanged' },
    });
  });

  it('gives the event loop turns in a row of small reads', async () => {
    const store = storeOf([{ prefix: 'g', count: 1, size: MIB, seed: 1 }]);
    const target = new Uint8Array(MIB);
    let hasTurned = false;
    setImmediate(() => (hasTurned = true));
    for (let i = 0; i < 4; i += 1) await readOnce(store, range('g00000000', 0, MIB), target, NEVER);
    expect(hasTurned).toBe(true);
  });

  it('gives the same version to the same bytes and another to others', async () => {
    const version = async (bytes: Uint8Array): Promise<string | null | undefined> =>
      (await storeOf([{ key: 'a', bytes }]).head(keyOf('a'), NEVER)).value?.version;
    expect(await version(patternBytes(1, 100))).toBe(await version(patternBytes(1, 100)));
    expect(await version(patternBytes(1, 100))).not.toBe(await version(patternBytes(2, 100)));
  });

  it('refuses to roll up a prefix that is not UTF-8', async () => {
    const store = storeOf([{ key: Uint8Array.of(0xff, 0x2f, 0x61), bytes: new Uint8Array(1) }]);
    await expect(list(store, { delimiter: '/' })).rejects.toMatchObject({ code: 'Unsupported' });
  });
});

describe('createMemoryScheme', () => {
  it('shares the bytes with the workers instead of copying them', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    const config = memoryConfig([
      { key: 'a', bytes: shared },
      { key: 'b', bytes: Uint8Array.of(1, 2) },
    ]);
    expect(config.stored[0]?.bytes.buffer).toBe(shared.buffer);
    expect(config.stored[1]?.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...(config.stored[1]?.bytes ?? [])]).toEqual([1, 2]);
  });

  it('reads back each key that it formats', () => {
    const scheme = createMemoryScheme([]);
    const key = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const uri = scheme.format({ store: 'memory:///', key });
    expect(scheme.parse(uri)).toEqual({ store: 'memory:///', key });
    expect(Buffer.from(scheme.parse('memory:///ü%20/').key).toString()).toBe('ü /');
  });

  it.each(['memory:/a', 'memory://host/a', 'file:///a', 'memory:///%2', 'memory:///%zz'])(
    'refuses %s',
    (uri) => {
      expect(() => createMemoryScheme([]).parse(uri)).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          message: expect.stringContaining('memory:///data/'),
        }),
      );
    },
  );

  it('refuses a key that is given twice, a group that is not valid, and a foreign store', async () => {
    const bytes = new Uint8Array(1);
    expect(() =>
      createMemoryScheme([
        { key: 'a', bytes },
        { key: keyOf('a'), bytes },
      ]),
    ).toThrow('twice');
    expect(() => createMemoryScheme([{ prefix: 'g', count: -1, size: 1, seed: 1 }])).toThrow('"count":-1');
    await expect(createMemoryScheme([]).open('file:///')).rejects.toMatchObject({ code: 'InvalidArgument' });
    const { createStore: create } = await import(createMemoryScheme([]).dataModule);
    expect(() => create({ version: 1, expiresAtMs: null, config: null })).toThrow('memory scheme');
  });
});
