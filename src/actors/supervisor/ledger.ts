/**
 * Pure core: counts what became of each admitted object, and writes the terminal record.
 *
 * Invariant: planned = delivered + filtered + failed + dropped + left once the stream is over; each object is counted
 * in exactly one of the five.
 */
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import type { MillraceError } from '../../protocol/errors.js';
import type { BatchRecord, Cursor, FailureRecord, TerminalRecord } from './types.js';

const MAX_FAILURES = 100;

export class Ledger {
  planned = 0;
  delivered = 0;
  filtered = 0;
  failed = 0;
  dropped = 0;
  left = 0;
  items = 0;
  bytes = 0;
  retries = 0;
  hedged = 0;
  hedgesWon = 0;
  throttled = 0;
  readonly #verified: Partial<Record<ChecksumAlgorithm, number>> = {};
  listedAll = false;
  readonly #failures: FailureRecord[] = [];
  readonly #stuckWorkers = new Set<string>();
  readonly #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  deliver(batch: BatchRecord): void {
    this.bytes += batch.bytes;
    this.items += batch.items.length;
    for (const { last, verified } of batch.items) {
      if (!last) continue;
      this.delivered += 1;
      if (verified !== null) this.#verify(verified);
    }
  }

  drop(batch: BatchRecord): void {
    this.dropped += ending(batch);
  }

  fail(uri: string, error: MillraceError): void {
    this.failed += 1;
    if (this.#failures.length < MAX_FAILURES) this.#failures.push({ uri, error });
  }

  stuck(worker: string): void {
    this.#stuckWorkers.add(worker);
  }

  /** Objects that are in none of the five yet. */
  get open(): number {
    return this.planned - this.delivered - this.filtered - this.failed - this.dropped - this.left;
  }

  record(reason: string, cursor: Cursor, now: number): TerminalRecord {
    return {
      reason,
      planned: this.planned,
      delivered: this.delivered,
      filtered: this.filtered,
      failed: this.failed,
      dropped: this.dropped,
      left: this.left,
      listed: this.listedAll ? 'complete' : 'partial',
      items: this.items,
      bytes: this.bytes,
      retries: this.retries,
      hedged: this.hedged,
      hedgesWon: this.hedgesWon,
      throttled: this.throttled,
      verified: { ...this.#verified },
      elapsedMs: now - this.#startedAt,
      cursor,
      failures: this.#failures,
      stuckWorkers: [...this.#stuckWorkers],
    };
  }

  #verify(algorithm: ChecksumAlgorithm): void {
    this.#verified[algorithm] = (this.#verified[algorithm] ?? 0) + 1;
  }
}

/** Objects that the batch is the last one of. */
function ending({ items }: BatchRecord): number {
  let count = 0;
  for (const item of items) if (item.last) count += 1;
  return count;
}
