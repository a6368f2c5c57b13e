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

  it('says where the memory is refused, and what to return instead', () => {
    for (const value of [shared, [shared], new Set([shared]), new Map([[shared, 1]]), new Map([[1, shared]])])
      expect(() => ownValue(value, shared)).toThrow(
        expect.objectContaining({
          code: 'TransformFailed',
          phase: 'transform',
          message: expect.stringMatching(/^the transform returned the buffer .*return the bytes, or a copy$/),
        }),
      );
  });

  it.each([
    ['a list', (held: unknown) => [held], (own: unknown) => (own as unknown[])[0]],
    ['a set', (held: unknown) => new Set([held]), (own: unknown) => [...(own as Set<unknown>)][0]],
    [
      'a key',
      (held: unknown) => new Map([[held, 1]]),
      (own: unknown) => [...(own as Map<unknown, unknown>).keys()][0],
    ],
    [
      'a value',
      (held: unknown) => new Map([[1, held]]),
      (own: unknown) => (own as Map<unknown, unknown>).get(1),
    ],
    [
      'an object',
      (held: unknown) => ({ text: 'x', none: null, held }),
      (own: unknown) => (own as { held: unknown }).held,
    ],
  ])('is a copy where a view is within %s', (_, wrap, unwrap) => {
    const data = new DataView(shared, 8, 4);
    for (const held of [view, data]) {
      const own = unwrap(ownValue(wrap(held), shared)) as ArrayBufferView;
      expect(own.constructor).toBe(held.constructor);
      expect(own.buffer).not.toBe(shared);
      expect(new Uint8Array(own.buffer)).toEqual(new Uint8Array(shared.slice(8, 8 + held.byteLength)));
    }
  });

  it('keeps what is none of that memory', () => {
    const own = ownValue({ view, text: 'x', none: null, fn: 1n, bytes: Uint8Array.of(5) }, shared);
    expect(own).toEqual({
      view: new Uint16Array([1, 2, 3]),
      text: 'x',
      none: null,
      fn: 1n,
      bytes: Uint8Array.of(5),
    });
  });
});
