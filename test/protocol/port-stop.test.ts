/** A sender that waits for a credit, when its token turns or its port closes. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PORT_WORDS, PortReceiver, PortSender } from '../../dist/protocol/port.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { portChannel } from '../../dist/runtime/threads/channel.js';

let channel: MessageChannel;
let sender: PortSender<number>;
let receiver: PortReceiver<number>;
beforeEach(() => {
  channel = new MessageChannel();
  const words = new Int32Array(new SharedArrayBuffer(PORT_WORDS * 4));
  sender = new PortSender(portChannel(channel.port1), words, 0, 2);
  receiver = new PortReceiver(portChannel(channel.port2), words, 0);
  expect([sender.trySend(1), sender.trySend(2), sender.trySend(3)]).toEqual(['ok', 'ok', 'full']);
});
afterEach(() => channel.port1.close());

describe('a send that waits at a full port', () => {
  it('ends when its token is cancelled, and its message was not sent', async () => {
    const token = new CancellationToken();
    const sending = sender.send(3, token);
    token.cancel();
    expect(await sending).toBe('cancelled');
    expect(receiver.close()).toBe(2);
    const live = new CancellationToken();
    expect([await receiver.receive(live), await receiver.receive(live)]).toEqual([1, 2]);
    expect(await receiver.receive(live)).toBeNull();
  });

  it('goes on through a drain: what is under way is delivered', async () => {
    const token = new CancellationToken();
    const sending = sender.send(3, token);
    token.drain('enough', { deadlineMs: Infinity });
    expect(await receiver.receive(new CancellationToken())).toBe(1);
    expect(await sending).toBe('ok');
  });

  it('ends when the receiver closes the port', async () => {
    const sending = sender.send(3, new CancellationToken());
    receiver.close();
    expect(await sending).toBe('closed');
  });

  it('unlinks itself from a token that lives longer', async () => {
    let linked = 0;
    const token = new (class extends CancellationToken {
      override onStop(fn: () => void): () => void {
        linked += 1;
        const unlink = super.onStop(fn);
        return () => {
          linked -= 1;
          unlink();
        };
      }
    })();
    const sending = sender.send(3, token);
    expect(linked).toBe(1);
    receiver.listen(() => {});
    expect(await sending).toBe('ok');
    expect(linked).toBe(0);
  });

  it('never begins with a token that is cancelled already', async () => {
    const token = new CancellationToken();
    token.cancel();
    expect(await sender.send(3, token)).toBe('cancelled');
    expect(sender.fullCount).toBe(1);
  });
});
