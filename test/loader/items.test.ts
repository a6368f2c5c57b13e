import { describe, expect, it } from 'vitest';
import type { ItemRecord } from '../../dist/actors/supervisor/types.js';
import { Batch, createBatchWorld } from '../../dist/loader/batch.js';
import { createFakeSupervisor, type FakeSupervisor, OBJECT_BYTES, bytesOf } from './fake-supervisor.js';

const make = (
  payloads: (Uint8Array | { value: unknown })[],
  checked = false,
  supervisor: FakeSupervisor = createFakeSupervisor(),
): Batch => {
  const released: unknown[] = [];
  supervisor.opened.push('fake://bucket');
  const items = payloads.map((given, sequence): ItemRecord => {
    const entry = {
      store: 0,
      key: Buffer.from(`k${sequence}`),
      size: -1,
      version: null,
      pinned: false,
      start: 0,
      length: -1,
    };
    const about = {
      entry,
      sequence,
      index: 0,
      last: true,
      version: 'v1',
      size: OBJECT_BYTES,
      verified: null,
    };
    if ('value' in given) return { ...about, payload: { kind: 'value', value: given.value } };
    const extent = supervisor.arena.allocate(given.length)!;
    new Uint8Array(supervisor.arena.buffer, extent.offset, given.length).set(given);
    return { ...about, payload: { kind: 'lease', extent, offset: extent.offset, length: given.length } };
  });
  const stream = supervisor.openStream({} as never, { next: async () => null }, null);
  const record = { items, bytes: released.length };
  return new Batch(record, createBatchWorld(supervisor, stream, { checked, ordered: true }));
};

describe('an item', () => {
  it('tells where it is from, and shows its bytes over shared memory', () => {
    const supervisor = createFakeSupervisor();
    const batch = make([bytesOf('a'), bytesOf('b')], false, supervisor);
    const item = batch.at(1)!;
    expect([item.uri, item.key, Buffer.from(item.keyBytes).toString()]).toEqual([
      'fake://bucket/k1',
      'k1',
      'k1',
    ]);
    expect([item.sequence, item.index, item.size, item.version, item.start]).toEqual([1, 0, 1000, 'v1', 0]);
    expect([item.length, item.byteLength]).toEqual([1000, 1000]);
    expect(item.bytes.buffer).toBe(supervisor.arena.buffer);
    expect(item.bytes).toBe(item.bytes);
    expect(Buffer.compare(item.bytes, bytesOf('b'))).toBe(0);
  });

  it('copies into memory of its own', () => {
    const batch = make([bytesOf('a')]);
    const copy = batch.at(0)!.copy();
    batch.release();
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
    expect(Buffer.compare(copy, bytesOf('a'))).toBe(0);
  });

  it('reads as text and as JSON', () => {
    const [text, json, bad] = make([
      Buffer.from('\u{feff}h\u{e9}'),
      Buffer.from('{"a":[1]}'),
      Buffer.from('{'),
    ]);
    expect(text?.text()).toBe('h\u{e9}');
    expect(json?.json()).toEqual({ a: [1] });
    expect(() => bad?.json()).toThrow('fake://bucket/k2 is not JSON (1 bytes)');
  });

  it('shows a value as a value, and says so to who wants bytes', () => {
    const [item] = make([{ value: { rows: 3 } }]);
    expect(item?.value).toEqual({ rows: 3 });
    expect(item?.length).toBe(0);
    expect(() => item?.bytes).toThrow('the transform made a value of fake://bucket/k0');
    expect(make([bytesOf('a')]).at(0)?.value).toBeUndefined();
  });

  it.each<[string, (item: NonNullable<ReturnType<Batch['at']>>) => unknown]>([
    ['bytes', (item) => item.bytes],
    ['value', (item) => item.value],
    ['copy()', (item) => item.copy()],
    ['text()', (item) => item.text()],
    ['json()', (item) => item.json()],
  ])('refuses %s after the release and names itself', (_name, use) => {
    const batch = make([Buffer.from('{}')]);
    const item = batch.at(0)!;
    use(item);
    batch.release();
    expect(() => use(item)).toThrow('item 0 (fake://bucket/k0) was used after its memory was released');
    expect(item.uri).toBe('fake://bucket/k0');
  });

  it('in checked mode has memory of its own that is gone after the release', () => {
    const batch = make([bytesOf('a'), bytesOf('b')], true);
    const { bytes } = batch.at(0)!;
    expect(bytes.buffer).toBeInstanceOf(ArrayBuffer);
    expect(Buffer.compare(bytes, bytesOf('a'))).toBe(0);
    batch.release();
    expect(bytes.length).toBe(0);
    expect(bytes[0]).toBeUndefined();
  });
});

describe('a batch', () => {
  it('is iterable, has a length and finds items from both ends', () => {
    const batch = make([bytesOf('a'), bytesOf('b')]);
    expect([...batch].map(({ key }) => key)).toEqual(['k0', 'k1']);
    expect([batch.length, batch.at(-1)?.key, batch.at(2)]).toEqual([2, 'k1', undefined]);
    expect(batch.cursor).toEqual({ version: 1, objects: 2, items: 0 });
  });

  it('gives its memory back once, and names itself when it is released again', () => {
    const supervisor = createFakeSupervisor();
    const batch = make([bytesOf('a')], false, supervisor);
    expect(supervisor.arena.stats().extents).toBe(1);
    batch.release();
    expect(supervisor.arena.stats().extents).toBe(0);
    expect(() => batch.release()).toThrow(
      'release of a batch that begins with item 0 (fake://bucket/k0): it was already released',
    );
    expect(() => batch.retain()).toThrow('retain of a batch');
  });

  it('is released at the end of a using block, if it is not by then', () => {
    const batch = make([bytesOf('a')]);
    const dispose = (): void => batch[Symbol.dispose]();
    dispose();
    expect(batch.released).toBe(true);
    dispose();
  });

  it('is acknowledged once, also after its release', () => {
    const supervisor = createFakeSupervisor();
    const batch = make([bytesOf('a')], false, supervisor);
    batch.release();
    batch.ack();
    batch.ack();
    expect(supervisor.streams[0]?.acknowledged).toHaveLength(1);
  });
});
