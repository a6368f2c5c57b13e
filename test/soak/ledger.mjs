/**
 * What was delivered, which errors came, and which promises were broken.
 *
 * What it keeps true: it is as large after an hour as after a minute. Of what is broken it keeps the number and the
 * first few; errors are counted by code.
 */
import { createCheck } from './check.mjs';

const MAX_KEPT = 20;

export class Ledger {
  items = 0;
  bytes = 0;
  retries = 0;
  broken = 0;
  /** The first that were broken. @type {string[]} */
  first = [];
  /** Errors that were meant to come. @type {Map<string, number>} */
  errors = new Map();
  /** Works that ended well, by name. @type {Map<string, number>} */
  works = new Map();
  #look = createCheck();
  #onBroken;

  /** @param {(what: string) => void} [onBroken] is told what is kept, at once */
  constructor(onBroken = () => {}) {
    this.#onBroken = onBroken;
  }

  /** @param {string} what */
  fail(what) {
    this.broken += 1;
    if (this.first.length >= MAX_KEPT) return;
    this.first.push(what);
    this.#onBroken(what);
  }

  /** Looks at bytes that were delivered. @param {string} key @param {Uint8Array} bytes @param {number} size @param {number} [offset] */
  take(key, bytes, size, offset = 0) {
    this.items += 1;
    this.bytes += bytes.length;
    const wrong = this.#look(key, bytes, size, offset);
    if (wrong !== null) this.fail(wrong);
  }

  /** @param {boolean} holds @param {() => string} what is not so where it does not hold */
  expect(holds, what) {
    if (!holds) this.fail(what());
  }

  /** Every planned object is in exactly one column. @param {string} work @param {import('millrace').TerminalRecord | null} record */
  addsUp(work, record) {
    if (record === null) return this.fail(`${work}: there is no terminal record`);
    const { planned, delivered, filtered, failed, dropped, left } = record;
    this.retries += record.retries;
    this.expect(
      planned === delivered + filtered + failed + dropped + left,
      () => `${work}: the record does not add up: ${JSON.stringify(record)}`,
    );
  }

  /** @param {Map<string, number>} counts @param {string} name */
  static count(counts, name, by = 1) {
    counts.set(name, (counts.get(name) ?? 0) + by);
  }
}
