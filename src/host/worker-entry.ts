/** The thread entry: wires one worker actor to the transport, the stores and the user's modules, and runs it. */
import { runWorker } from '../actors/worker/worker.js';
import { directCounters } from '../backends/file/direct-counters.js';
import type { TransportLimits } from '../protocol/http.js';
import type { StoreSpec } from '../protocol/messages.js';
import type { Store } from '../protocol/store.js';
import { createThreadContext } from '../runtime/threads/context.js';
import type { ThreadTask } from '../runtime/threads/spawn.js';
import { createTransport } from '../transport/transport.js';
import { decoratedStore } from './decorated-store.js';
import { EndpointStore, endpointSnapshots } from './endpoint-store.js';
import { httpStore } from './http-store.js';
import { loadDirectStore, loadStoreData, loadTransform } from './modules.js';

/** What the host sends along with each task. */
export interface WorkerSettings {
  readonly limits: TransportLimits;
}

export default async function main(task: ThreadTask): Promise<void> {
  const { limits } = task.settings as WorkerSettings;
  const transport = createTransport(limits, { now: () => performance.now() });
  /** Stores with several endpoints, by name. */
  const spread = new Map<string, EndpointStore>();
  const openHttpStore = async (spec: StoreSpec): Promise<Store> => {
    const halves = await loadStoreData(spec, endpointSnapshots(spec.snapshot));
    const stores = halves.map((data) => httpStore(data, transport, () => Date.now()));
    const { endpoints } = spec.snapshot;
    // With one endpoint there is nothing to choose, and nothing between the worker and its store.
    if (endpoints === undefined) return stores[0]!;
    const store = new EndpointStore(
      endpoints.map(({ name }, i) => ({ name, store: stores[i]! })),
      { now: () => performance.now(), first: Math.floor(Math.random() * endpoints.length) },
    );
    spread.set(spec.name, store);
    return store;
  };
  const { context, close } = createThreadContext(task, {
    openStore: async (spec) =>
      decoratedStore(spec.kind === 'http' ? await openHttpStore(spec) : await loadDirectStore(spec), spec),
    loadTransform,
    transportStats: () => {
      const { opened, reused, active, idle } = transport.stats();
      return {
        connectionsOpened: opened,
        connectionsReused: reused,
        connectionsActive: active,
        connectionsIdle: idle,
        ...directCounters,
        endpoints: [...spread].flatMap(([name, store]) => store.stats(name)),
      };
    },
  });
  try {
    await runWorker(context);
  } finally {
    transport.close();
    await close();
  }
}
