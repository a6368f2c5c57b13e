/** The thread entry of the conformance suite: runs the actor that the settings name. */
import { createThreadContext } from '../../dist/runtime/threads/context.js';
import { actors } from './actors.mjs';

export default async function main(task) {
  const none = () => Promise.reject(new Error('there is none'));
  const { context, close } = createThreadContext(task, {
    openStore: none,
    loadTransform: none,
    transportStats: () => ({}),
  });
  try {
    await actors[task.settings.actor](context);
  } finally {
    await close();
  }
}
