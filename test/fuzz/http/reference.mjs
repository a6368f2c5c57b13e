/**
 * The parser of Node's own HTTP client (llhttp, strict), driven without a socket as `node:http` drives it.
 *
 * Two of Node's rules are about requests and not about answers, and are given to it from outside: an answer to HEAD has no
 * body, and an interim answer is passed over.
 */
import { createRequire } from 'node:module';

// Not a public module, and the only way to the parser: a socket for each input would be a thousand times slower.
const { HTTPParser } = createRequire(import.meta.url)('node:_http_common');

const MAX_HEADER_BYTES = 16 * 1024;

export class Reference {
  /** Status of the final answer, 0 before its head is complete. */
  status = 0;
  /** Names and values in turn, of the head. @type {string[]} */
  headers = [];
  keepAlive = false;
  complete = false;
  /** Why it refused, or null. @type {string | null} */
  refusal = null;
  bodyLength = 0;
  /** @type {Buffer} */
  body = Buffer.alloc(128 * 1024);
  interim = 0;
  switched = false;
  #parser = new HTTPParser();
  #isHead = false;
  /** @type {string[]} */
  #early = [];

  constructor() {
    const parser = this.#parser;
    parser[HTTPParser.kOnHeaders] = (/** @type {string[]} */ headers) => {
      if (this.status === 0) this.#early.push(...headers);
    };
    parser[HTTPParser.kOnHeadersComplete] = (
      /** @type {number} */ _major,
      /** @type {number} */ _minor,
      /** @type {string[] | undefined} */ headers,
      /** @type {unknown} */ _method,
      /** @type {unknown} */ _url,
      /** @type {number} */ status,
      /** @type {unknown} */ _message,
      /** @type {boolean} */ upgrade,
      /** @type {boolean} */ keepAlive,
    ) => {
      if (this.complete) return 0;
      if (upgrade || status === 101) this.switched = true;
      if (status < 200) {
        this.#early = [];
        this.interim += 1;
        return 1;
      }
      this.status = status;
      this.headers = headers === undefined ? this.#early : [...this.#early, ...headers];
      this.keepAlive = keepAlive;
      return this.#isHead ? 1 : 0;
    };
    parser[HTTPParser.kOnBody] = (/** @type {Buffer} */ piece) => {
      if (this.complete) return;
      piece.copy(this.body, this.bodyLength);
      this.bodyLength += piece.length;
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      if (this.status !== 0) this.complete = true;
    };
  }

  /** @param {boolean} isHead whether the request was a HEAD */
  begin(isHead) {
    this.status = 0;
    this.headers = [];
    this.keepAlive = false;
    this.complete = false;
    this.refusal = null;
    this.bodyLength = 0;
    this.interim = 0;
    this.switched = false;
    this.#isHead = isHead;
    this.#early = [];
    this.#parser.initialize(HTTPParser.RESPONSE, {}, MAX_HEADER_BYTES, HTTPParser.kLenientNone);
  }

  /** @param {Buffer} bytes */
  feed(bytes) {
    if (this.refusal !== null || bytes.length === 0) return;
    const result = this.#parser.execute(bytes);
    // What follows a message that is complete is no part of it.
    if (result instanceof Error && !this.complete)
      this.refusal = /** @type {any} */ (result).reason ?? result.message;
  }

  /** The connection has ended. */
  end() {
    if (this.refusal !== null) return;
    const result = this.#parser.finish();
    if (result instanceof Error && !this.complete)
      this.refusal = /** @type {any} */ (result).reason ?? result.message;
  }
}
