/**
 * Collects results and sends many in one message.
 *
 * Invariants:
 * 1. A row that was added is sent exactly once, or the port was closed by the supervisor.
 * 2. One flush at a time; rows that are added while the port is full go with the next message, so what waits here is
 *    bounded by the jobs the worker holds.
 */
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import {
  ErrorCode,
  MillraceError,
  asMillraceError,
  messageOf,
  type WireError,
} from '../../protocol/errors.js';
import type { DoneMessage, Output, ResultMessage } from '../../protocol/messages.js';
import type { PortSender } from '../../protocol/port.js';
import { NEVER } from '../../protocol/stop.js';
import {
  CHECKSUMS,
  Done,
  DONE_STRIDE,
  DoneStatus,
  TableBuilder,
  tableTransfer,
} from '../../protocol/tables.js';

/** One finished job. */
export interface Result {
  readonly id: number;
  readonly status: DoneStatus;
  readonly landed: number;
  readonly size: number;
  readonly version: string | null;
  readonly retries: number;
  /** Answers that told it to slow down. */
  readonly throttled: number;
  readonly error: MillraceError | null;
  readonly outputs: readonly Output[] | null;
  readonly verified: ChecksumAlgorithm | null;
}

/** The result of a row that was not begun, but for its id and status. */
export const NOTHING_DONE = {
  landed: 0,
  size: -1,
  version: null,
  retries: 0,
  throttled: 0,
  error: null,
  outputs: null,
  verified: null,
};

/** Rows that are sent without waiting for the rest of their message. */
const ROWS_PER_MESSAGE = 64;

export class Reporter {
  readonly #port: PortSender<ResultMessage>;
  readonly #table = new TableBuilder(DONE_STRIDE);
  #errors: (readonly [number, WireError])[] = [];
  #outputs: (readonly [number, readonly Output[]])[] = [];
  #flushing: Promise<void> | null = null;
  /** Rows sent, by whether their object came. */
  delivered = 0;
  left = 0;

  constructor(port: PortSender<ResultMessage>) {
    this.#port = port;
  }

  get waiting(): number {
    return this.#table.count;
  }

  add(result: Result): void {
    const row = this.#table.count;
    const base = this.#table.addRow();
    this.#table.set(base + Done.Id, result.id);
    this.#table.set(base + Done.Status, result.status);
    this.#table.set(base + Done.Landed, result.landed);
    this.#table.set(base + Done.Size, result.size);
    this.#table.set(base + Done.Retries, result.retries);
    this.#table.set(base + Done.Throttled, result.throttled);
    if (result.verified !== null)
      this.#table.set(base + Done.Verified, CHECKSUMS.indexOf(result.verified) + 1);
    if (result.version !== null) {
      const start = this.#table.addText(result.version);
      this.#table.set(base + Done.BlobStart, start);
      this.#table.set(base + Done.VersionLength, this.#table.blobLength - start);
    }
    if (result.error !== null) this.#errors.push([row, result.error.toWire()]);
    if (result.outputs !== null) this.#outputs.push([row, result.outputs]);
    if (result.status === DoneStatus.Ok) this.delivered += 1;
    else if (result.status !== DoneStatus.Failed) this.left += 1;
    if (this.#table.count >= ROWS_PER_MESSAGE) void this.flush();
  }

  /** Sends what is collected. Resolves when everything that was there is on its way. Never rejects. */
  flush(): Promise<void> {
    if (this.#flushing === null && this.#table.count > 0) this.#flushing = this.#flush();
    return this.#flushing ?? Promise.resolve();
  }

  /** Sends a message that stands alone (a listing page, an answer to a head). */
  async send(message: ResultMessage): Promise<void> {
    // Wait ends: with a credit, or when the supervisor closes the port.
    await this.#port.send(message, NEVER);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#table.count > 0) {
        const message: DoneMessage = {
          kind: 'done',
          table: this.#table.take(),
          errors: this.#errors,
          outputs: this.#outputs,
        };
        this.#errors = [];
        this.#outputs = [];
        // The supervisor frees its credits for as long as it lives, and closes the port when it ends: this wait is over
        // in either case, and giving it up with a token would lose what the rows report.
        await this.#sendCloneable(message);
      }
    } finally {
      // In the very turn of the last look at the table: a flush that is asked for later must look again.
      this.#flushing = null;
    }
  }

  /** A value that cannot be cloned makes its own item fail, not the message. */
  async #sendCloneable(message: DoneMessage): Promise<void> {
    try {
      // Wait ends: with a credit, or when the supervisor closes the port.
      await this.#port.send(message, NEVER, transferOf(message));
    } catch (thrown) {
      const errors = [...message.errors];
      const outputs: (readonly [number, readonly Output[]])[] = [];
      const faults = message.outputs.map(([, made]) => cloneFault(made));
      // Some values can be cloned and not sent (an ArrayBuffer that cannot be detached): then it may be any of them.
      const anybody = faults.every((fault) => fault === null);
      for (const [i, [row, made]] of message.outputs.entries()) {
        const fault = anybody && hasValue(made) ? notSent(thrown) : faults[i]!;
        if (fault === null) {
          outputs.push([row, made]);
          continue;
        }
        message.table.cells[row * DONE_STRIDE + Done.Status] = DoneStatus.Failed;
        errors.push([row, fault.toWire()]);
      }
      if (errors.length === message.errors.length) throw asMillraceError(thrown, ErrorCode.Internal);
      const repaired = { ...message, errors, outputs };
      // Wait ends: as above.
      await this.#port.send(repaired, NEVER, transferOf(repaired));
    }
  }
}

function transferOf(message: DoneMessage): ArrayBuffer[] {
  const transfer = tableTransfer(message.table);
  for (const [, outputs] of message.outputs) {
    for (const output of outputs) if (output.kind === 'bytes') transfer.push(output.bytes.buffer);
  }
  return transfer;
}

function hasValue(outputs: readonly Output[]): boolean {
  return outputs.some(({ kind }) => kind === 'value');
}

function cloneFault(outputs: readonly Output[]): MillraceError | null {
  for (const output of outputs) {
    if (output.kind !== 'value') continue;
    try {
      structuredClone(output.value);
    } catch (thrown) {
      return notSent(thrown);
    }
  }
  return null;
}

function notSent(thrown: unknown): MillraceError {
  const why = messageOf(thrown);
  return new MillraceError(
    ErrorCode.TransformFailed,
    `the transform returned a value that cannot be sent between threads: ${why}. Return bytes, plain data, or null`,
    { phase: 'transform', cause: thrown },
  );
}
