/** A filesystem that is full: one of a MiB, in a mount namespace of its own, which is gone with its process. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newDirectory } from './kit.js';

/** What happens on the filesystem: a put that does not fit, an upload that does not, and then a put that does. */
const SCRIPT = `
  import { readdirSync } from 'node:fs';
  import { createStore } from '${new URL('../../../dist/backends/file/data.js', import.meta.url).href}';
  import { NEVER } from '${new URL('../../../dist/protocol/stop.js', import.meta.url).href}';
  const [root] = process.argv.slice(1);
  const store = createStore({ version: 1, expiresAtMs: null, config: { root } });
  const key = Buffer.from('d/a');
  const terms = { ifAbsent: false, ifVersion: null, contentType: null };
  const told = [];
  const ask = async (request) => {
    const answer = await store.write({ key, ...request }, NEVER);
    told.push([answer.outcome, answer.error?.code ?? null, answer.error?.message ?? null, readdirSync(root + 'd').length]);
    return answer.value;
  };
  await ask({ kind: 'put', body: new Uint8Array(2 ** 21), ...terms });
  const { upload } = await ask({ kind: 'begin', size: -1, ...terms });
  await ask({ kind: 'part', upload, index: 0, start: 0, body: new Uint8Array(2 ** 21), last: true });
  await ask({ kind: 'abort', upload });
  await ask({ kind: 'put', body: new Uint8Array(2 ** 19), ...terms });
  console.log(JSON.stringify(told));
`;

/** Runs it on a new filesystem that is mounted at `directory`. */
function onSmallDisk(directory: string, script: string): string {
  const mounted = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" --input-type=module -e "$3" "$1"';
  const args = ['-rm', 'sh', '-c', mounted, 'sh', directory, process.execPath, script];
  return execFileSync('unshare', args, {
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Whether this process may make such namespaces, which containers often forbid. */
function canMount(): boolean {
  try {
    onSmallDisk('/tmp', '');
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!canMount())('a full filesystem', () => {
  it('refuses what does not fit, by name, and keeps nothing of it', () => {
    const root = `${newDirectory()}disk/`;
    mkdirSync(root);
    const told = JSON.parse(onSmallDisk(root, SCRIPT)) as [string, string | null, string | null, number][];
    expect(told.map(([outcome, code, , entries]) => [outcome, code, entries])).toEqual([
      ['refused', 'Filesystem', 0],
      ['complete', null, 1],
      ['refused', 'Filesystem', 1],
      ['complete', null, 0],
      ['complete', null, 1],
    ]);
    for (const at of [0, 2]) expect(told[at]?.[2]).toContain('ENOSPC: the filesystem is full');
  });
});
