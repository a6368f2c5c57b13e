import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Daemons, missingPrograms, onFreePorts } from '../kit/daemons.mjs';
import { runNode } from '../kit/process.mjs';
import { children, remains, started } from './server-traces.js';

const module = fileURLToPath(new URL('../kit/daemons.mjs', import.meta.url));

/** A server of one line of JavaScript. */
function serve(script: string): Daemons {
  const daemons = new Daemons('kit');
  const path = join(daemons.directory, 'server.mjs');
  writeFileSync(path, script);
  daemons.startNode(path);
  return daemons;
}

test('a server that ends before it is ready fails the wait with what it has printed, and is tidied up', async () => {
  const daemons = serve('console.error("no room"); process.exit(3)');
  await expect(daemons.ready(() => null, 'answer')).rejects.toThrow(
    /^kit: node ended with code 3, .*no room/s,
  );
  expect(existsSync(daemons.directory)).toBe(false);
});

test('a failure to prepare stops what already runs', async () => {
  const { server, traces } = await started(async () => serve('setInterval(() => {}, 1000)'));
  const prepared = server.ready(
    () => true,
    'answer',
    () => Promise.reject(new Error('no user')),
  );
  await expect(prepared).rejects.toThrow('no user');
  expect([traces.length, remains(traces)]).toEqual([1, []]);
});

test('ports that are taken are tried again with others, three times in all', async () => {
  const tried: number[][] = [];
  const once = await onFreePorts(
    2,
    async (ports) => {
      tried.push(ports);
      if (tried.length === 1) throw new Error('listen EADDRINUSE: address already in use');
      return 'up';
    },
    [1, 2],
  );
  expect([once, tried[0], new Set(tried[1]).size]).toEqual(['up', [1, 2], 2]);
  let tries = 0;
  const never = onFreePorts(1, async () => {
    tries++;
    throw new Error('unable to bind');
  });
  await expect(never).rejects.toThrow('unable to bind');
  expect(tries).toBe(3);
});

test('another error is not tried again', async () => {
  let tries = 0;
  const failed = onFreePorts(1, async () => {
    tries++;
    throw new Error('no such user');
  });
  await expect(failed).rejects.toThrow('no such user');
  expect(tries).toBe(1);
});

test('names the programs that are missing, and no others', () => {
  expect(missingPrograms(['sh', 'no-such-program'])).toEqual(['no-such-program']);
});

test('a server on Node ends when the process that started it is killed', async () => {
  const daemons = new Daemons('kit');
  const [starter, server] = ['starter.mjs', 'server.mjs'].map((name) => join(daemons.directory, name));
  writeFileSync(server!, 'setInterval(() => {}, 1000); console.log("up")');
  writeFileSync(
    starter!,
    `import { Daemons } from ${JSON.stringify(module)};
     const daemons = new Daemons('kit');
     const daemon = daemons.startNode(${JSON.stringify(server)});
     await daemons.ready(() => /up/.exec(daemon.output()), 'line');
     console.log('started');`,
  );
  const running = runNode(starter!);
  await running.waitForLine(/started/);
  const [trace] = children(running.pid);
  await running.kill();
  await expect.poll(() => existsSync(`/proc/${trace!.pid}`), { timeout: 10_000 }).toBe(false);
  rmSync(trace!.directory, { recursive: true });
  await daemons.stop();
});
