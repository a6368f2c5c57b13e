/** Headers of what an exchange came to, when several exchanges are asked in turn. */
import { describe, expect, it } from 'vitest';
import { ExchangeOutcome } from '../../dist/protocol/http.js';
import { ExchangeRecord, headless } from '../../dist/transport/record.js';

function recordOf(...lines: string[]): ExchangeRecord {
  const head = `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  return new ExchangeRecord(ExchangeOutcome.Complete, 200, head, 0, 0, null, null);
}

describe('headers of records that are asked in turn', () => {
  it('are those of their own head, also where heads are as long as each other', () => {
    const one = recordOf('ETag: "a"', 'X-Long: 12');
    const other = recordOf('X-Long: 3', 'ETag: "bc"');
    const none = headless(ExchangeOutcome.Failed, null);
    for (let turn = 0; turn < 2; turn++) {
      expect(one.header('etag')).toBe('"a"');
      expect(none.header('etag')).toBeUndefined();
      expect(other.header('etag')).toBe('"bc"');
      expect(other.header('x-long')).toBe('3');
      expect(one.header('x-long')).toBe('12');
    }
  });

  it('are found by their whole name alone, whatever stands in the values', () => {
    const record = recordOf('Via: etag: "x"', 'ETag-Old: "y"', 'Date: 10:11:12', 'ETag: "z"');
    expect(record.header('etag')).toBe('"z"');
    expect(record.header('date')).toBe('10:11:12');
    expect(record.header('tag')).toBeUndefined();
  });
});

describe('the value of a header', () => {
  it('stands between its blanks, which are spaces and tabs', () => {
    const record = recordOf('X-A: \t b \u00a0c \t ', 'X-B:d', 'X-C:', 'X-D: \t ');
    expect(['x-a', 'x-b', 'x-c', 'x-d'].map((name) => record.header(name))).toEqual([
      'b \u00a0c',
      'd',
      '',
      '',
    ]);
  });

  it('that was sent several times is all of them, in order', () => {
    const record = recordOf('Via: a', 'X-A: 1', 'VIA: b', 'via: ');
    expect(record.header('via')).toBe('a, b, ');
    expect(record.header('x-a')).toBe('1');
  });
});

describe('an exchange that ended before a head came', () => {
  it('has nothing of an answer', () => {
    const none = headless(ExchangeOutcome.Cancelled, null);
    expect(none).toMatchObject({
      outcome: 'cancelled',
      status: 0,
      landed: 0,
      contentLength: -1,
      body: null,
      error: null,
    });
    expect(none.header('tryker was here!')).toBeUndefined();
    expect(Object.values(none)).toContain('');
  });
});
