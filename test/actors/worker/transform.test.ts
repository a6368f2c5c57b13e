import { describe, expect, it } from 'vitest';
import {
  type LeaseView,
  toOutputs,
  optionsOf,
  transformFailed,
} from '../../../dist/actors/worker/transform.js';
import type { Output } from '../../../dist/protocol/messages.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';

const OBJECT = objectIdOf('object');
const LANDED = 100;
const CAPACITY = 4096;
const LEASE_OFFSET = 8192;

interface Given extends LeaseView {
  /** What the transform is given. */
  readonly item: Uint8Array;
  readonly arena: SharedArrayBuffer;
}

function lease(capacity = CAPACITY): Given {
  const arena = new SharedArrayBuffer(LEASE_OFFSET * 2 + capacity);
  const bytes = new Uint8Array(arena, LEASE_OFFSET, capacity);
  bytes.set(patternBytes(OBJECT, LANDED));
  return { bytes, landed: LANDED, item: bytes.subarray(0, LANDED), arena };
}

/** The bytes of an output, wherever they lie. */
function bytesOf(output: Output | undefined, { bytes }: LeaseView): Uint8Array {
  if (output?.kind === 'bytes') return output.bytes;
  if (output?.kind === 'lease') return bytes.subarray(output.start, output.start + output.length);
  throw new Error(`no bytes in ${JSON.stringify(output)}`);
}

/** The piece that a value holds, however deep. */
function heldBy(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Map) return heldBy([...(value as Map<unknown, unknown>).values()]);
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.values(value)
    .map((each) => heldBy(each))
    .find((held) => held !== undefined);
}

const made = (name: string, length: number): Uint8Array => patternBytes(objectIdOf(name), length);

describe('what a transform returned', () => {
  it.each([undefined, null, []].map((nothing) => [JSON.stringify(nothing) ?? 'undefined', nothing]))(
    'is nothing for %s',
    (_name, nothing) => {
      expect(toOutputs(nothing, lease())).toEqual([]);
    },
  );

  it('stays where it is when it is a part of the item', () => {
    const given = lease();
    const outputs = toOutputs([given.item.subarray(10, 30), given.item, given.item.subarray(99)], given);
    expect(outputs).toEqual([
      { kind: 'lease', start: 10, length: 20 },
      { kind: 'lease', start: 0, length: LANDED },
      { kind: 'lease', start: 99, length: 1 },
    ]);
    expect(verifyPattern(OBJECT, 0, given.item)).toBe(-1);
  });

  it('takes the place of the item when it is new bytes, each output on a boundary of 8', () => {
    const given = lease();
    const outputs = toOutputs([made('a', 13), made('b', 200)], given);
    expect(outputs).toEqual([
      { kind: 'lease', start: 0, length: 13 },
      { kind: 'lease', start: 16, length: 200 },
    ]);
    expect(verifyPattern(objectIdOf('a'), 0, bytesOf(outputs[0], given))).toBe(-1);
    expect(verifyPattern(objectIdOf('b'), 0, bytesOf(outputs[1], given))).toBe(-1);
  });

  it('goes behind the item where another output still lies in it', () => {
    const given = lease();
    const outputs = toOutputs([made('a', 50), given.item.subarray(20, 90), made('b', 8)], given);
    expect(outputs).toEqual([
      { kind: 'lease', start: 104, length: 50 },
      { kind: 'lease', start: 20, length: 70 },
      { kind: 'lease', start: 160, length: 8 },
    ]);
    expect(verifyPattern(OBJECT, 0, given.item)).toBe(-1);
    expect(verifyPattern(objectIdOf('a'), 0, bytesOf(outputs[0], given))).toBe(-1);
    expect(verifyPattern(objectIdOf('b'), 0, bytesOf(outputs[2], given))).toBe(-1);
  });

  const piece = (given: Given): Uint8Array => given.item.subarray(8, 40);
  it.each<[string, (given: Given) => unknown[]]>([
    ['behind new bytes', (given) => [made('a', 64), { piece: piece(given) }]],
    ['before new bytes', (given) => [{ piece: piece(given) }, made('a', 64)]],
    [
      'between new bytes, deep within',
      (given) => [made('a', 64), [new Map([['x', { piece: piece(given) }]])], made('b', 24)],
    ],
    [
      'beside another piece of it that stays',
      (given) => [made('a', 64), given.item.subarray(16, 90), { piece: piece(given) }],
    ],
    [
      'behind another piece of it that stays, and twice',
      (given) => [given.item.subarray(0, 9), { piece: piece(given) }, made('a', 64), { piece: piece(given) }],
    ],
    [
      'behind bytes for which there is no room',
      (given) => [made('a', CAPACITY + 1), made('b', 48), { piece: piece(given) }],
    ],
  ])('is right in every byte where a value holds a piece of the item, %s', (_where, returnedBy) => {
    const given = lease();
    const returned = returnedBy(given);
    const names = ['a', 'b'];
    const outputs = toOutputs(returned, given);
    expect(outputs).toHaveLength(returned.length);
    for (const [i, output] of outputs.entries()) {
      const item = returned[i];
      if (output.kind === 'value') {
        const held = heldBy(output.value)!;
        expect(held.buffer).not.toBe(given.arena);
        expect([held.length, verifyPattern(OBJECT, 8, held)]).toEqual([32, -1]);
      } else if (item instanceof Uint8Array && item.buffer === given.arena) {
        const start = item.byteOffset - LEASE_OFFSET;
        expect(verifyPattern(OBJECT, start, bytesOf(output, given))).toBe(-1);
      } else expect(verifyPattern(objectIdOf(names.shift()!), 0, bytesOf(output, given))).toBe(-1);
    }
  });

  it('is not written over where the transform has put it behind the item', () => {
    const given = lease();
    const behind = given.bytes.subarray(LANDED + 20, LANDED + 52);
    behind.set(made('behind', 32));
    const outputs = toOutputs([made('a', 64), behind], given);
    expect(outputs[1]).toEqual({ kind: 'lease', start: LANDED + 20, length: 32 });
    expect(verifyPattern(objectIdOf('behind'), 0, bytesOf(outputs[1], given))).toBe(-1);
    expect(verifyPattern(objectIdOf('a'), 0, bytesOf(outputs[0], given))).toBe(-1);
  });

  it('travels as a buffer of its own when the lease has no room, and the next one may still fit', () => {
    const given = lease(128);
    const large = made('large', 129);
    const outputs = toOutputs([large, made('exact', 128), made('more', 1)], given);
    expect(outputs.map(({ kind }) => kind)).toEqual(['bytes', 'lease', 'bytes']);
    const own = bytesOf(outputs[0], given);
    expect(verifyPattern(objectIdOf('large'), 0, own)).toBe(-1);
    // It will be transferred: what the transform keeps must not be emptied by that.
    expect(own.buffer).not.toBe(large.buffer);
    expect(own.buffer.byteLength).toBe(129);
    expect(verifyPattern(objectIdOf('exact'), 0, bytesOf(outputs[1], given))).toBe(-1);
  });

  it('writes nothing outside the lease', () => {
    const given = lease(128);
    toOutputs([made('exact', 128), made('more', 1)], given);
    const all = new Uint8Array(given.arena);
    expect(all.subarray(0, LEASE_OFFSET).every((byte) => byte === 0)).toBe(true);
    expect(all.subarray(LEASE_OFFSET + 128).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ['a Buffer', (bytes: Uint8Array) => Buffer.from(bytes)],
    ['an ArrayBuffer', (bytes: Uint8Array) => new Uint8Array(bytes).buffer],
    [
      'a SharedArrayBuffer',
      (bytes: Uint8Array) => {
        const shared = new SharedArrayBuffer(bytes.length);
        new Uint8Array(shared).set(bytes);
        return shared;
      },
    ],
    [
      'a DataView with an offset',
      (bytes: Uint8Array) => {
        const wide = new Uint8Array(bytes.length + 7);
        wide.set(bytes, 7);
        return new DataView(wide.buffer, 7);
      },
    ],
    [
      'a typed array of wider elements',
      (bytes: Uint8Array) => new Float32Array(new Uint8Array(bytes).buffer),
    ],
  ])('is bytes when it is %s', (_name, shape) => {
    const given = lease();
    const outputs = toOutputs(shape(made('bytes', 64)), given);
    expect(outputs).toEqual([{ kind: 'lease', start: 0, length: 64 }]);
    expect(verifyPattern(objectIdOf('bytes'), 0, bytesOf(outputs[0], given))).toBe(-1);
  });

  it.each([{ label: 3 }, 'text', 0, false, new Map([[1, 2]])])('is a value when it is %j', (value) => {
    expect(toOutputs(value, lease())).toEqual([{ kind: 'value', value }]);
    expect(toOutputs([value, value], lease())).toHaveLength(2);
  });

  it.each([
    ['before', LEASE_OFFSET - 8, 16],
    ['behind', LEASE_OFFSET + CAPACITY - 8, 16],
  ])('is an error when it lies %s its lease, in another item', (_where, offset, length) => {
    const given = lease();
    expect(() => toOutputs(new Uint8Array(given.arena, offset, length), given)).toThrow(
      expect.objectContaining({ code: 'TransformFailed', message: expect.stringContaining('another item') }),
    );
  });
});

describe('a transform', () => {
  it('that throws fails its item with what it threw', () => {
    const cause = new TypeError('no such column');
    expect(transformFailed(cause)).toMatchObject({
      code: 'TransformFailed',
      message: 'the transform threw: no such column',
      context: { phase: 'transform' },
      cause,
    });
  });

  it('is given the options that came with it, and none where there are none', () => {
    const specOf = (transform: unknown) => ({ transform }) as Parameters<typeof optionsOf>[0];
    expect(optionsOf(specOf({ module: 'm', options: { columns: 3 } }))).toEqual({ columns: 3 });
    expect(optionsOf(specOf(null))).toBeUndefined();
  });
});
