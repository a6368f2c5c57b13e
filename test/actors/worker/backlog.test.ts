import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../dist/actors/worker/backlog.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';

function fetchOf(stream: number, rows: number): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (let row = 0; row < rows; row += 1) table.addRow();
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
}

function headOf(stream: number): JobMessage {
  return { kind: 'head', stream, jobId: 9, store: 1, key: new Uint8Array(1), open: null, stores: [] };
}

function drain(backlog: Backlog): string[] {
  const begun: string[] = [];
  for (let head = backlog.head; head !== null; head = backlog.head) {
    begun.push(`${head.message.stream}:${backlog.begin()}`);
  }
  return begun;
}

describe('a backlog', () => {
  it('gives rows in the order in which they came, a question as one row', () => {
    const backlog = new Backlog();
    for (const message of [fetchOf(1, 2), headOf(2), fetchOf(1, 1)]) backlog.push(message);
    expect(backlog.rows).toBe(4);
    expect(drain(backlog)).toEqual(['1:0', '1:1', '2:0', '1:0']);
    expect(backlog.rows).toBe(0);
  });

  it('takes no notice of a message without rows', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, 0));
    expect([backlog.head, backlog.rows]).toEqual([null, 0]);
  });

  it('gives back what one stream has not begun, in the middle of a message too, and leaves the others', () => {
    const backlog = new Backlog();
    const [first, second, third] = [fetchOf(1, 3), fetchOf(2, 2), headOf(1)];
    for (const message of [first, second, third]) backlog.push(message);
    const entry = backlog.head!;
    backlog.begin();
    expect(backlog.withdraw(1)).toEqual([
      { message: first, first: 1 },
      { message: third, first: 0 },
    ]);
    // One row of it is under way: when that is reported, nothing of the message is open.
    expect(entry.open).toBe(1);
    expect(backlog.rows).toBe(2);
    expect(backlog.withdraw(1)).toEqual([]);
    expect(drain(backlog)).toEqual(['2:0', '2:1']);
  });
});
