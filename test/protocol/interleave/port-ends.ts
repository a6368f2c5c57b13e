/** Ports that end: closed by one side or both at any moment, or left by a thread that died before any of its steps. */
import { NEVER } from '../../../dist/protocol/stop.js';
import { claim, type Scenario } from './explore.js';
import {
  allEnded,
  allReceived,
  bounded,
  conserved,
  IN_FLIGHT,
  isCount,
  noted,
  numbers,
  type PortLibrary,
  receiverIn,
  same,
  sendAll,
  senderIn,
  words,
} from './port-claims.js';
import type { Program } from './thread.js';

const nothing = (): void => {};

/** The receiver closes at any moment between two of its turns and takes what is left; sends that wait see it. */
export function receiverCloses(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: (env) => sendAll(env, senderIn(lib, env, capacity), count),
      receiver: async (env) => {
        const receiver = receiverIn(lib, env);
        env.on('close', () => env.note(`close ${receiver.close()}`));
        for (let message = await receiver.receive(NEVER); ; message = await receiver.receive(NEVER)) {
          if (message === null) break;
          env.note(message);
        }
        env.note('empty');
      },
    },
    events: { close: { certain: true } },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      allReceived(view);
      const notes = view.notes('receiver');
      const [answer] = noted(notes, 'close');
      conserved(view, answer);
      const after = numbers(notes.slice(notes.indexOf(`close ${answer}`)));
      claim(Number(answer) === after.length, `close said ${answer}, and ${after.length} came after it`);
    },
  };
}

/** The receiver takes one message and closes in the same turn, so that the close falls between any two steps of the sender. */
export function receiverTakesAndCloses(lib: PortLibrary, capacity: number): Scenario {
  const closing = receiverCloses(lib, capacity, Infinity);
  const receiver: Program = async (env) => {
    const to = receiverIn(lib, env);
    const first = await to.receive(NEVER);
    if (first !== null) env.note(first);
    env.note(`close ${to.close()}`);
    for (let message = await to.receive(NEVER); message !== null; message = await to.receive(NEVER))
      env.note(message);
  };
  return { ...closing, threads: { ...closing.threads, receiver } };
}

/** The receiver has taken nothing when it closes; only afterwards, and perhaps never, it takes what had arrived and what comes. */
export function receiverClosesFirst(lib: PortLibrary, capacity: number, count: number): Scenario {
  const closing = receiverCloses(lib, capacity, count);
  const receiver: Program = async (env) => {
    const to = receiverIn(lib, env);
    env.on('close', () => env.note(`close ${to.close()}`));
    await new Promise<void>((resolve) => {
      env.on('take', resolve);
    });
    for (let message = await to.receive(NEVER); message !== null; message = await to.receive(NEVER))
      env.note(message);
  };
  return {
    ...closing,
    threads: { ...closing.threads, receiver },
    events: {
      close: { certain: true },
      take: { when: ({ notes }) => noted(notes('receiver'), 'close').length > 0 },
    },
    quiet: (view) => {
      claim(!view.waiting.includes('sender'), 'waits for ever: sender');
      if (view.waiting.length === 0) closing.quiet(view);
      else claim(!numbers(view.notes('receiver')).length, 'waits for ever: receiver');
    },
  };
}

/** The sender closes at any moment, its own sends that wait included. */
export function senderCloses(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: async (env) => {
        const sender = senderIn(lib, env, capacity);
        env.on('close', () => {
          env.note(`close ${sender.close()}`);
          env.note(`closed-says ${sender.trySend(99)} ${sender.credits}`);
        });
        await sendAll(env, sender, count);
      },
      receiver: (env) => receiverIn(lib, env).listen(env.note),
    },
    events: { close: { certain: true } },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      allReceived(view);
      const notes = view.notes('sender');
      conserved(view, noted(notes, 'close')[0]);
      claim(same(noted(notes, 'closed-says'), ['closed 0']), 'a closed port took a message');
    },
  };
}

/** Both sides close, in any order or at once, the receiver twice: one answer counts, the others are 0. */
export function bothClose(lib: PortLibrary, capacity: number, count: number): Scenario {
  const senders = senderCloses(lib, capacity, count);
  const receiver: Program = (env) => {
    const to = receiverIn(lib, env);
    to.listen(env.note);
    env.on('shut', () => {
      env.note(`close ${to.close()}`);
      env.note(`close ${to.close()}`);
    });
  };
  return {
    ...senders,
    threads: { ...senders.threads, receiver },
    events: { close: { certain: true }, shut: { certain: true } },
    quiet: (view) => {
      allEnded(view);
      allReceived(view);
      const answers = ['sender', 'receiver'].flatMap((thread) => noted(view.notes(thread), 'close'));
      claim(answers.filter((answer) => answer !== '0').length <= 1, `closes said ${answers.join()}`);
    },
  };
}

/** The sender dies before any of its steps; what it had posted is heard or taken, once. */
export function senderCrashes(lib: PortLibrary, capacity: number, count: number, listens: boolean): Scenario {
  return {
    threads: {
      sender: (env) => sendAll(env, senderIn(lib, env, capacity), count),
      receiver: (env) => {
        const receiver = receiverIn(lib, env);
        if (listens) receiver.listen(env.note);
        env.on('exit', () => {
          for (const message of receiver.takePending()) env.note(message);
          // As a runtime does: what is not taken by now is never heard.
          env.end('p', 'b').close();
          env.note('exit');
        });
      },
    },
    mayCrash: ['sender'],
    events: { exit: { when: ({ crashed }) => crashed('sender'), certain: true } },
    always: bounded(capacity),
    quiet: (view) => {
      if (listens) allEnded(view);
      if (!listens && !view.crashed('sender')) return;
      const seen = numbers(view.notes('receiver'));
      claim(same(seen, view.posted('p>')), `posted ${view.posted('p>').join()}, seen ${seen.join()}`);
      claim(!view.crashed('sender') || view.word(...IN_FLIGHT) < 0, 'the port of a dead sender is open');
    },
  };
}

/** The receiver dies before any of its steps; whoever waits for a credit is let go by the close that its exit brings. */
export function receiverCrashes(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: async (env) => {
        const sender = senderIn(lib, env, capacity);
        env.on('exit', () => env.note(`close ${sender.close()}`));
        await sendAll(env, sender, count);
      },
      receiver: (env) => receiverIn(lib, env).listen(env.note),
    },
    mayCrash: ['receiver'],
    events: { exit: { when: ({ crashed }) => crashed('receiver'), certain: true } },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      const seen = numbers(view.notes('receiver'));
      const sent = noted(view.notes('sender'), 'ok').map(Number);
      claim(isCount(seen) && seen.length <= sent.length, `sent ${sent.join()}, received ${seen.join()}`);
      claim(view.crashed('receiver') || seen.length === sent.length, 'a message was lost');
    },
  };
}

/** A message that cannot be cloned comes between others, at whatever moment the port is closed. */
export function uncloneable(lib: PortLibrary, capacity: number): Scenario {
  const closing = receiverCloses(lib, capacity, 2);
  const sender: Program = async (env) => {
    const from = senderIn(lib, env, capacity);
    await sendAll(env, from, 1);
    let answer: string;
    try {
      answer = await from.send(nothing as never, NEVER);
    } catch (error) {
      answer = (error as Error).name;
      // The one that stops the thread is not the program's to see.
      if (answer !== 'DataCloneError') throw error;
    }
    env.note(`answer ${answer}`);
    if (answer === 'closed') return;
    env.note(`${await from.send(1, NEVER)} 1`);
  };
  return {
    ...closing,
    threads: { ...closing.threads, sender },
    quiet: (view) => {
      allEnded(view);
      allReceived(view);
    },
  };
}

/** Three threads in a row, one credit each: the last one's pace reaches the first, and so does its close. */
export function threeInARow(lib: PortLibrary, count: number): Scenario {
  const { PortReceiver, PortSender } = lib;
  return {
    threads: {
      first: async (env) => {
        const out = new PortSender<number>(env.end('one', 'a'), words, 1, 1);
        for (let message = 0; message < count; message += 1) {
          const answer = await out.send(message, NEVER);
          if (answer !== 'ok') break;
          env.note(message);
        }
      },
      middle: async (env) => {
        const into = new PortReceiver<number>(env.end('one', 'b'), words, 1);
        const out = new PortSender<number>(env.end('two', 'a'), words, 3, 1);
        for (let passed = 0; passed < count; passed += 1) {
          const message = await into.receive(NEVER);
          if (message === null) break;
          if ((await out.send(message, NEVER)) === 'ok') continue;
          into.close();
          // What was sent before the close is this thread's to answer for.
          env.note(message);
          for (let left = await into.receive(NEVER); left !== null; left = await into.receive(NEVER))
            env.note(left);
          break;
        }
      },
      last: async (env) => {
        const into = new PortReceiver<number>(env.end('two', 'b'), words, 3);
        env.note((await into.receive(NEVER))!);
        into.close();
        for (let left = await into.receive(NEVER); left !== null; left = await into.receive(NEVER))
          env.note(left);
      },
    },
    quiet: (view) => {
      allEnded(view);
      const sent = numbers(view.notes('first'));
      const ended = [...numbers(view.notes('last')), ...numbers(view.notes('middle'))];
      claim(same(ended, sent), `sent ${sent.join()}, ended with ${ended.join()}`);
    },
  };
}
