/** The thread entry: wires one worker actor to the transport, the stores and the user's modules, and runs it. */
import { runWorker } from '../actors/worker/worker.js';
import type { TransportLimits } from '../protocol/http.js';
import { createThreadContext } from '../runtime/threads/context.js';
import type { ThreadTask } from '../runtime/threads/spawn.js';
import { createTransport } from '../transport/transport.js';
import { decoratedStore } from './decorated-store.js';
import { httpStore } from './http-store.js';
import { loadDirectStore, loadStoreData, loadTransform } from './modules.js';

/** What the host sends along with each task. */
export interface WorkerSettings {
  readonly limits: TransportLimits;
}

export default async function main(task: ThreadTask): Promise<void> {
  const { limits } = task.settings as WorkerSettings;
  const transport = createTransport(limits, { now: () => performance.now() });
  const { context, close } = createThreadContext(task, {
    openStore: async (spec) => {
      const store =
        spec.kind === 'http'
          ? httpStore(await loadStoreData(spec), transport, () => Date.now())
          : await loadDirectStore(spec);
      return decoratedStore(store, spec);
    },
    loadTransform,
    transportStats: () => {
      const { opened, reused, active, idle } = transport.stats();
      return {
        connectionsOpened: opened,
        connectionsReused: reused,
        connectionsActive: active,
        connectionsIdle: idle,
      };
    },
  });
  try {
    await runWorker(context);
  } finally {
    transport.close();
    close();
  }
}
