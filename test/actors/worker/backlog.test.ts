import { describe, expect, it } from 'vitest';
import { Backlog, type Entry } from '../../../dist/actors/worker/backlog.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { Job, JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';

/** A row for each of the stores. */
function fetchOf(stream: number, ...stores: number[]): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const store of stores) table.set(table.addRow() + Job.Store, store);
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
}

function headOf(stream: number): JobMessage {
  return { kind: 'head', stream, jobId: 9, store: 1, key: new Uint8Array(1), open: null, stores: [] };
}

const everybody = (): boolean => true;

function drain(backlog: Backlog, enter: (store: number) => boolean = everybody): string[] {
  const begun: string[] = [];
  for (let entry = backlog.next(enter); entry !== null; entry = backlog.next(enter)) {
    begun.push(`${entry.pending.message.stream}:${backlog.begin(entry)}`);
  }
  return begun;
}

const ofStream =
  (stream: number) =>
  ({ pending }: Entry): boolean =>
    pending.message.stream === stream;

describe('a backlog', () => {
  it('gives rows in the order in which they came, a question as one row', () => {
    const backlog = new Backlog();
    for (const message of [fetchOf(1, 0, 0), headOf(2), fetchOf(1, 0)]) backlog.push(message);
    expect(backlog.rows).toBe(4);
    expect(drain(backlog)).toEqual(['1:0', '1:1', '2:0', '1:0']);
    expect(backlog.rows).toBe(0);
  });

  it('takes no notice of a message without rows', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1));
    expect([backlog.next(everybody), backlog.rows]).toEqual([null, 0]);
  });

  it('lets rows for one store past those for another that is not let in, in one message and over several', () => {
    const backlog = new Backlog();
    for (const message of [fetchOf(1, 5, 6, 5, 6), fetchOf(2, 5), fetchOf(3, 6)]) backlog.push(message);
    expect(drain(backlog, (store) => store === 6)).toEqual(['1:1', '1:3', '3:0']);
    expect(backlog.rows).toBe(3);
    expect(drain(backlog)).toEqual(['1:0', '1:2', '2:0']);
  });

  it('keeps the order of rows for several stores that are let in', () => {
    const backlog = new Backlog();
    for (const message of [fetchOf(1, 5, 6, 5, 6), fetchOf(2, 5), fetchOf(3, 6)]) backlog.push(message);
    expect(drain(backlog)).toEqual(['1:0', '1:1', '1:2', '1:3', '2:0', '3:0']);
  });

  it('lets who has no patience past who waits for the same store, and asks for each once', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, 5, 5, 5), 1000);
    backlog.push(fetchOf(2, 5));
    const asked: boolean[] = [];
    const enter = (_store: number, patient: boolean): boolean => {
      asked.push(patient);
      return !patient;
    };
    const entry = backlog.next(enter)!;
    expect([entry.pending.message.stream, asked]).toEqual([2, [true, false]]);
    expect(backlog.patientStores).toEqual([5]);
  });

  it('gives back what one stream has not begun, in the middle of a message too, and leaves the others', () => {
    const backlog = new Backlog();
    const [first, second, third] = [fetchOf(1, 0, 7, 0), fetchOf(2, 0, 0), headOf(1)];
    for (const message of [first, second, third]) backlog.push(message);
    const entry = backlog.next(everybody)!;
    backlog.begin(entry);
    const withdrawn = backlog.withdraw(ofStream(1));
    expect(withdrawn.map(({ message, store, rows }) => ({ message, store, rows }))).toEqual([
      { message: first, store: 0, rows: [2] },
      { message: first, store: 7, rows: [1] },
      { message: third, store: 1, rows: [0] },
    ]);
    // One row of it is under way: when that is reported, nothing of the message is open.
    expect(entry.pending.open).toBe(1);
    expect(backlog.rows).toBe(2);
    expect(backlog.withdraw(ofStream(1))).toEqual([]);
    expect(drain(backlog)).toEqual(['2:0', '2:1']);
  });
});
