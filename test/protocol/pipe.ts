/** A pair of channels whose messages arrive when the test says so: cloned and in order, as on a MessagePort. */
import type { Channel } from '../../dist/protocol/port.js';

export interface Pipe {
  readonly sender: Channel;
  readonly receiver: Channel;
  /** Lets everything arrive that was posted, in both directions, and what that causes; returns the messages that came. */
  deliver(): number;
  /** Posted towards the receiver and not arrived. */
  readonly underWay: number;
}

class End implements Channel {
  readonly incoming: unknown[] = [];
  listener: ((message: unknown) => void) | null = null;
  other!: End;

  post(message: unknown, transfer: readonly ArrayBufferLike[] = []): void {
    this.other.incoming.push(structuredClone(message, { transfer: [...transfer] as ArrayBuffer[] }));
  }

  onMessage(fn: (message: unknown) => void): void {
    this.listener = fn;
  }

  takePending(): unknown[] {
    return this.incoming.splice(0);
  }

  close(): void {
    this.incoming.length = 0;
  }

  /** Hands the oldest message over; false when there is none. */
  arrive(): boolean {
    if (this.incoming.length === 0 || this.listener === null) return false;
    this.listener(this.incoming.shift());
    return true;
  }
}

export function createPipe(): Pipe {
  const sender = new End();
  const receiver = new End();
  sender.other = receiver;
  receiver.other = sender;
  return {
    sender,
    receiver,
    deliver: () => {
      let arrived = 0;
      while (receiver.arrive() || sender.arrive()) arrived += 1;
      return arrived;
    },
    get underWay() {
      return receiver.incoming.length;
    },
  };
}

/** Whether a promise has settled by the time that all microtasks and one turn of the event loop have run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise<typeof pending>((resolve) => {
    setImmediate(() => resolve(pending));
  });
  return (await Promise.race([promise, turn])) !== pending;
}
