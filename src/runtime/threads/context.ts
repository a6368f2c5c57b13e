/** The world of a worker actor on a real thread. */
import { sleep } from '../../protocol/sleep.js';
import type { TransformFunction, WorkerContext } from '../../protocol/context.js';
import { OwnWord } from '../../protocol/context.js';
import type { StoreSpec, TransformSpec } from '../../protocol/messages.js';
import { PortReceiver, PortSender } from '../../protocol/port.js';
import type { Store } from '../../protocol/store.js';
import { controlChannel, portChannel } from './channel.js';
import { createClock } from './clock.js';
import { answerQuestions } from './questions.js';
import { RESULT_PORT_CAPACITY, type ThreadTask } from './spawn.js';

/** How often a thread shows that its event loop turns. */
const HEARTBEAT_MS = 100;

export interface ThreadDeps {
  openStore(spec: StoreSpec): Promise<Store>;
  loadTransform(spec: TransformSpec): Promise<TransformFunction>;
  transportStats: WorkerContext['transportStats'];
}

/** The context, and the function that closes what it holds open. */
export function createThreadContext(
  task: ThreadTask,
  deps: ThreadDeps,
): { context: WorkerContext; close: () => void } {
  const beat = setInterval(() => Atomics.add(task.ownWords, OwnWord.Heartbeat, 1), HEARTBEAT_MS);
  beat.unref();
  const context: WorkerContext = {
    name: task.name,
    arena: task.arena,
    words: task.words,
    ownWords: task.ownWords,
    concurrency: task.concurrency,
    jobs: new PortReceiver(portChannel(task.jobs), task.ownWords, OwnWord.Jobs),
    results: new PortSender(portChannel(task.results), task.ownWords, OwnWord.Results, RESULT_PORT_CAPACITY),
    control: controlChannel(task.control),
    now: createClock(),
    wallNow: () => Date.now(),
    random: () => Math.random(),
    sleep,
    answer: (questions) => answerQuestions(task.questions, questions),
    ...deps,
  };
  return {
    context,
    close: () => {
      clearInterval(beat);
      for (const port of [task.jobs, task.results, task.control, task.questions]) port.close();
    },
  };
}
