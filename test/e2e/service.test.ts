/** The example service as a process under load: what an orchestrator sees of its end, and the process that comes after. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { environmentOf, startOrigin, type Origin } from '../../dist/testing/index.js';
import { runNode, type Running } from '../kit/process.mjs';

const SERVICE = fileURLToPath(new URL('../../examples/service/main.mjs', import.meta.url));
const COUNT = 1000;
/** What Kubernetes grants between SIGTERM and SIGKILL. */
const GRACE_MS = 30_000;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: 'data', prefix: 'in/', count: COUNT, sizes: [500, 60_000] }],
  });
});
afterAll(() => origin.stop());

function start(): Running {
  return runNode(SERVICE, {
    timeoutMs: GRACE_MS,
    env: {
      NODE_NO_WARNINGS: '1',
      PREFIX: 's3://data/in/',
      HOST: '127.0.0.1',
      PORT: '0',
      PAUSE_MS: '0',
      ...environmentOf(origin),
    },
  });
}

/** Asks the service; the status and the body. */
async function ask(child: Running, path: string): Promise<[status: number, body: string]> {
  const [, port] = await child.waitForLine(/^listening on 127\.0\.0\.1:(\d+)$/);
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  return [answer.status, await answer.text()];
}

/** The columns of each epoch; every one adds up. */
function epochs(stdout: string): Record<string, number>[] {
  return [...stdout.matchAll(/^epoch \d+: .*?, (\d+) planned = (.*);/gm)].map(([, planned, rest]) => {
    const columns = Object.fromEntries(
      [...rest!.matchAll(/(\d+) ([a-z]+)/g)].map(([, count, name]) => [name!, Number(count)]),
    );
    expect(Object.values(columns).reduce((a, b) => a + b, 0)).toBe(Number(planned));
    return { planned: Number(planned), ...columns };
  });
}

test('on SIGTERM it is not ready any more, drains, and ends with code 0; the next one goes on', async () => {
  const child = start();
  await child.waitForLine(/^epoch 2: completed/);
  expect(await ask(child, '/readyz')).toEqual([200, 'ready\n']);
  // Held up at one of the first objects, so that the drain is seen from the outside, and in the middle of an epoch: what
  // comes more than a window behind it is not asked for.
  await origin.script({ op: 'get', key: /^in\/200/, do: { stall: 100 } });
  await origin.waitFor({ stalled: 1 });
  child.signal('SIGTERM');
  await expect.poll(() => ask(child, '/readyz'), { timeout: 10_000 }).toEqual([503, 'draining\n']);
  expect(await ask(child, '/healthz')).toEqual([200, 'ok\n']);
  expect((await ask(child, '/metrics'))[1]).toContain('millrace_example_ready 0');
  await origin.mark();
  await origin.script();
  await origin.release();
  const { code, signal, stdout, stderr } = await child.exit(GRACE_MS);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(await origin.requests({ afterMark: true })).toEqual([]);
  await origin.waitFor({ connections: 0 });
  const columns = epochs(stdout);
  expect(columns[0]).toEqual({
    planned: COUNT,
    delivered: COUNT,
    filtered: 0,
    failed: 0,
    dropped: 0,
    left: 0,
  });
  expect(columns.at(-1)).toMatchObject({ failed: 0, dropped: 0 });
  expect(columns.at(-1)!['delivered']).toBeLessThan(COUNT);
  const delivered = columns.reduce((sum, epoch) => sum + epoch['delivered']!, 0);
  expect(stdout).toMatch(new RegExp(`^drained: ${delivered} items in ${columns.length} epochs$`, 'm'));

  const next = start();
  await next.waitForLine(/^epoch 1: completed/);
  next.signal('SIGTERM');
  expect(await next.exit(GRACE_MS)).toMatchObject({ code: 0, signal: null, stderr: '' });
  expect(epochs(next.stdout)[0]).toMatchObject({ planned: COUNT, delivered: COUNT });
});
