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

/** Longest wait at the end for modules that are being imported: far more than that takes. */
const LOADING_TIMEOUT_MS = 2000;
/** How often a thread shows that its event loop turns. */
const HEARTBEAT_MS = 100;

export interface ThreadDeps {
  openStore(spec: StoreSpec): Promise<Store>;
  loadTransform(spec: TransformSpec): Promise<TransformFunction>;
  transportStats: WorkerContext['transportStats'];
}

/**
 * The context, and the function that closes what it holds open. It waits for imports that are under way: a thread that ends
 * in the middle of one leaves the descriptor of a file behind.
 */
export function createThreadContext(
  task: ThreadTask,
  deps: ThreadDeps,
): { context: WorkerContext; close: () => Promise<void> } {
  const loading = new Set<Promise<unknown>>();
  const watched = <T>(load: Promise<T>): Promise<T> => {
    const forget = (): void => void loading.delete(over);
    const over: Promise<void> = load.then(forget, forget);
    loading.add(over);
    return load;
  };
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
    openStore: (spec) => watched(deps.openStore(spec)),
    loadTransform: (spec) => watched(deps.loadTransform(spec)),
  };
  return {
    context,
    close: async () => {
      await allOf(loading);
      clearInterval(beat);
      for (const port of [task.jobs, task.results, task.control, task.questions]) port.close();
    },
  };
}

/** Resolves when all are over, or after a while: a module of the user's may never come to its end. */
function allOf(loading: ReadonlySet<Promise<unknown>>): Promise<void> {
  if (loading.size === 0) return Promise.resolve();
  // Wait ends: with the imports, or with the timer.
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LOADING_TIMEOUT_MS);
    void Promise.all(loading).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
