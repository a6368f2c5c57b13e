/**
 * What a worker was sent and has not begun. Its length is bounded by what the supervisor lets a worker be ahead of itself.
 *
 * Invariants:
 * 1. Rows for one origin begin in the order in which they came, but for hedges, which are late already, and what ends an
 *    upload; those for another one, and those that ask nobody for anything, go past them while they are not let in.
 * 2. Nothing waits here for anything but a free slot and its origin: rows whose loader stops are withdrawn in that very turn,
 *    whatever the slots are busy with.
 */
import { endsUpload, type JobMessage } from '../../protocol/messages.js';
import { Job, JobFlag, JOB_STRIDE, type PackedTable } from '../../protocol/tables.js';
import type { Patient } from './origins.js';

/** In place of a store, for rows whose bytes are there already. */
export const NO_ORIGIN = -1;

export interface Pending {
  readonly message: JobMessage;
  /** Rows that are not reported yet. */
  open: number;
}

/** Rows of one message that are for one origin. */
export interface Entry extends Patient {
  readonly pending: Pending;
  readonly store: number;
  /** When it came. */
  readonly cameAtMs: number;
  /** Which message it is of, counted. */
  readonly order: number;
  /** Indexes of the rows; null for all of the message. */
  readonly rows: readonly number[] | null;
  readonly count: number;
  /** How many of them have begun. */
  begun: number;
}

/** What was taken out before it began. */
export interface Withdrawn {
  readonly message: JobMessage;
  readonly store: number;
  readonly patienceMs: number;
  readonly rows: readonly number[];
}

interface Queue {
  readonly store: number;
  readonly patient: boolean;
  entries: Entry[];
}

export class Backlog {
  /** By origin, and by whether they wait while it is closed; none is empty. */
  #queues: Queue[] = [];
  #rows = 0;
  #order = FIRST_ORDER;
  #earlyOrder = FIRST_ORDER - 1;

  /** Rows that have not begun. */
  get rows(): number {
    return this.#rows;
  }

  push(message: JobMessage, patienceMs = 0, cameAtMs = 0, streamSinceMs?: number): void {
    const count = rowsOf(message);
    if (count === 0) return;
    const pending = { message, open: count };
    const order = isEarly(message) ? this.#earlyOrder-- : this.#order++;
    const add = (store: number, rows: readonly number[] | null): void =>
      this.#add({
        pending,
        store,
        patienceMs: store === NO_ORIGIN ? 0 : patienceMs,
        streamSinceMs,
        cameAtMs,
        order,
        rows,
        count: rows?.length ?? count,
        begun: 0,
      });
    this.#rows += count;
    if (message.kind !== 'fetch') return add(message.store, null);
    const store = onlyOrigin(message.table);
    if (store !== null) return add(store, null);
    for (const [each, rows] of rowsByOrigin(message.table)) add(each, rows);
  }

  /** The first that came of those that are let in, its next row to be begun; `enter` is asked once per origin at most. */
  next(enter: (store: number, patient: boolean) => boolean): Entry | null {
    const queues = this.#queues;
    for (let after = -1; ;) {
      let first: Queue | null = null;
      for (const queue of queues) {
        const at = placeOf(queue);
        if (at > after && (first === null || at < placeOf(first))) first = queue;
      }
      if (first === null) return null;
      if (enter(first.store, first.patient)) return first.entries[0]!;
      after = placeOf(first);
    }
  }

  /** The next row of an entry that `next` gave has begun; returns it. */
  begin(entry: Entry): number {
    const row = entry.rows === null ? entry.begun : entry.rows[entry.begun]!;
    entry.begun += 1;
    this.#rows -= 1;
    if (entry.begun === entry.count) {
      const queue = this.#queueOf(entry);
      queue.entries.shift();
      if (queue.entries.length === 0) this.#queues.splice(this.#queues.indexOf(queue), 1);
    }
    return row;
  }

  /** Takes out what has not begun of the entries that `which` describes. */
  withdraw(which: (entry: Entry) => boolean): Withdrawn[] {
    const withdrawn: Withdrawn[] = [];
    for (const queue of this.#queues) {
      const taken = queue.entries.filter(which);
      if (taken.length === 0) continue;
      queue.entries = queue.entries.filter((entry) => !taken.includes(entry));
      for (const entry of taken) {
        const rows = restOf(entry);
        entry.pending.open -= rows.length;
        this.#rows -= rows.length;
        const { pending, store, patienceMs } = entry;
        withdrawn.push({ message: pending.message, store, patienceMs, rows });
      }
    }
    if (withdrawn.length > 0) this.#queues = this.#queues.filter(({ entries }) => entries.length > 0);
    return withdrawn;
  }

  /** Origins for which somebody patient waits. */
  get patientStores(): number[] {
    return this.#queues.filter(({ patient }) => patient).map(({ store }) => store);
  }

  #add(entry: Entry): void {
    const { entries } = this.#queueOf(entry);
    if (entry.order < FIRST_ORDER) entries.unshift(entry);
    else entries.push(entry);
  }

  #queueOf({ store, patienceMs }: Entry): Queue {
    const patient = patienceMs > 0;
    for (const queue of this.#queues) if (queue.store === store && queue.patient === patient) return queue;
    const queue = { store, patient, entries: [] };
    this.#queues.push(queue);
    return queue;
  }
}

/** Whether it is a hedge, that job or any; one is alone in its message. */
export function isHedge(message: JobMessage, job?: number): boolean {
  if (message.kind !== 'fetch') return false;
  const { cells } = message.table;
  return (cells[Job.Flags]! & JobFlag.Hedge) !== 0 && (job === undefined || cells[Job.Id] === job);
}

function isEarly(message: JobMessage): boolean {
  return isHedge(message) || (message.kind === 'write' && endsUpload(message.request));
}

export function rowsOf(message: JobMessage): number {
  return message.kind === 'fetch' ? message.table.count : 1;
}

/** Where in the order of all rows the first of a queue is; two queues never have the same, as a row is in one of them. */
function placeOf({ entries }: Queue): number {
  const entry = entries[0]!;
  const row = entry.rows === null ? entry.begun : entry.rows[entry.begun]!;
  return entry.order * MAX_ROWS + row;
}

/** More rows than a message has. */
const MAX_ROWS = 2 ** 20;
/**
 * Of the first message: what goes before all that waits counts down from here. Times the rows, ten million messages a second
 * fit into a month.
 */
const FIRST_ORDER = 2 ** 31;

function restOf({ rows, begun, count }: Entry): number[] {
  if (rows !== null) return rows.slice(begun);
  return Array.from({ length: count - begun }, (_, i) => begun + i);
}

function originOf(cells: Float64Array, row: number): number {
  const base = row * JOB_STRIDE;
  return (cells[base + Job.Flags]! & JobFlag.Landed) === 0 ? cells[base + Job.Store]! : NO_ORIGIN;
}

/** The origin of all rows, or null where they are for several. */
function onlyOrigin({ cells, count }: PackedTable): number | null {
  const origin = originOf(cells, 0);
  for (let row = 1; row < count; row += 1) if (originOf(cells, row) !== origin) return null;
  return origin;
}

function rowsByOrigin({ cells, count }: PackedTable): Map<number, number[]> {
  const byOrigin = new Map<number, number[]>();
  for (let row = 0; row < count; row += 1) {
    const origin = originOf(cells, row);
    const rows = byOrigin.get(origin);
    if (rows === undefined) byOrigin.set(origin, [row]);
    else rows.push(row);
  }
  return byOrigin;
}
