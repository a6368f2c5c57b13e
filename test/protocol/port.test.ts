import { describe, expect, it } from 'vitest';
import { PORT_WORDS, PortReceiver, PortSender } from '../../dist/protocol/port.js';
import { NEVER } from '../../dist/protocol/stop.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { createPipe, isSettled, type Pipe } from './pipe.js';

interface Ends extends Pipe {
  readonly from: PortSender<number>;
  readonly to: PortReceiver<number>;
}

/** The words of the port lie behind others, which it must leave alone. */
function createPort(capacity: number): Ends {
  const words = new Int32Array(new SharedArrayBuffer(4 * (PORT_WORDS + 2)));
  words[0] = 77;
  words[PORT_WORDS + 1] = 77;
  const pipe = createPipe();
  return {
    ...pipe,
    get underWay() {
      expect([words[0], words[PORT_WORDS + 1]]).toEqual([77, 77]);
      return pipe.underWay;
    },
    from: new PortSender(pipe.sender, words, 1, capacity),
    to: new PortReceiver(pipe.receiver, words, 1),
  };
}

describe('a bounded port', () => {
  it('says ok up to its capacity, then full, and counts each refusal', () => {
    const port = createPort(3);
    const said = Array.from({ length: 6 }, (_, i) => port.from.trySend(i));
    expect(said).toEqual(['ok', 'ok', 'ok', 'full', 'full', 'full']);
    expect(port.underWay).toBe(3);
    expect(port.from.fullCount).toBe(3);
    expect(port.from.credits).toBe(0);
  });

  it('gives a credit back when the message is taken, not when it arrives', () => {
    const port = createPort(2);
    port.from.trySend(1);
    port.from.trySend(2);
    port.deliver();
    expect(port.from.trySend(3)).toBe('full');
    expect(port.to.tryReceive()).toBe(1);
    expect(port.from.credits).toBe(1);
    expect(port.from.trySend(3)).toBe('ok');
    expect(port.from.trySend(4)).toBe('full');
  });

  it('gives a listened message its credit back only after the listener returned', () => {
    const port = createPort(1);
    const seen: [number, string][] = [];
    port.to.listen((message) => seen.push([message, port.from.trySend(message + 1)]));
    port.from.trySend(10);
    port.deliver();
    expect(seen).toEqual([[10, 'full']]);
    expect(port.from.trySend(11)).toBe('ok');
  });

  it('hands a listener what came before it was there, in order', () => {
    const port = createPort(4);
    for (const message of [1, 2, 3]) port.from.trySend(message);
    port.deliver();
    const seen: number[] = [];
    port.to.listen((message) => seen.push(message));
    port.from.trySend(4);
    port.deliver();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(port.from.credits).toBe(4);
  });

  it('takes no credit for a message that cannot be cloned', () => {
    const port = createPort(1);
    expect(() => port.from.trySend((() => {}) as never)).toThrow('could not be cloned');
    expect(port.from.credits).toBe(1);
  });

  it.each(['receive', 'takePending'] as const)(
    'that is closed while a message turns out not to be cloneable gives %s none',
    async (how) => {
      const port = createPort(2);
      let counted = 0;
      const message = {
        get torn() {
          counted = port.to.close();
          return () => {};
        },
      };
      expect(() => port.from.trySend(message as never)).toThrow('could not be cloned');
      expect(counted).toBe(1);
      if (how === 'takePending') return expect(port.to.takePending()).toEqual([]);
      const receiving = port.to.receive(NEVER);
      port.deliver();
      expect(await receiving).toBeNull();
    },
  );

  it('keeps the order, whatever was full in between', async () => {
    const port = createPort(2);
    const sends = Array.from({ length: 50 }, (_, i) => i);
    const sending = (async () => {
      for (const message of sends) expect(await port.from.send(message, NEVER)).toBe('ok');
    })();
    const seen: number[] = [];
    for (let turn = 0; turn < 500 && seen.length < sends.length; turn += 1) {
      port.deliver();
      const message = port.to.tryReceive();
      if (message === null) await isSettled(sending);
      else seen.push(message);
    }
    expect(seen).toEqual(sends);
    await sending;
  });
});

describe('send', () => {
  it('waits while the port is full, and goes on with the credit of a taken message', async () => {
    const port = createPort(1);
    port.from.trySend(1);
    const second = port.from.send(2, NEVER);
    expect(await isSettled(second)).toBe(false);
    expect(port.underWay).toBe(1);
    port.deliver();
    expect(await isSettled(second)).toBe(false);
    expect(port.to.tryReceive()).toBe(1);
    port.deliver();
    expect(await second).toBe('ok');
    port.deliver();
    expect(port.to.tryReceive()).toBe(2);
  });

  it('ends at once with its token while the port stays full, and did not send', async () => {
    const port = createPort(1);
    const token = new CancellationToken();
    port.from.trySend(1);
    const waiting = port.from.send(2, token);
    expect(await isSettled(waiting)).toBe(false);
    token.cancel();
    expect(await waiting).toBe('cancelled');
    expect(port.underWay).toBe(1);
    expect(await port.from.send(3, token)).toBe('cancelled');
    expect(port.underWay).toBe(1);
  });

  it('goes on waiting while its token only drains', async () => {
    const port = createPort(1);
    const token = new CancellationToken();
    port.from.trySend(1);
    const waiting = port.from.send(2, token);
    token.drain();
    expect(await isSettled(waiting)).toBe(false);
    token.cancel();
    expect(await waiting).toBe('cancelled');
  });

  it.each(['sender', 'receiver'] as const)('ends when the %s closes the port', async (side) => {
    const port = createPort(1);
    port.from.trySend(1);
    const waiting = port.from.send(2, NEVER);
    if (side === 'sender') port.from.close();
    else port.to.close();
    port.deliver();
    expect(await waiting).toBe('closed');
  });

  it('leaves nothing on the token when it has ended', async () => {
    const port = createPort(1);
    let linked = 0;
    const stop = {
      state: 0 as const,
      onStop: () => {
        linked += 1;
        return () => {
          linked -= 1;
        };
      },
    };
    port.from.trySend(1);
    const waiting = port.from.send(2, stop);
    expect(linked).toBe(1);
    port.deliver();
    port.to.tryReceive();
    port.deliver();
    expect(await waiting).toBe('ok');
    expect(linked).toBe(0);
  });
});

describe('close', () => {
  it('tells the sender how many were not taken yet, once', () => {
    const port = createPort(8);
    for (const message of [1, 2, 3, 4]) port.from.trySend(message);
    port.deliver();
    port.to.tryReceive();
    expect(port.from.close()).toBe(3);
    expect(port.from.close()).toBe(0);
    expect(port.from.trySend(5)).toBe('closed');
    expect(port.from.credits).toBe(0);
    expect([port.to.tryReceive(), port.to.tryReceive(), port.to.tryReceive()]).toEqual([2, 3, 4]);
  });

  it('refuses first, gives what is still on its way, and then null', async () => {
    const port = createPort(8);
    for (const message of [1, 2, 3]) port.from.trySend(message);
    expect(port.to.close()).toBe(3);
    expect(port.from.trySend(4)).toBe('closed');
    const first = port.to.receive(NEVER);
    expect(await isSettled(first)).toBe(false);
    port.deliver();
    expect(await first).toBe(1);
    expect([await port.to.receive(NEVER), await port.to.receive(NEVER)]).toEqual([2, 3]);
    expect(await port.to.receive(NEVER)).toBeNull();
  });

  it('does not end a receive that waits for what is still on its way', async () => {
    const port = createPort(8);
    const waiting = port.to.receive(NEVER);
    port.from.trySend(1);
    expect(port.to.close()).toBe(1);
    expect(await isSettled(waiting)).toBe(false);
    port.deliver();
    expect(await waiting).toBe(1);
    expect(await port.to.receive(NEVER)).toBeNull();
  });

  it("after the sender's own gives what has arrived, and then null", async () => {
    const port = createPort(8);
    port.from.trySend(1);
    port.deliver();
    port.from.close();
    expect(port.to.close()).toBe(0);
    expect(await port.to.receive(NEVER)).toBe(1);
    expect(await port.to.receive(NEVER)).toBeNull();
  });

  it('counts what had arrived and what had not', async () => {
    const port = createPort(8);
    port.from.trySend(1);
    port.deliver();
    port.from.trySend(2);
    expect(port.to.close()).toBe(2);
    expect(await port.to.receive(NEVER)).toBe(1);
    const last = port.to.receive(NEVER);
    expect(await isSettled(last)).toBe(false);
    port.deliver();
    expect(await last).toBe(2);
    expect(await port.to.receive(NEVER)).toBeNull();
  });

  it('a second time forgets nothing that is still on its way', async () => {
    const port = createPort(8);
    port.from.trySend(1);
    expect(port.to.close()).toBe(1);
    expect(port.to.close()).toBe(0);
    const last = port.to.receive(NEVER);
    port.deliver();
    expect(await last).toBe(1);
    expect(await port.to.receive(NEVER)).toBeNull();
  });

  it('ends a receive that waits when nothing is on its way', async () => {
    const port = createPort(1);
    const waiting = port.to.receive(NEVER);
    port.to.close();
    expect(await waiting).toBeNull();
  });

  it('stays closed however many credits come back late', () => {
    const port = createPort(4);
    for (const message of [1, 2, 3, 4]) port.from.trySend(message);
    port.deliver();
    port.from.close();
    while (port.to.tryReceive() !== null);
    expect(port.from.trySend(5)).toBe('closed');
  });
});

describe('receive', () => {
  it('ends with its token, or with a poke, and loses no message by it', async () => {
    const port = createPort(2);
    const token = new CancellationToken();
    const poked = port.to.receive(token);
    port.to.poke();
    expect(await poked).toBeNull();
    const cancelled = port.to.receive(token);
    token.cancel();
    expect(await cancelled).toBeNull();
    port.from.trySend(1);
    port.deliver();
    expect(await port.to.receive(token)).toBe(1);
  });
});

describe('a receive under a token that is cancelled', () => {
  it('gives what is there, and otherwise nothing at once', async () => {
    const port = createPort(2);
    const token = new CancellationToken();
    token.cancel();
    port.from.trySend(1);
    port.deliver();
    expect(await port.to.receive(token)).toBe(1);
    expect(await port.to.receive(token)).toBeNull();
  });
});

describe('a credit', () => {
  it('is told to the other side only where a sender waits for it', async () => {
    const port = createPort(1);
    let told = 0;
    const post = port.receiver.post.bind(port.receiver);
    port.receiver.post = (message) => {
      told += 1;
      post(message);
    };
    for (const message of [1, 2, 3]) {
      port.from.trySend(message);
      port.deliver();
      port.to.tryReceive();
    }
    expect(told).toBe(0);
    port.from.trySend(4);
    const waiting = port.from.send(5, NEVER);
    port.deliver();
    port.to.tryReceive();
    expect(told).toBe(1);
    port.deliver();
    expect(await waiting).toBe('ok');
  });
});

describe('takePending', () => {
  it('gives what a dead sender had posted, arrived or not, in order, and closes the port', () => {
    const port = createPort(4);
    port.from.trySend(1);
    port.deliver();
    port.from.trySend(2);
    port.from.trySend(3);
    expect(port.to.takePending()).toEqual([1, 2, 3]);
    expect(port.to.takePending()).toEqual([]);
    expect(port.from.trySend(4)).toBe('closed');
  });
});
