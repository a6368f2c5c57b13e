import { describe, expect, it } from 'vitest';
import {
  Done,
  DONE_STRIDE,
  Job,
  JOB_STRIDE,
  type PackedTable,
  TableBuilder,
  tableTransfer,
} from '../../dist/protocol/tables.js';
import { mix32, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';

/** A cell that tells its row and column, beyond 32 bits. */
const cell = (row: number, column: number): number => (mix32(row * 64 + column) >>> 0) * 2 ** 20 + row;
/** Not UTF-8, of a length of its own, and unlike any other row's. */
const key = (row: number): Uint8Array =>
  Uint8Array.of(0xff, 0x00, ...patternBytes(objectIdOf(`row ${row}`), row % 13));

function add(builder: TableBuilder, row: number, stride: number): void {
  const base = builder.addRow();
  const bytes = key(row);
  for (let column = 0; column < stride; column += 1) builder.set(base + column, cell(row, column));
  builder.set(base + Job.BlobStart, builder.addBytes(bytes));
  builder.set(base + Job.KeyLength, bytes.length);
}

function expectRows(table: PackedTable, rows: readonly number[], stride: number): void {
  expect(table.count).toBe(rows.length);
  expect(table.cells).toHaveLength(rows.length * stride);
  for (const [i, row] of rows.entries()) {
    for (let column = 0; column < stride; column += 1) {
      if (column === Job.BlobStart || column === Job.KeyLength) continue;
      expect(table.cells[i * stride + column]).toBe(cell(row, column));
    }
    const start = table.cells[i * stride + Job.BlobStart]!;
    const length = table.cells[i * stride + Job.KeyLength]!;
    expect(table.blob.subarray(start, start + length)).toEqual(key(row));
  }
}

describe('the columns', () => {
  it.each([
    ['jobs', Job, JOB_STRIDE],
    ['results', Done, DONE_STRIDE],
  ])('of %s are each within the row and its own', (_name, columns, stride) => {
    const indexes: number[] = Object.values(columns);
    expect(indexes.sort((a, b) => a - b)).toEqual(Array.from({ length: stride }, (_, i) => i));
  });
});

describe('TableBuilder', () => {
  it('keeps every row and every byte while it grows far beyond its first size', () => {
    const builder = new TableBuilder(JOB_STRIDE, 1, 1);
    const rows = Array.from({ length: 500 }, (_, row) => row);
    for (const row of rows) add(builder, row, JOB_STRIDE);
    expect(builder.count).toBe(500);
    expectRows(builder.take(), rows, JOB_STRIDE);
  });

  it('takes one blob that is larger than twice what it has', () => {
    const builder = new TableBuilder(JOB_STRIDE, 1, 8);
    const head = Uint8Array.of(1, 2, 3);
    const large = patternBytes(objectIdOf('large'), 5000);
    expect([builder.addBytes(head), builder.addBytes(large), builder.addBytes(head)]).toEqual([0, 3, 5003]);
    const { blob } = builder.take();
    expect(blob).toHaveLength(5006);
    expect(Buffer.compare(blob, Buffer.concat([head, large, head]))).toBe(0);
  });

  it('begins anew after take, and leaves the table that it gave away alone', () => {
    const builder = new TableBuilder(JOB_STRIDE, 2, 4);
    for (const row of [1, 2, 3]) add(builder, row, JOB_STRIDE);
    const first = builder.take();
    expect(builder.count).toBe(0);
    for (const row of [7, 8]) add(builder, row, JOB_STRIDE);
    const second = builder.take();
    expectRows(first, [1, 2, 3], JOB_STRIDE);
    expectRows(second, [7, 8], JOB_STRIDE);
    expect(builder.take()).toMatchObject({ count: 0 });
  });

  it('gives rows of zeros where an earlier table had figures', () => {
    const builder = new TableBuilder(JOB_STRIDE, 4);
    for (const row of [1, 2, 3, 4]) add(builder, row, JOB_STRIDE);
    builder.take();
    for (let row = 0; row < 4; row += 1) builder.set(builder.addRow() + Job.Id, row);
    const expected = new Float64Array(4 * JOB_STRIDE);
    for (let row = 0; row < 4; row += 1) expected[row * JOB_STRIDE + Job.Id] = row;
    expect(builder.take().cells).toEqual(expected);
  });

  it('appends text as UTF-8 behind what is there, whatever it takes', () => {
    const builder = new TableBuilder(JOB_STRIDE, 1, 4);
    const texts = ['key', 'caf\u00e9', '\u20ac'.repeat(2000), '', '\u{1f600}'];
    expect(builder.addBytes(Uint8Array.of(255))).toBe(0);
    let end = 1;
    for (const text of texts) {
      expect(builder.addText(text)).toBe(end);
      end += Buffer.byteLength(text);
      expect(builder.blobLength).toBe(end);
    }
    const { blob } = builder.take();
    expect(Buffer.compare(blob, Buffer.concat([Uint8Array.of(255), Buffer.from(texts.join(''))]))).toBe(0);
    expect(builder.blobLength).toBe(0);
  });

  it('arrives whole when its two buffers are transferred, which empties the sender', () => {
    const builder = new TableBuilder(JOB_STRIDE, 2, 16);
    for (const row of [1, 2, 3]) add(builder, row, JOB_STRIDE);
    const table = builder.take();
    const arrived = structuredClone(table, { transfer: tableTransfer(table) });
    expectRows(arrived, [1, 2, 3], JOB_STRIDE);
    expect([table.cells.byteLength, table.blob.byteLength]).toEqual([0, 0]);
    add(builder, 4, JOB_STRIDE);
    expectRows(builder.take(), [4], JOB_STRIDE);
  });
});
