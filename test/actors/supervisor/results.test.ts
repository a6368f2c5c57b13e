import { describe, expect, it } from 'vitest';
import { Arena } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { DoneMessage } from '../../../dist/protocol/messages.js';
import { CHECKSUMS, Done, DONE_STRIDE, DoneStatus, TableBuilder } from '../../../dist/protocol/tables.js';
import { ResultRows } from '../../../dist/actors/supervisor/results.js';
import type { FetchJobRecord } from '../../../dist/actors/supervisor/jobs.js';
import { taskOf } from './kit.js';

const NO_JOB = { task: taskOf(0) } as unknown as FetchJobRecord;

function messageOf(versions: readonly (Uint8Array | null)[], more: Partial<DoneMessage> = {}): DoneMessage {
  const table = new TableBuilder(DONE_STRIDE);
  for (const [row, version] of versions.entries()) {
    const base = table.addRow();
    table.set(base + Done.Id, row + 10);
    table.set(base + Done.Status, row % 2 === 0 ? DoneStatus.Ok : DoneStatus.Left);
    table.set(base + Done.Landed, row + 100);
    table.set(base + Done.Size, row + 1000);
    table.set(base + Done.Retries, row);
    table.set(base + Done.Throttled, row + 5);
    if (version === null) continue;
    table.set(base + Done.BlobStart, table.addBytes(version));
    table.set(base + Done.VersionLength, version.length);
  }
  return { kind: 'done', table: table.take(), errors: [], outputs: [], ...more };
}

describe('the rows of a message of results', () => {
  it('are read one after the other, each with its own cells', () => {
    const rows = new ResultRows(messageOf([null, null, null]), new Arena(4096));
    for (let row = 0; row < 3; row += 1) {
      expect(rows.next()).toBe(row + 10);
      expect(rows).toMatchObject({ landed: row + 100, size: row + 1000, retries: row, version: null });
      expect(rows.throttled).toBe(row + 5);
      expect(rows.status).toBe(row % 2 === 0 ? DoneStatus.Ok : DoneStatus.Left);
    }
    expect([rows.next(), rows.next()]).toEqual([-1, -1]);
  });

  it.each([
    ['ASCII alone', [...'"a1"|"b22"|"c333"'.split('|'), null, '"d"'], []],
    ['text of several bytes', ['"a"', '"ü"', null, '"b"', '"\u{1f600}"', '"c"'], []],
    ['a byte order mark', ['\ufeffa', 'b', 'c'], []],
    ['bytes that make a character together, and none alone', ['a'], [[0xc3], [0xa9], [0x62]]],
    ['bytes that are no text', ['a'], [[0xff], [0x62, 0xfe]]],
  ])('have the versions that each would have by itself: %s', (_what, texts, raw) => {
    const versions = [
      ...texts.map((each) => (each === null ? null : new TextEncoder().encode(each))),
      ...raw.map((bytes) => Uint8Array.from(bytes)),
    ];
    const rows = new ResultRows(messageOf(versions), new Arena(4096));
    for (const version of versions) {
      rows.next();
      expect(rows.version).toBe(version === null ? null : new TextDecoder().decode(version));
    }
  });

  it('have the error and the outputs of their own row, and count bytes that travelled by themselves once', () => {
    const arena = new Arena(8 * 4096);
    const wire = new MillraceError(ErrorCode.NotFound, 'gone').toWire();
    const message = messageOf([null, null, null, null], {
      errors: [[1, wire]],
      outputs: [
        [2, [{ kind: 'bytes', bytes: new Uint8Array(70) }]],
        [3, []],
      ],
    });
    const rows = new ResultRows(message, arena);
    const seen = [0, 1, 2, 3].map(() => {
      rows.next();
      rows.unpack(NO_JOB);
      return [rows.error?.code ?? null, rows.outputs?.length ?? null, arena.stats().chargedBytes];
    });
    expect(seen).toEqual([
      [null, null, 0],
      [ErrorCode.NotFound, null, 0],
      [null, 1, 70],
      [null, 0, 70],
    ]);
  });

  it('have the checksum that was found right, or none', () => {
    const message = messageOf(CHECKSUMS.map(() => null).concat([null]));
    for (const row of CHECKSUMS.keys()) message.table.cells[row * DONE_STRIDE + Done.Verified] = row + 1;
    const rows = new ResultRows(message, new Arena(4096));
    for (const algorithm of [...CHECKSUMS, null]) {
      rows.next();
      expect(rows.verified).toBe(algorithm);
    }
  });
});
