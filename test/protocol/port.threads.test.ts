import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PORT_WORDS, PortReceiver } from '../../dist/protocol/port.js';
import { NEVER } from '../../dist/protocol/stop.js';
import { portChannel } from '../../dist/runtime/threads/channel.js';

const CAPACITY = 4;

/** Sends 0, 1, 2, ... as fast as the port takes them until it is closed, and then tells how many were sent. */
const SENDER = `
const { parentPort, workerData } = require('node:worker_threads');
const loaded = Promise.all([import(workerData.port), import(workerData.channel), import(workerData.stop)]);
parentPort.on('message', async (task) => {
  if (task === null) return parentPort.close();
  const { port, words } = task;
  const [{ PortSender }, { portChannel }, { NEVER }] = await loaded;
  const sender = new PortSender(portChannel(port), words, 0, workerData.capacity);
  let sent = 0;
  while (await sender.send(sent, NEVER) === 'ok') sent += 1;
  parentPort.postMessage({ sent, full: sender.fullCount });
  port.close();
});
`;

const url = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;

describe('a port between two threads', () => {
  let worker: Worker;
  beforeAll(() => {
    worker = new Worker(SENDER, {
      eval: true,
      workerData: {
        port: url('protocol/port.js'),
        channel: url('runtime/threads/channel.js'),
        stop: url('protocol/stop.js'),
        capacity: CAPACITY,
      },
    });
  });
  afterAll(async () => {
    const ended = once(worker, 'exit');
    worker.postMessage(null);
    await ended;
  });

  it('loses no message that was sent, in whatever moment it is closed, and keeps the order and the bound', async () => {
    for (let round = 0; round < 150; round += 1) {
      const { port1, port2 } = new MessageChannel();
      const words = new Int32Array(new SharedArrayBuffer(4 * PORT_WORDS));
      const receiver = new PortReceiver<number>(portChannel(port1), words, 0);
      const reported = once(worker, 'message') as Promise<[{ sent: number; full: number }]>;
      worker.postMessage({ port: port2, words }, [port2]);
      const seen: number[] = [];
      const before = (round * 7) % 23;
      while (seen.length < before) {
        const message = await receiver.receive(NEVER);
        if (message !== null) seen.push(message);
        expect(Atomics.load(words, 0)).toBeLessThanOrEqual(CAPACITY);
      }
      const underWay = receiver.close();
      expect(underWay).toBeLessThanOrEqual(CAPACITY);
      for (let left = await receiver.receive(NEVER); left !== null; left = await receiver.receive(NEVER))
        seen.push(left);
      const [{ sent }] = await reported;
      expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i));
      expect(seen.length).toBe(before + underWay);
      port1.close();
    }
  });
});
