import { describe, expect, it } from 'vitest';
import { begins, digits, equals, indexOf, skipSpace, trimSpace } from '../../dist/transport/bytes.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('a word among bytes', () => {
  it.each([
    ['close', 0, true],
    ['CLOSE', 0, true],
    ['ClOsE', 0, true],
    ['xclosex', 1, true],
    ['closf', 0, false],
    ['clos', 0, false],
    // What bit 5 alone would take for a letter.
    ['clo\u0013e', 0, false],
    ['', 0, false],
  ])('%j from %i on is "close" in any case: %s', (text, from, same) => {
    expect(equals(bytes(text), from, 'close')).toBe(same);
  });

  it('has all letters of the alphabet in both cases, and what is beside them in one', () => {
    expect(equals(bytes('ABCXYZ@[`{'), 0, 'abcxyz@[`{')).toBe(true);
    expect([equals(bytes('@'), 0, '`'), equals(bytes('['), 0, '{')]).toEqual([false, false]);
  });

  it('is found at its place in its own case alone', () => {
    expect(begins(bytes('xHTTP/1.'), 1, 'HTTP/1.')).toBe(true);
    expect(begins(bytes('http/1.'), 0, 'HTTP/1.')).toBe(false);
    expect(begins(bytes('HTTP/1'), 0, 'HTTP/1.')).toBe(false);
    expect(begins(bytes('HTTP/2.'), 0, 'HTTP/1.')).toBe(false);
  });
});

describe('a number in digits', () => {
  it.each([
    ['0', 0],
    ['0123456789', 123_456_789],
    ['999999999999999', 999_999_999_999_999],
    ['9999999999999999', -1],
    ['', -1],
    ['1a', -1],
    ['/', -1],
    [':', -1],
    ['-1', -1],
    [' 1', -1],
    ['1 ', -1],
  ])('%j is %d', (text, value) => {
    expect(digits(bytes(text), 0, text.length)).toBe(value);
  });

  it('is read between its two ends', () => {
    expect(digits(bytes('a12b'), 1, 3)).toBe(12);
    expect(digits(bytes('12'), 2, 1)).toBe(-1);
  });
});

describe('a byte that is looked for', () => {
  it('is found at its first place from the start on and before the end', () => {
    const text = bytes('a-b-c');
    const dash = 45;
    expect([indexOf(text, 0, 5, dash), indexOf(text, 2, 5, dash), indexOf(text, 3, 5, dash)]).toEqual([
      1, 3, 3,
    ]);
    expect([indexOf(text, 0, 1, dash), indexOf(text, 4, 5, dash), indexOf(text, 2, 3, dash)]).toEqual([
      -1, -1, -1,
    ]);
  });
});

describe('blanks around a value', () => {
  it('are spaces and tabs, and nothing else', () => {
    const text = bytes(' \t \u00a0a \n\t ');
    expect([skipSpace(text, 0, 9), trimSpace(text, 0, 9)]).toEqual([3, 7]);
  });

  it('are looked for no further than the two ends', () => {
    const blank = bytes('a  \tb');
    expect([skipSpace(blank, 1, 3), trimSpace(blank, 2, 4)]).toEqual([3, 2]);
    expect([skipSpace(blank, 0, 5), trimSpace(blank, 0, 5)]).toEqual([0, 5]);
    expect([skipSpace(blank, 4, 4), trimSpace(blank, 4, 4)]).toEqual([4, 4]);
  });
});
