/**
 * Waits until a server has taken in what clients have sent.
 *
 * One connection may be accepted in a turn of the event loop, so many may wait for that with their requests in them, be they
 * given up by now. They are accepted in the order in which they came about: one that is made now comes behind them all.
 */
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of the event loop: one reads what was accepted, and TLS takes two more round trips of a client that may be gone already. */
const TURNS_TO_READ = 4;

export class Fence {
  /** Connections that it makes to its own server, and what waits for each to be accepted. */
  readonly #made = new Map<Socket, () => void>();

  /** Whether that one was made here. It is ended then, and not counted. */
  takes(accepted: Socket): boolean {
    for (const [own, pass] of this.#made) {
      if (own.localPort !== accepted.remotePort) continue;
      accepted.destroy();
      pass();
      return true;
    }
    return false;
  }

  /** Resolves when everything was read that clients have sent by now. */
  async passed(port: number): Promise<void> {
    const own = connect({ port, host: '127.0.0.1' });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#made.set(own, resolve);
        own.on('error', reject);
      });
    } finally {
      this.#made.delete(own);
      own.destroy();
    }
    for (let turn = 0; turn < TURNS_TO_READ; turn += 1) await nextTurn();
  }
}
