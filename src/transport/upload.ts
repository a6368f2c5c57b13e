/**
 * Writes one request at a time to a socket: the head, and the body in pieces.
 *
 * Invariants:
 * 1. Head and first piece leave in one write; a request without a body is one write.
 * 2. The next piece is given to the socket only when it has taken the one before: at most one is queued, and a
 *    stalled upload can be told from a slow one.
 */
import type { Socket } from 'node:net';
import { BODY_SLICE_BYTES } from './limits.js';

export class Upload {
  /** Whether the socket still has to take some of the body. */
  pending = false;
  private sentBytes = 0;

  constructor(
    private readonly socket: Socket,
    private readonly onProgress: () => void,
  ) {}

  send(head: string, body: Uint8Array | null): void {
    const { socket } = this;
    if (body === null || body.length === 0) {
      socket.write(head, 'latin1');
      return;
    }
    this.pending = true;
    this.sentBytes = 0;
    socket.cork();
    socket.write(head, 'latin1');
    this.sendSlice(body);
    socket.uncork();
  }

  private sendSlice(body: Uint8Array): void {
    const from = this.sentBytes;
    this.sentBytes = Math.min(from + BODY_SLICE_BYTES, body.length);
    this.socket.write(body.subarray(from, this.sentBytes), (error) => {
      // A broken connection says so by the socket's own event as well.
      if (error !== null && error !== undefined) return;
      this.onProgress();
      if (this.sentBytes < body.length) this.sendSlice(body);
      else this.pending = false;
    });
  }
}
