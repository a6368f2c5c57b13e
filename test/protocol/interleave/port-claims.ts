/**
 * A port in shared memory for the threads of a model, and what is true of every port: bounded, in order, nothing lost,
 * credits conserved.
 */
import type * as portModule from '../../../dist/protocol/port.js';
import { NEVER, type StopSignal } from '../../../dist/protocol/stop.js';
import { claim, type View } from './explore.js';
import type { Env } from './thread.js';
import { sharedWords } from './world.js';

/** The module is handed in, so that a broken copy of it can be put through the same. */
export type PortLibrary = typeof portModule;
type Sender = InstanceType<PortLibrary['PortSender']>;

/** The port lies behind other words. */
const BASE = 1;
export const words = sharedWords('port');
export const IN_FLIGHT = ['port', BASE] as const;
/** The value with which the module closes; what is below it are credits that came back late. */
const CLOSED = -0x4000_0000;

export const senderIn = ({ PortSender }: PortLibrary, { end }: Env, capacity: number) =>
  new PortSender<number>(end('p', 'a'), words, BASE, capacity);
export const receiverIn = ({ PortReceiver }: PortLibrary, { end }: Env) =>
  new PortReceiver<number>(end('p', 'b'), words, BASE);

export const numbers = (notes: readonly unknown[]): number[] =>
  notes.filter((note): note is number => typeof note === 'number');
/** What was noted as `name value`. */
export const noted = (notes: readonly unknown[], name: string): string[] =>
  notes
    .filter((note): note is string => typeof note === 'string' && note.startsWith(`${name} `))
    .map((note) => note.slice(name.length + 1));
export const same = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);
/** 0, 1, 2, ... as long as it is. */
export const isCount = (values: readonly number[]): boolean => values.every((value, i) => value === i);

export const allEnded = ({ waiting }: View): void =>
  claim(waiting.length === 0, `waits for ever: ${waiting.join(' and ')}`);

/** Sends `count` messages from 0 on; the answers are noted. */
export async function sendAll(
  env: Env,
  sender: Sender,
  count: number,
  stop: StopSignal = NEVER,
): Promise<void> {
  for (let message = 0; message < count; message += 1) {
    const answer = await sender.send(message, stop);
    env.note(`${answer} ${message}`);
    if (answer !== 'ok') return;
  }
}

/** Never more between the two than the capacity, never a word that says less than there is. */
export function bounded(capacity: number) {
  return (view: View): void => {
    const word = view.word(...IN_FLIGHT);
    const underWay = view.queue('p>').length;
    claim(underWay <= capacity, `${underWay} messages under way with a capacity of ${capacity}`);
    claim(word <= capacity, `${word} credits taken of ${capacity}`);
    const posting = view.next('sender') === 'post' ? 1 : 0;
    claim(
      word < 0 || word >= underWay + posting,
      `the word says ${word}, ${underWay + posting} are under way`,
    );
  };
}

/** Each sent message was received once, in order, and no other. */
export function allReceived(view: View): number[] {
  const sent = noted(view.notes('sender'), 'ok').map(Number);
  const seen = numbers(view.notes('receiver'));
  claim(same(seen, sent), `sent ${sent.join()}, received ${seen.join()}`);
  return sent;
}

/** What the word says once nothing is under way any more: credits conserved, up to the one close and behind it. */
export function conserved(view: View, closeAnswer?: string): void {
  const word = view.word(...IN_FLIGHT);
  if (closeAnswer === undefined) claim(word === 0, `${word} credits are taken, and nothing is under way`);
  else {
    const late = CLOSED - word;
    claim(Number(closeAnswer) === late, `close said ${closeAnswer}, and ${late} credits came back after it`);
  }
}
