/**
 * One connection of a client: takes requests out of its bytes, one at a time, and is the link on which a response is
 * delivered.
 *
 * What it keeps true:
 * 1. The next request is looked at only when the answer to the one before has been handed over.
 * 2. Every wait ends when the connection does.
 * 3. Of every head that came, the owner hears what became of it: answered, or abandoned.
 */
import { failure, type Failure } from './failure.js';
import { watchPeer } from './peer.js';
import { createBody, takeHead, type Body, type Request } from './request.js';
import type { OnBody } from './rules.js';
import type { Socket } from 'node:net';

const MAX_WAITING_BYTES = 1_048_576;
const LINGER_MS = 1_000;
const NOTHING: Buffer = Buffer.alloc(0);

/** A request whose body is being read. */
interface Reading {
  readonly request: Request;
  readonly body: Body;
  /** Null once it was met. */
  onBody: OnBody | null;
  /** A 100 has yet to be sent. */
  wantsContinue: boolean;
  whole: boolean;
}

/**
 * Whose connection it is. `arrived` comes with each head; then `answer` with the body in it, or `abandoned` where that
 * never came whole.
 */
export interface Owner {
  /** Says what the request meets while its body is read. */
  arrived(connection: Connection, request: Request): OnBody | null;
  abandoned(connection: Connection, request: Request, bodyBytes: number): void;
  /** Says whether the connection goes on. */
  answer(connection: Connection, request: Request): Promise<boolean>;
  /** Answers what is no request; the connection ends. */
  refuse(connection: Connection, failed: Failure): Promise<void>;
  ended(connection: Connection): void;
  stalled(connection: Connection, begins: boolean): void;
}

export class Connection {
  readonly id: number;
  readonly #socket: Socket;
  readonly #raw: Socket;
  readonly #owner: Owner;
  #bytes: Buffer | null = null;
  #reading: Reading | null = null;
  /** In the middle of a body: reading waits, or has ended by a fault. */
  #held = false;
  /** What else comes is not for reading. */
  #deaf = false;
  #gone = false;
  readonly #waits = new Set<(there: boolean) => void>();
  #release: ((there: boolean) => void) | null = null;
  /** Whether a request is being answered, or none will be any more. */
  #busy = false;
  /** Requests taken so far. */
  taken = 0;

  /**
   * @param socket what carries HTTP
   * @param raw the TCP socket beneath it
   */
  constructor(id: number, socket: Socket, raw: Socket, owner: Owner) {
    this.id = id;
    this.#socket = socket;
    this.#raw = raw;
    this.#owner = owner;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    // What broke shows as 'close'; an error by itself says nothing that matters to an origin.
    socket.on('error', () => {});
    raw.on('error', () => {});
    socket.on('close', () => this.#onClose());
  }

  /** Nothing of a request has come that is not answered yet. */
  get idle(): boolean {
    return !this.#busy && !this.#held && this.#reading === null && this.#bytes === null;
  }

  #onData(chunk: Buffer): void {
    if (this.#deaf) return;
    this.#bytes = this.#bytes === null ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#take();
    if (this.#busy && this.#bytes !== null && this.#bytes.length > MAX_WAITING_BYTES) this.#socket.pause();
  }

  #take(): void {
    while (!this.#gone && !this.#busy && !this.#held) {
      const went = this.#reading === null ? this.#takeHead() : this.#takeBody(this.#reading);
      if (!went) return;
    }
  }

  /** Returns false when there is nothing to go on with yet. */
  #takeHead(): boolean {
    if (this.#bytes === null) return false;
    const taken = takeHead(this.#bytes);
    if (taken.kind === 'more') return false;
    this.taken += 1;
    if (taken.kind === 'bad') {
      this.#refuse(taken.failed);
      return false;
    }
    const { request, used, length, wantsContinue } = taken;
    this.#bytes = this.#bytes.length === used ? null : this.#bytes.subarray(used);
    const onBody = this.#owner.arrived(this, request);
    this.#reading = { request, body: createBody(length), onBody, wantsContinue, whole: false };
    return true;
  }

  /** The same. */
  #takeBody(reading: Reading): boolean {
    const { request, body, onBody } = reading;
    if (!reading.whole) {
      const rest = body.push(this.#bytes ?? NOTHING);
      this.#bytes = typeof rest === 'string' ? null : rest;
      if (rest === 'broken') {
        this.#refuse(failure(400, 'BadRequest', 'The chunked coding of the body is broken.'));
        return false;
      }
      reading.whole = rest !== 'more';
    }
    if (onBody !== null && (onBody.at === 'whole' ? reading.whole : body.received >= onBody.at)) {
      reading.onBody = null;
      this.#act(reading, onBody);
      return true;
    }
    if (reading.whole) {
      request.body = body.bytes();
      this.#answer(request, false);
      return true;
    }
    if (reading.wantsContinue && body.received === 0) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    reading.wantsContinue = false;
    return false;
  }

  #act(reading: Reading, onBody: OnBody): void {
    if (onBody.do === 'answer') return this.#answer(reading.request, true);
    this.#held = true;
    if (onBody.do === 'reset') this.reset();
    else if (onBody.do === 'cut') this.#cut();
    else void this.#stallReading(onBody.ms);
  }

  /** A FIN, though the client may still send: what it sends is read and forgotten. */
  #cut(): void {
    this.#deaf = true;
    this.#abandon();
    this.#linger();
  }

  /** Leaves what comes in the kernel. A socket that is not read does not tell that its peer went, so that is looked up. */
  async #stallReading(ms: number | undefined): Promise<void> {
    this.#socket.pause();
    const unwatch = watchPeer(this.#raw, () => this.destroy());
    const there = await this.stall(ms);
    unwatch();
    if (!there) return;
    this.#held = false;
    this.#socket.resume();
    this.#take();
  }

  /** @param early before its body was read */
  #answer(request: Request, early: boolean): void {
    this.#busy = true;
    this.#deaf = early;
    this.#reading = null;
    void this.#owner.answer(this, request).then((keep) => (early ? this.#linger() : this.#answered(keep)));
  }

  #refuse(failed: Failure): void {
    this.#busy = true;
    this.#deaf = true;
    this.#abandon();
    void this.#owner.refuse(this, failed).then(() => this.#linger());
  }

  #abandon(): void {
    const reading = this.#reading;
    this.#reading = null;
    if (reading !== null) this.#owner.abandoned(this, reading.request, reading.body.received);
  }

  /** Ends while the client may still send: closed at once, the kernel would send a RST, which could overtake an answer. */
  #linger(): void {
    if (this.#gone) return;
    this.#socket.end();
    const timer = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #answered(keep: boolean): void {
    this.#busy = false;
    if (this.#gone) return;
    if (!keep) return this.destroy();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#take();
  }

  #onClose(): void {
    this.#gone = true;
    this.#abandon();
    for (const end of this.#waits) end(false);
    this.#waits.clear();
    this.#owner.ended(this);
  }

  /** A promise of `true` that `begin` settles, or of `false` once the connection is gone. */
  #wait(begin: (end: (there: boolean) => void) => void): Promise<boolean> {
    if (this.#gone) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (there: boolean): void => {
        this.#waits.delete(end);
        resolve(there);
      };
      this.#waits.add(end);
      begin(end);
    });
  }

  /** Resolves when the bytes are with the kernel. */
  write(bytes: Uint8Array | string): Promise<boolean> {
    return this.#wait((end) => this.#socket.write(bytes, 'latin1', (error) => end(!error)));
  }

  async sleep(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const there = await this.#wait((end) => {
      timer = setTimeout(() => end(true), ms);
    });
    clearTimeout(timer);
    return there;
  }

  /** Waits to be released, for at most `ms` where given. */
  async stall(ms: number | undefined): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
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

  release(): void {
    this.#release?.(true);
  }

  /** Ends both directions after what was written. */
  destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
  }

  /** Ends with a RST. */
  reset(): void {
    this.#raw.resetAndDestroy();
    this.#socket.destroy();
  }
}
