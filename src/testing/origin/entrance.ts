/**
 * What may happen to a connection before HTTP: it is left waiting unread, or its TLS handshake drips.
 *
 * What it keeps true: a wait ends when it is released, when its time is over, or when the client leaves.
 */
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { watchPeer } from './peer.js';
import type { Socket } from 'node:net';
import type { Drip } from './rules.js';

/** A connection that the kernel has accepted and nobody reads. */
export class Unread {
  readonly #raw: Socket;
  #end: (there: boolean) => void = () => {};
  /** What has come is not known. */
  readonly idle = false;

  constructor(raw: Socket) {
    this.#raw = raw;
    // Not paused: a socket without a reader holds back by itself, and one that is paused would have to be resumed.
    raw.on('error', () => {});
  }

  /** Whether the client is still there. @param ms for ever without */
  async wait(ms: number | undefined): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<boolean>((resolve) => {
      this.#end = resolve;
      this.#raw.once('close', () => resolve(false));
      if (ms !== undefined) timer = setTimeout(resolve, ms, true);
    });
    const unwatch = watchPeer(this.#raw, () => this.destroy());
    const there = await over;
    clearTimeout(timer);
    unwatch();
    return there;
  }

  release(): void {
    this.#end(true);
  }

  destroy(): void {
    this.#raw.destroy();
  }

  reset(): void {
    this.#raw.resetAndDestroy();
  }
}

/** A socket as a stream whose bytes to the client go out in pieces until `flow` is called. */
export function dripping(
  raw: Socket,
  { bytes, everyMs }: Omit<Drip, 'of'>,
): { stream: Duplex; flow: () => void } {
  let drips = true;
  const send = async (chunk: Buffer, sent: () => void): Promise<void> => {
    for (let at = 0; at < chunk.length && !raw.destroyed;) {
      const piece = chunk.subarray(at, drips ? at + bytes : undefined);
      raw.write(piece);
      at += piece.length;
      if (drips) await (everyMs === 0 ? nextTurn() : sleep(everyMs));
    }
    sent();
  };
  const stream = new Duplex({
    read: () => void raw.resume(),
    write: (chunk: Buffer, _encoding, done) => void send(chunk, done),
    final: (done) => void raw.end(() => done()),
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) raw.pause();
  });
  raw.on('end', () => stream.push(null));
  raw.on('close', () => stream.destroy());
  stream.on('error', () => {});
  return {
    stream,
    flow: () => {
      drips = false;
    },
  };
}
