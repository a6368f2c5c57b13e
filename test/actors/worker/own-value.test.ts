import { describe, expect, it } from 'vitest';
import { ownValue } from '../../../dist/actors/worker/own-value.js';

const shared = new SharedArrayBuffer(64);
const view = new Uint16Array(shared, 8, 3);
view.set([1, 2, 3]);

describe('a value of a transform', () => {
  it.each([1, 'text', null, { a: [1, { b: new Date(0) }] }, new Map([[1, new Set([2])]]), new Uint8Array(3)])(
    'without shared memory is passed on as it is: %o',
    (value) => {
      expect(ownValue(value, shared)).toBe(value);
    },
  );

  it('has copies of views over it, of the same kind, wherever they are', () => {
    const value = { view, list: [new Map([['key', new Set([new DataView(shared, 8, 2)])]])] };
    const own = ownValue(value, shared) as typeof value;
    view.fill(9);
    expect(own.view).toEqual(new Uint16Array([1, 2, 3]));
    expect(own.view.buffer).toBeInstanceOf(ArrayBuffer);
    const [copied] = [...own.list[0]!.get('key')!];
    expect(copied!.getUint16(0, true)).toBe(1);
    // What the transform has is its own: nothing of it is replaced.
    expect(value.view).toBe(view);
    view.set([1, 2, 3]);
  });

  it('may be a circle', () => {
    const value: Record<string, unknown> = { view };
    value.self = value;
    const own = ownValue(value, shared) as { self: unknown; view: Uint16Array };
    expect(own.self).toBe(own);
    expect(own.view.buffer).not.toBe(shared);
  });

  it('is refused when it holds the whole of the memory', () => {
    expect(() => ownValue({ all: shared }, shared)).toThrow(/other objects/);
  });
});
