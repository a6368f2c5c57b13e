/** Commands that print lines and end early: what they had found is printed, and the first failure is told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLines, endOf, type Output } from '../../dist/cli/output.js';
import { environmentOf, type Origin, startOrigin } from '../../dist/testing/index.js';
import { ErrorCode, MillraceError } from '../../dist/index.js';
import { runNode } from '../kit/process.mjs';
import { documents, MAIN } from './writing.kit.js';

const PAGE = 1000;
let origin: Origin;
let env: Record<string, string>;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'data', prefix: 'few/', count: 12, sizes: [7] },
      { bucket: 'data', prefix: 'pages/', count: 2 * PAGE, sizes: [7] },
    ],
  });
  env = environmentOf(origin);
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const start = (...args: string[]) => runNode(MAIN, { args, env });
const uris = (text: string): unknown[] => documents(text).map(({ uri }) => uri);

describe('what was found before a failure', () => {
  it('is listed, and counted in the record', async () => {
    const listed = await start('ls', '-r', 's3://data/few/', 's3://none/', '--json').exit();
    expect([listed.code, uris(listed.stdout).length]).toEqual([1, 12]);
    expect(documents(listed.stderr)).toEqual([
      { error: expect.objectContaining({ code: 'NotFound' }) as unknown },
      { command: 'ls', listed: 12 },
    ]);
  });

  it('is told by stat', async () => {
    const given = ['00', '01', '02'].map((name) => `s3://data/few/${name}`);
    const told = await start('stat', ...given, 's3://data/none', given[0]!, '--json').exit();
    expect([told.code, uris(told.stdout)]).toEqual([1, given]);
    expect(documents(told.stderr).at(-1)).toEqual({ command: 'stat', seen: 3 });
  });

  it('is nothing to speak of where the reader has gone', async () => {
    const child = spawn(process.execPath, [MAIN, 'ls', '-r', 's3://data/few/', 's3://none/'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    // Which comes first, the gone reader or the bucket that is not there, is a matter of time.
    expect([
      [0, ''],
      [1, expect.stringContaining('NotFound') as unknown],
    ]).toContainEqual([(await closed)[0], stderr]);
  });
});

describe('what was found before a signal', () => {
  it('is listed: a whole page, and the record counts it', async () => {
    await origin.script({ op: 'list', nth: 2, do: { stall: 'before-head' } });
    const child = start('ls', '-r', 's3://data/pages/', '--json');
    await origin.waitFor({ stalled: 1 });
    child.signal('SIGTERM');
    await child.waitForLine(/^\{"note":"SIGTERM: finishing/, { stream: 'stderr' });
    await origin.release();
    const { code, stdout, stderr } = await child.exit();
    const listed = uris(stdout).length;
    expect(code).toBe(143);
    expect(listed).toBeGreaterThanOrEqual(PAGE);
    expect(documents(stderr).at(-1)).toEqual({ reason: 'SIGTERM', command: 'ls', listed });
  });

  it('is told by stat, and what was asked for already comes too', async () => {
    const given = ['00', '01', '02', '03'].map((name) => `s3://data/few/${name}`);
    await origin.script({ op: 'head', nth: 3, do: { stall: 'before-head' } });
    const child = start('stat', ...given, '--json');
    await origin.waitFor({ stalled: 1 });
    child.signal('SIGTERM');
    await child.waitForLine(/^\{"note":"SIGTERM: finishing/, { stream: 'stderr' });
    await origin.release();
    const { code, stdout, stderr } = await child.exit();
    expect([code, uris(stdout)]).toEqual([143, given.slice(0, 3)]);
    expect(documents(stderr).at(-1)).toEqual({ reason: 'SIGTERM', command: 'stat', seen: 3 });
  });
});

describe('the end of lines', () => {
  const full = new Error('full');
  const drained = new MillraceError(ErrorCode.Draining, 'drained');
  const output = (fails: boolean, taken: string[] = []): Output => ({
    isTerminal: false,
    write: (chunk) => {
      if (fails) return Promise.reject(full);
      taken.push(String(chunk));
      return Promise.resolve();
    },
  });
  const end = (fails: boolean, error: Error | null, taken?: string[]) => {
    const lines = createLines(output(fails, taken), () => 0);
    return endOf(lines, async () => {
      await lines.line('a');
      if (error !== null) throw error;
    });
  };

  it('prints what is left, however the work ended', async () => {
    for (const error of [null, new Error('lost')]) {
      const taken: string[] = [];
      expect(await end(false, error, taken)).toBe(error);
      expect(taken).toEqual(['a\n']);
    }
  });

  it('is the first failure: an output that fails too hides none', async () => {
    const lost = new Error('lost');
    expect([await end(true, lost), await end(true, null)]).toEqual([lost, full]);
  });

  it('is no failure where the work was drained, unless the output fails', async () => {
    expect([await end(false, drained), await end(true, drained)]).toEqual([null, full]);
  });
});
