/**
 * A real thread that sends or takes over a real port, round after round, as it is told; what it did goes back in a report.
 *
 * It also does to the shared words what workers do: it looks at the token of its round at every message, spends from the
 * retry budget and refunds it, and counts both.
 */
import { parentPort } from 'node:worker_threads';
import { PortReceiver, PortSender } from '../../../dist/protocol/port.js';
import { NEVER, StopState } from '../../../dist/protocol/stop.js';
import { readToken, refundRetry, RETRY_COST, spendRetry } from '../../../dist/protocol/words.js';
import { portChannel } from '../../../dist/runtime/threads/channel.js';
import { fillPattern } from '../../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../../dist/testing/pattern.js';

const MESSAGE_BYTES = 48;
const PORT_BASE = 1;

/** A turn of the event loop, so that messages arrive and other threads get on in irregular places. */
const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** What the receiver is told when its sender has ended: how many there were in all. */
let total = Infinity;
let toldTotal = () => {};

function look(report, { runtime, slot, epoch }) {
  const state = readToken(runtime, slot, epoch);
  if (state !== report.states.at(-1)) report.states.push(state);
  return state;
}

async function send(task) {
  const sender = new PortSender(portChannel(task.port), task.words, PORT_BASE, task.capacity);
  const report = { role: 'send', id: task.id, count: 0, closed: -1, spent: 0, states: [] };
  while (report.count < task.count) {
    // The stream is gone: nothing more is started.
    if (look(report, task) === StopState.Cancelled || report.count === task.closeAt) {
      report.closed = sender.close();
      break;
    }
    const bytes = new Uint8Array(MESSAGE_BYTES);
    fillPattern(task.id, report.count * MESSAGE_BYTES, bytes);
    if ((await sender.send({ at: report.count, bytes }, NEVER, [bytes.buffer])) !== 'ok') break;
    report.count += 1;
    if (spendRetry(task.runtime)) report.spent += RETRY_COST;
    if (report.count % task.pace === 0) await turn();
  }
  return report;
}

async function take(task) {
  const receiver = new PortReceiver(portChannel(task.port), task.words, PORT_BASE);
  const report = { role: 'take', id: task.id, count: 0, closed: -1, over: 0, wrong: 0, states: [] };
  toldTotal = () => receiver.poke();
  // A poke, too, ends a wait without a message: only what gives nothing twice is closed and empty.
  let nothing = 0;
  while (report.count < total) {
    look(report, task);
    if (report.count === task.closeAt && report.closed < 0) report.closed = receiver.close();
    const message = await receiver.receive(NEVER);
    if (message === null) {
      nothing += 1;
      if (report.closed > 0 && nothing > 1) break;
      // Closed by the sender first: what was on its way then still arrives, and nobody waits for it but we.
      if (report.closed === 0) await turn();
      continue;
    }
    nothing = 0;
    const { at, bytes } = message;
    if (at !== report.count || verifyPattern(task.id, at * MESSAGE_BYTES, bytes) >= 0) report.wrong += 1;
    if (Atomics.load(task.words, PORT_BASE) > task.capacity) report.over += 1;
    report.count += 1;
    refundRetry(task.runtime, 1, task.refundCapacity);
    if (report.count === task.tellAt) parentPort.postMessage({ role: 'half', id: task.id });
    if (report.count % task.pace === 0) await turn();
  }
  return report;
}

let port = null;
parentPort.on('message', async (task) => {
  if (task === null) parentPort.close();
  else if (task.role === 'total') {
    total = task.total;
    toldTotal();
  } else if (task.role === 'end') port.close();
  else {
    ({ port } = task);
    total = Infinity;
    parentPort.postMessage(await (task.role === 'send' ? send(task) : take(task)));
  }
});
