/**
 * Writes one request at a time to a socket: the head, and the body in pieces.
 *
 * Invariants:
 * 1. Head and first piece leave in one write; a request without a body is one write.
 * 2. The next piece is given to the socket only when it has taken the one before: at most one is queued, and a
 *    stalled upload can be told from a slow one.
 * 3. A piece is the smallest, or at most half of what has just gone out without a wait: on a slow link pieces are small.
 */
import type { Socket } from 'node:net';
import type { CoarseClock } from './clock.js';
import { MAX_SLICE_BYTES, MIN_SLICE_BYTES } from './limits.js';

export class Upload {
  /** Whether the socket still has to take some of the body. */
  pending = false;
  private sentBytes = 0;
  /** Bytes in a row of pieces each of which was taken within one tick. */
  private quickBytes = 0;

  constructor(
    private readonly socket: Socket,
    private readonly clock: Pick<CoarseClock, 'nowMs'>,
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
    this.quickBytes = 0;
    socket.cork();
    socket.write(head, 'latin1');
    this.sendSlice(body);
    socket.uncork();
  }

  private sendSlice(body: Uint8Array): void {
    const from = this.sentBytes;
    const sliceBytes = Math.max(MIN_SLICE_BYTES, Math.min(MAX_SLICE_BYTES, this.quickBytes >>> 1));
    const begunMs = this.clock.nowMs;
    this.sentBytes = Math.min(from + sliceBytes, body.length);
    this.socket.write(body.subarray(from, this.sentBytes), (error) => {
      // A broken connection says so by the socket's own event as well.
      if (error !== null && error !== undefined) return;
      this.quickBytes = this.clock.nowMs === begunMs ? this.quickBytes + sliceBytes : 0;
      this.onProgress();
      if (this.sentBytes < body.length) this.sendSlice(body);
      else this.pending = false;
    });
  }
}
