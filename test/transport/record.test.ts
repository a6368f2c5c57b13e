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
