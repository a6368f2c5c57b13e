/** Ports that stay open: messages flow, senders wait and are woken. */
import { NEVER, StopState } from '../../../dist/protocol/stop.js';
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

/** Both at work, nothing closes: `how` the receiver takes them. */
export function flow(lib: PortLibrary, capacity: number, count: number, how: 'receive' | 'listen'): Scenario {
  return {
    threads: {
      sender: (env) => sendAll(env, senderIn(lib, env, capacity), count),
      receiver: async (env) => {
        const receiver = receiverIn(lib, env);
        if (how === 'listen') return receiver.listen(env.note);
        for (let taken = 0; taken < count;) {
          const message = await receiver.receive(NEVER);
          if (message === null) continue;
          env.note(message);
          taken += 1;
        }
      },
    },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      claim(allReceived(view).length === count, 'not all were sent');
      conserved(view);
    },
  };
}

/** Two waiting sends in one thread share the one waiting word. */
export function twoSends(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: async (env) => {
        const sender = senderIn(lib, env, capacity);
        const lane = async (first: number): Promise<void> => {
          for (let message = first; message < first + count; message += 1) {
            env.note(`${await sender.send(message, NEVER)} ${message}`);
          }
        };
        await Promise.all([lane(0), lane(100)]);
      },
      receiver: (env) => receiverIn(lib, env).listen(env.note),
    },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      const seen = numbers(view.notes('receiver'));
      claim(seen.length === 2 * count, `${seen.length} of ${2 * count} came`);
      for (const first of [0, 100]) {
        const lane = seen.filter((message) => message - (message % 100) === first);
        claim(isCount(lane.map((message) => message - first)), `out of order: ${lane.join()}`);
      }
      conserved(view);
    },
  };
}

/** The receiver takes nothing until `go`: the sender has to stop at the capacity. */
export function heldBack(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: (env) => sendAll(env, senderIn(lib, env, capacity), count),
      receiver: (env) => {
        const receiver = receiverIn(lib, env);
        env.on('go', () => {
          env.note('go');
          receiver.listen(env.note);
        });
      },
    },
    always: bounded(capacity),
    quiet: (view) => {
      const going = view.notes('receiver').includes('go');
      const sent = noted(view.notes('sender'), 'ok').length;
      const expected = going ? count : capacity;
      claim(
        sent === expected,
        `${sent} were sent, not ${expected}, ${going ? 'after' : 'before'} one was taken`,
      );
      claim(
        going || view.word(...IN_FLIGHT) === capacity,
        'a credit came back for a message that was not taken',
      );
      if (!going) return;
      allEnded(view);
      allReceived(view);
      conserved(view);
    },
  };
}

/** A token that the event `cancel` turns, with what is linked to it. */
export function cancelledWhileWaiting(lib: PortLibrary, capacity: number, count: number): Scenario {
  return {
    threads: {
      sender: async (env) => {
        const linked = new Set<() => void>();
        const stop = {
          state: StopState.Live as StopState,
          onStop: (fn: () => void) => {
            linked.add(fn);
            return () => void linked.delete(fn);
          },
        };
        env.on('cancel', () => {
          stop.state = StopState.Cancelled;
          for (const fn of linked) fn();
        });
        await sendAll(env, senderIn(lib, env, capacity), count, stop);
        env.note(`linked ${linked.size}`);
      },
      receiver: (env) => receiverIn(lib, env).listen(env.note),
    },
    always: bounded(capacity),
    quiet: (view) => {
      allEnded(view);
      allReceived(view);
      conserved(view);
      claim(
        same(noted(view.notes('sender'), 'linked'), ['0']),
        'a send that ended is still linked to its token',
      );
    },
  };
}

/** Work there, answers back, both ports full: as a service and its worker, of which each waits for the other. */
export function thereAndBack(lib: PortLibrary, capacity: number, count: number): Scenario {
  const { PortReceiver, PortSender } = lib;
  return {
    threads: {
      service: async (env) => {
        const jobs = new PortSender<number>(env.end('jobs', 'a'), words, 1, capacity);
        new PortReceiver<number>(env.end('results', 'b'), words, 3).listen(env.note);
        for (let job = 0; job < count; job += 1) await jobs.send(job, NEVER);
      },
      worker: async (env) => {
        const jobs = new PortReceiver<number>(env.end('jobs', 'b'), words, 1);
        const results = new PortSender<number>(env.end('results', 'a'), words, 3, 1);
        for (let done = 0; done < count; done += 1) {
          const job = (await jobs.receive(NEVER))!;
          await results.send(job + 10, NEVER);
        }
      },
    },
    always: (view) => {
      for (const base of [1, 3]) claim(view.word('port', base) <= capacity, 'over capacity');
    },
    quiet: (view) => {
      allEnded(view);
      const answers = numbers(view.notes('service'));
      claim(answers.length === count && isCount(answers.map((a) => a - 10)), `answers: ${answers.join()}`);
      for (const base of [1, 3]) claim(view.word('port', base) === 0, 'a credit is lost');
    },
  };
}
