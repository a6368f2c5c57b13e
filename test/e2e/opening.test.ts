/** Threads that are told to end while they import what they need. */
import { expect, test } from 'vitest';
import { CancellationToken, Runtime } from '../../dist/index.js';

test('a thread ends when what it imports is imported, so that no file is left open', async () => {
  const channel = new BroadcastChannel('slow-store');
  const begun = new Promise<Int32Array>((resolve) => {
    channel.addEventListener('message', (event) =>
      resolve((event as unknown as { readonly data: Int32Array }).data),
    );
  });
  const runtime = await Runtime.start({
    workers: 1,
    maxConnections: 1,
    memoryBudget: '16MiB',
    stores: {
      memory: [{ key: 'b/k', bytes: new Uint8Array(9) }],
      slow: { module: new URL('./modules/slow-store.mjs', import.meta.url), config: { count: 1, size: 9 } },
    },
    decorators: { memory: [{ latency: { ms: 60_000 } }] },
  });
  const token = new CancellationToken();
  // The first call takes the only slot, so that nobody waits for the store of the second.
  const calls = [runtime.get('memory:///b/k', { token }), runtime.get('slow://b/b-0000', { token })];
  const imported = await begun;
  token.cancel('enough');
  const ends = await Promise.allSettled(calls);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await runtime.close();
  expect(Atomics.load(imported, 0)).toBe(1);
  channel.close();
});
