/** A MessagePort as a channel of the protocol. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { Channel } from '../../protocol/port.js';
import type { ControlChannel } from '../../protocol/context.js';

export function portChannel(port: MessagePort): Channel {
  return {
    post: (message, transfer) => port.postMessage(message, transfer as ArrayBuffer[] | undefined),
    onMessage: (fn) => port.on('message', fn),
    takePending: () => {
      const pending: unknown[] = [];
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
        pending.push(next.message);
      }
      return pending;
    },
    close: () => port.close(),
  };
}

export function controlChannel<Send, Receive>(port: MessagePort): ControlChannel<Send, Receive> {
  return {
    post: (message) => port.postMessage(message),
    onMessage: (fn) => {
      port.on('message', fn);
    },
  };
}
