/** A store whose import takes a while: says that it has begun, and in the shared word that comes with that when it is over. */
import { setTimeout as wait } from 'node:timers/promises';

const word = new Int32Array(new SharedArrayBuffer(4));
const channel = new BroadcastChannel('slow-store');
channel.postMessage(word);
await wait(300);
channel.close();
Atomics.store(word, 0, 1);

export { createStore } from './pattern-store.mjs';
