/**
 * What a worker was sent and has not begun, in the order in which it came, but for hedges, which are late already and go
 * first. Its length is bounded by what the supervisor
 * lets a worker be ahead of itself.
 *
 * Nothing waits here for anything but a free slot: rows whose loader stops are withdrawn in that very turn, whatever
 * the slots are busy with.
 */
import type { JobMessage } from '../../protocol/messages.js';
import { Job, JobFlag } from '../../protocol/tables.js';

export interface Pending {
  readonly message: JobMessage;
  /** The first row that has not begun. */
  next: number;
  /** Rows that are not reported yet. */
  open: number;
}

export class Backlog {
  #entries: Pending[] = [];
  #rows = 0;

  /** Rows that have not begun. */
  get rows(): number {
    return this.#rows;
  }

  push(message: JobMessage): void {
    const count = rowsOf(message);
    if (count === 0) return;
    const entry = { message, next: 0, open: count };
    if (isHedge(message)) this.#entries.unshift(entry);
    else this.#entries.push(entry);
    this.#rows += count;
  }

  /** The message whose row `next` is to begin. */
  get head(): Pending | null {
    return this.#entries[0] ?? null;
  }

  /** That row has begun; returns it. */
  begin(): number {
    const entry = this.#entries[0]!;
    const row = entry.next;
    entry.next += 1;
    this.#rows -= 1;
    if (entry.next === rowsOf(entry.message)) this.#entries.shift();
    return row;
  }

  /** Takes out a hedge that has not begun; null when it is not here. */
  withdrawHedge(job: number): JobMessage | null {
    const at = this.#entries.findIndex(({ message }) => isHedge(message) && idOf(message) === job);
    if (at < 0) return null;
    this.#rows -= 1;
    return this.#entries.splice(at, 1)[0]!.message;
  }

  /** Takes out what has not begun of one stream: the messages, each with its first row that has not. */
  withdraw(stream: number): { readonly message: JobMessage; readonly first: number }[] {
    const withdrawn = this.#entries.filter(({ message }) => message.stream === stream);
    if (withdrawn.length === 0) return [];
    this.#entries = this.#entries.filter(({ message }) => message.stream !== stream);
    return withdrawn.map((entry) => {
      const rest = rowsOf(entry.message) - entry.next;
      entry.open -= rest;
      this.#rows -= rest;
      return { message: entry.message, first: entry.next };
    });
  }
}

/** A hedge is alone in its message. */
function isHedge(message: JobMessage): boolean {
  return message.kind === 'fetch' && (message.table.cells[Job.Flags]! & JobFlag.Hedge) !== 0;
}

/** The first of its jobs. */
function idOf(message: JobMessage): number {
  return message.kind === 'fetch' ? message.table.cells[Job.Id]! : message.jobId;
}

export function rowsOf(message: JobMessage): number {
  return message.kind === 'fetch' ? message.table.count : 1;
}
