/**
 * One connection of a client: takes requests out of its bytes, one at a time, and is the link on which a response is
 * delivered.
 *
 * What it keeps true:
 * 1. The next request is looked at only when the answer to the one before has been handed over.
 * 2. Every wait ends when the connection does.
 */
import { takeRequest } from './request.mjs';

const MAX_WAITING_BYTES = 1_048_576;

/**
 * @typedef {{
 *   answer(connection: Connection, request: import('./request.mjs').Request): Promise<boolean>,
 *   refuse(connection: Connection, failed: import('./failure.mjs').Failure): Promise<boolean>,
 *   ended(connection: Connection): void, stalled(connection: Connection, begins: boolean): void,
 * }} Owner `answer` and `refuse` say whether the connection goes on
 */
export class Connection {
  #socket;
  #raw;
  #owner;
  /** @type {Buffer | null} */
  #bytes = null;
  #continued = false;
  #gone = false;
  /** @type {Set<(there: boolean) => void>} */
  #waits = new Set();
  /** @type {((there: boolean) => void) | null} */
  #release = null;
  /** Whether a request is being answered. */
  busy = false;
  /** Requests taken so far. */
  taken = 0;

  /**
   * @param {number} id @param {import('node:net').Socket} socket what carries HTTP
   * @param {import('node:net').Socket} raw the TCP socket beneath it @param {Owner} owner
   */
  constructor(id, socket, raw, owner) {
    this.id = id;
    this.#socket = socket;
    this.#raw = raw;
    this.#owner = owner;
    socket.on('data', (chunk) => this.#onData(chunk));
    // What broke shows as 'close'; an error by itself says nothing that matters to an origin.
    socket.on('error', () => {});
    raw.on('error', () => {});
    socket.on('close', () => this.#onClose());
  }

  #onData(chunk) {
    this.#bytes = this.#bytes === null ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (!this.busy) this.#takeNext();
    else if (this.#bytes !== null && this.#bytes.length > MAX_WAITING_BYTES) this.#socket.pause();
  }

  #takeNext() {
    if (this.#bytes === null || this.#gone) return;
    const taken = takeRequest(this.#bytes);
    if (taken.kind === 'more') {
      if (taken.wantsContinue && !this.#continued) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      this.#continued = taken.wantsContinue;
      return;
    }
    this.#continued = false;
    this.busy = true;
    this.taken += 1;
    if (taken.kind === 'request') {
      this.#bytes = taken.used === this.#bytes.length ? null : this.#bytes.subarray(taken.used);
      void this.#owner.answer(this, taken.request).then((keep) => this.#answered(keep));
    } else {
      this.#bytes = null;
      void this.#owner.refuse(this, taken.failed).then(() => this.#answered(false));
    }
  }

  #answered(keep) {
    this.busy = false;
    if (this.#gone) return;
    if (!keep) return this.destroy();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#takeNext();
  }

  #onClose() {
    this.#gone = true;
    for (const end of this.#waits) end(false);
    this.#waits.clear();
    this.#owner.ended(this);
  }

  /** A promise of `true` that `begin` settles, or of `false` once the connection is gone. */
  #wait(begin) {
    if (this.#gone) return Promise.resolve(false);
    return /** @type {Promise<boolean>} */ (
      new Promise((resolve) => {
        const end = (/** @type {boolean} */ there) => {
          this.#waits.delete(end);
          resolve(there);
        };
        this.#waits.add(end);
        begin(end);
      })
    );
  }

  /** Resolves when the bytes are with the kernel. @param {Uint8Array | string} bytes */
  write(bytes) {
    return this.#wait((end) => this.#socket.write(bytes, 'latin1', (error) => end(!error)));
  }

  /** @param {number} ms */
  async sleep(ms) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const there = await this.#wait((end) => {
      timer = setTimeout(() => end(true), ms);
    });
    clearTimeout(timer);
    return there;
  }

  /** Waits to be released, for at most `ms` where given. @param {number | undefined} ms */
  async stall(ms) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const ended = this.#wait((end) => {
      this.#release = end;
      if (ms !== undefined) timer = setTimeout(() => end(true), ms);
    });
    this.#owner.stalled(this, true);
    const there = await ended;
    clearTimeout(timer);
    this.#release = null;
    this.#owner.stalled(this, false);
    return there;
  }

  release() {
    this.#release?.(true);
  }

  /** Ends both directions after what was written. */
  destroy() {
    this.#socket.destroy();
    this.#raw.destroy();
  }

  /** Ends with a RST. */
  reset() {
    this.#raw.resetAndDestroy();
    this.#socket.destroy();
  }
}
