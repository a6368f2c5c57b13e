/** What the tests of the commands that write share: an origin, the command, and a look at what is there past the command. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { environmentOf, type Origin, type OriginOptions, startOrigin } from '../../dist/testing/index.js';
import { type Exit, runNode, type Running } from '../kit/process.mjs';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
export const MIB = 2 ** 20;
/** Anonymous requests may look at this bucket, so that what is there is not asked of the code under test. */
export const BUCKET = 'open';

export interface World {
  readonly origin: Origin;
  start(...args: string[]): Running;
  run(...args: string[]): Promise<Exit>;
  /** Runs the command with these chunks as its standard input. */
  pipe(chunks: Iterable<Uint8Array>, ...args: string[]): Promise<Exit>;
  /** Keys of the bucket, as the service lists them. */
  keys(prefix?: string): Promise<string[]>;
  /** Keys of unfinished uploads. */
  uploads(): Promise<string[]>;
  body(key: string): Promise<Uint8Array>;
}

export async function openWorld(options: OriginOptions = {}): Promise<World> {
  const origin = await startOrigin({ buckets: [BUCKET], publicBuckets: [BUCKET], ...options });
  const env = environmentOf(origin);
  const start = (...args: string[]): Running => runNode(MAIN, { args, env });
  const listed = async (query: string): Promise<string[]> => {
    const response = await fetch(`${origin.url}/${BUCKET}?${query}`);
    if (!response.ok) throw new Error(`${query}: ${response.status} ${await response.text()}`);
    return [...(await response.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
  };
  return {
    origin,
    start,
    run: (...args) => start(...args).exit(),
    pipe: async (chunks, ...args) => {
      const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].setEncoding('utf8').on('data', (text: string) => (printed[name] += text));
      }
      const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
      child.stdin.on('error', () => {});
      for (const chunk of chunks) if (!child.stdin.write(chunk)) await once(child.stdin, 'drain');
      child.stdin.end();
      const [code, signal] = await closed;
      return { code, signal, ...printed };
    },
    keys: (prefix = '') => listed(`list-type=2&prefix=${encodeURIComponent(prefix)}`),
    uploads: () => listed('uploads='),
    body: async (key) => {
      const response = await fetch(`${origin.url}/${BUCKET}/${key}`);
      if (!response.ok) throw new Error(`${key}: ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

/** Documents, one per line. */
export function documents(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
