import { describe, expect, it } from 'vitest';
import { Backlog, isHedge, NO_ORIGIN, rowsOf, type Entry } from '../../../dist/actors/worker/backlog.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { Job, JOB_STRIDE, JobFlag, TableBuilder } from '../../../dist/protocol/tables.js';

/** A row for each of the stores. */
function fetchOf(stream: number, ...stores: number[]): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const store of stores) table.set(table.addRow() + Job.Store, store);
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
}

function headOf(stream: number): JobMessage {
  return { kind: 'head', stream, jobId: 9, store: 1, key: new Uint8Array(1), open: null, stores: [] };
}

function writeOf(stream: number, kind: 'abort' | 'complete'): JobMessage {
  const key = new Uint8Array(1);
  const upload = { key, upload: 'u1' };
  const request =
    kind === 'abort'
      ? { kind, ...upload }
      : { kind, ...upload, parts: [], size: 0, ifAbsent: false, ifVersion: null, contentType: null };
  return { kind: 'write', stream, jobId: 8, store: 5, request, again: false, open: null, stores: [] };
}

/** Rows whose bytes are there, or not, all of one store. */
function landedOf(stream: number, ...landed: boolean[]): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const each of landed) {
    const base = table.addRow();
    table.set(base + Job.Store, 5);
    if (each) table.set(base + Job.Flags, JobFlag.Landed | JobFlag.Transform);
  }
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
}

function hedgeOf(stream: number, job: number): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  const base = table.addRow();
  table.set(base + Job.Id, job);
  table.set(base + Job.Store, 5);
  table.set(base + Job.Flags, JobFlag.Hedge | JobFlag.Whole);
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
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

  it('gives back the rest of a message for one store, with how long its jobs may be told to slow down', () => {
    const backlog = new Backlog();
    const message = fetchOf(1, 5, 5, 5);
    backlog.push(message, 700, 42);
    const entry = backlog.next(everybody)!;
    expect([entry.cameAtMs, entry.patienceMs, backlog.begin(entry)]).toEqual([42, 700, 0]);
    expect(backlog.withdraw(ofStream(1))).toEqual([{ message, store: 5, patienceMs: 700, rows: [1, 2] }]);
    expect([entry.pending.open, backlog.rows, backlog.patientStores]).toEqual([1, 0, []]);
    expect(backlog.next(everybody)).toBe(null);
  });

  it('lets rows whose bytes are there past a store that lets nobody in, and has them wait for nobody', () => {
    const backlog = new Backlog();
    backlog.push(landedOf(1, false, true, false), 700);
    backlog.push(landedOf(2, true), 700);
    expect(backlog.patientStores).toEqual([5]);
    const asked: [number, boolean][] = [];
    const begun = drain(backlog, (store) => {
      asked.push([store, store === NO_ORIGIN]);
      return store === NO_ORIGIN;
    });
    expect(begun).toEqual(['1:1', '2:0']);
    expect(asked.slice(0, 2)).toEqual([
      [5, false],
      [NO_ORIGIN, true],
    ]);
    expect(backlog.withdraw(ofStream(1)).map(({ patienceMs, rows }) => [patienceMs, rows])).toEqual([
      [700, [0, 2]],
    ]);
  });

  it('asks each origin once for its next row, in the order of the rows', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, 7, 5, 6, 5, 7), 0);
    const asked: number[] = [];
    const nobody = (store: number): boolean => {
      asked.push(store);
      return false;
    };
    expect(backlog.next(nobody)).toBe(null);
    expect(asked).toEqual([7, 5, 6]);
  });

  it('begins hedges before all that waits, the latest first, and a message that is under way goes on behind them', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, 5, 5));
    backlog.push(fetchOf(2, 6));
    const entry = backlog.next(everybody)!;
    expect(backlog.begin(entry)).toBe(0);
    backlog.push(hedgeOf(3, 30));
    backlog.push(hedgeOf(4, 40));
    expect(drain(backlog)).toEqual(['4:0', '3:0', '1:1', '2:0']);
    const fresh = new Backlog();
    fresh.push(hedgeOf(3, 30));
    fresh.push(fetchOf(1, 5));
    expect(drain(fresh)).toEqual(['3:0', '1:0']);
  });

  it('begins what ends an upload before all that waits, and no other write', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, 5));
    backlog.push(writeOf(2, 'complete'));
    backlog.push(writeOf(3, 'abort'));
    expect(drain(backlog)).toEqual(['3:0', '1:0', '2:0']);
  });

  it('counts a message of many rows before the next message, whatever the stores of its rows', () => {
    const backlog = new Backlog();
    backlog.push(fetchOf(1, ...Array.from({ length: 300 }, (_, row) => (row < 299 ? 5 : 6))));
    backlog.push(fetchOf(2, 6, 5));
    const begun = drain(backlog);
    expect(begun.slice(-3)).toEqual(['1:299', '2:0', '2:1']);
  });
});

describe('a message', () => {
  it('has as many rows as its table, or is one itself', () => {
    expect([rowsOf(fetchOf(1, 5, 5)), rowsOf(headOf(1)), rowsOf(fetchOf(1))]).toEqual([2, 1, 0]);
  });

  it('is a hedge by the flag of its job, and that of a job by its id', () => {
    expect([isHedge(hedgeOf(1, 30)), isHedge(hedgeOf(1, 30), 30), isHedge(hedgeOf(1, 30), 31)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([
      isHedge(fetchOf(1, 5)),
      isHedge(fetchOf(1, 5), 0),
      isHedge(headOf(1)),
      isHedge(headOf(1), 9),
    ]).toEqual([false, false, false, false]);
  });
});
