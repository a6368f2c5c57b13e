import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = join(root, 'scripts/with-node.mjs');
// A version that never existed, planted in the cache: nothing is downloaded.
const machine = `${process.platform}-${process.arch}`;
const cache = join(root, '.tmp', `node-00-${machine}`);
const planted = join(cache, 'node_modules', `node-${machine}`, 'bin', 'node');

beforeAll(() => {
  mkdirSync(dirname(planted), { recursive: true });
  writeFileSync(planted, '#!/bin/sh\necho "planted $*"\n');
  chmodSync(planted, 0o755);
});
afterAll(() => rmSync(cache, { recursive: true, force: true }));

const withNode = (...args: string[]): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

describe('with-node', () => {
  it('runs the command with that node first in its PATH', () => {
    expect(withNode('00', '--', 'sh', '-c', 'node -v')).toMatchObject({ stdout: 'planted -v\n', status: 0 });
  });

  it('exits as the command does', () => {
    expect(withNode('00', '--', 'sh', '-c', 'exit 7').status).toBe(7);
    expect(withNode('00', '--', 'sh', '-c', 'kill -TERM $$').status).toBe(128 + 15);
  });

  it('hands a signal on to the command and waits for it', async () => {
    const body = 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.05; done';
    const child = spawn(process.execPath, [script, '00', '--', 'sh', '-c', body], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output === 'ready\n') child.kill('SIGTERM');
    });
    const [code] = await once(child, 'close');
    expect({ output, code }).toEqual({ output: 'ready\nstopped\n', code: 3 });
  });

  it.each([[[]], [['24']], [['24', 'npm', 'test']], [['24', '--']], [['v24', '--', 'node']]])(
    'refuses %j and says how it is used',
    (args) => {
      const { status, stderr } = withNode(...args);
      expect(stderr).toBe('with-node: usage: node scripts/with-node.mjs MAJOR -- command [argument ...]\n');
      expect(status).toBe(2);
    },
  );

  it('says which command could not be started', () => {
    const { status, stderr } = withNode('00', '--', 'no-such-command-here');
    expect(stderr).toMatch(/^with-node: no-such-command-here could not be started: .*ENOENT/);
    expect(status).toBe(2);
  });
});
