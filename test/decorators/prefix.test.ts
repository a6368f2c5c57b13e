import { describe, expect, it } from 'vitest';
import { prefix } from '../../dist/decorators/prefix.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { AsyncStore } from '../../dist/protocol/store.js';
import { WRITTEN, type WriteRequest, written } from '../../dist/protocol/writes.js';
import { handStore, pageOf, read, readOf } from './kit.js';

const key = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const LIST = { prefix: key('c'), delimiter: '/', continuation: null, limit: 10 };

function listing(keys: string[], prefixes: string[]): AsyncStore {
  const page = pageOf(keys, prefixes);
  return {
    ...handStore(),
    list: async () => ({ outcome: 'complete', value: page, error: null, retryAfterMs: 0 }),
  };
}

const textsOf = ({ keys, keyEnds }: { keys: Uint8Array; keyEnds: Uint32Array }): string[] =>
  Array.from(keyEnds, (end, i) => Buffer.from(keys.subarray(keyEnds[i - 1] ?? 0, end)).toString());

describe('prefix', () => {
  it('is put before every key that is asked for', async () => {
    const inner = handStore();
    const store = prefix(inner, 'a/ü/');
    await read(store, readOf('x'), NEVER);
    await store.head(key('y'), NEVER);
    await store.list(LIST, NEVER);
    expect(inner.calls).toEqual(['read a/ü/x', 'head a/ü/y', 'list a/ü/c']);
  });

  it('makes of one key the same array each time, so that the attempts at it are known to belong together', async () => {
    const keys: Uint8Array[] = [];
    const inner: AsyncStore = {
      ...handStore(),
      head: async (asked) => {
        keys.push(asked);
        return { outcome: 'transient', value: null, error: null, retryAfterMs: 0 };
      },
    };
    const store = prefix(inner, 'a/');
    const [x, other] = [key('x'), key('x')];
    await store.head(x, NEVER);
    await store.head(x, NEVER);
    await store.head(other, NEVER);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  it('is taken off every key and prefix that is listed', async () => {
    const store = prefix(listing(['a/ü/c', 'a/ü/cé', 'a/ü/'], ['a/ü/c/']), 'a/ü/');
    const { value } = await store.list(LIST, NEVER);
    expect(textsOf(value!)).toEqual(['c', 'cé', '']);
    expect(value!.prefixes).toEqual(['c/']);
    expect(value!.keys).toHaveLength(4);
  });

  it.each([
    [['b/c'], []],
    [['a/'], []],
    [['a/ü/c'], ['b/']],
  ])('refuses a listing of other keys: %j, %j', async (keys, prefixes) => {
    const answer = await prefix(listing(keys, prefixes), 'a/ü/').list(LIST, NEVER);
    expect(answer).toMatchObject({ outcome: 'refused', value: null, error: { code: 'ProtocolViolation' } });
  });

  it('is put before the keys of every write, and taken off the uploads that are listed', async () => {
    const seen: WriteRequest[] = [];
    const upload = (name: string) => ({ key: key(name), upload: 'u', startedMs: null });
    const inner: AsyncStore = {
      ...handStore(),
      write: async (request) => {
        seen.push(request);
        return request.kind === 'uploads' ? written({ uploads: [upload('p/1'), upload('q/2')] }) : written();
      },
    };
    const store = prefix(inner, 'p/');
    const condition = { ifAbsent: false, ifVersion: null };
    const attributes = { ...condition, contentType: null };
    const body = new Uint8Array(1);
    const requests: WriteRequest[] = [
      { kind: 'put', key: key('k'), body, ...attributes },
      { kind: 'begin', key: key('k'), size: 1, ...attributes },
      { kind: 'part', key: key('k'), upload: 'u', index: 0, start: 0, body, last: true },
      { kind: 'complete', key: key('k'), upload: 'u', parts: [], size: 1, ...attributes },
      { kind: 'abort', key: key('k'), upload: 'u' },
      {
        kind: 'copy',
        key: key('k'),
        sourceStore: 's3://b',
        sourceKey: key('s'),
        sourceVersion: null,
        ...condition,
      },
      { kind: 'delete', keys: [key('k'), key('l')], ifVersion: null },
    ];
    for (const request of requests) {
      expect((await store.write!(request, NEVER)).value).toEqual(WRITTEN);
    }
    const keysOf = (request: WriteRequest): string[] => {
      const keys = 'keys' in request ? request.keys : 'key' in request ? [request.key] : [];
      const source = 'sourceKey' in request ? [request.sourceKey] : [];
      return [...keys, ...source].map((each) => Buffer.from(each).toString());
    };
    const own = ['p/k'];
    expect(seen.map(keysOf)).toEqual([own, own, own, own, own, ['p/k', 'p/s'], ['p/k', 'p/l']]);
    const listed = await store.write!({ kind: 'uploads', prefix: key('x'), continuation: null }, NEVER);
    expect(seen.at(-1)).toMatchObject({ prefix: key('p/x') });
    expect(listed.value!.uploads).toEqual([upload('1')]);
  });
});
