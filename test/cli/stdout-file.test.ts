/** Standard output that is a file: all bytes are in it, or the command says that they are not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { environmentOf, type Origin, startOrigin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SIZE = 300_000;
/** In the blocks of 512 bytes that the shell's limit of file sizes counts in. */
const LIMIT_BLOCKS = 200;
const LIMIT_BYTES = LIMIT_BLOCKS * 512;
let origin: Origin;
let folder: string;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'data', key: 'big', size: SIZE },
      { bucket: 'data', prefix: 'many/', count: 1900, sizes: [7] },
    ],
  });
});
afterAll(() => origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-stdout-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the command with standard output in a file that may grow to the limit, as on a disk that gets full. */
async function into(flags: 'a' | 'w', limit: string, ...args: string[]) {
  const path = join(folder, 'out');
  const fd = openSync(path, flags);
  const child = spawn('sh', ['-c', `${limit}; exec "$0" "$@"`, process.execPath, MAIN, ...args], {
    env: {
      ...process.env,
      ...environmentOf(origin),
    },
    stdio: ['ignore', fd, 'pipe'],
  });
  closeSync(fd);
  let stderr = '';
  child.stderr!.on('data', (text: Buffer) => (stderr += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr, path };
}
const LIMITED = `ulimit -f ${LIMIT_BLOCKS}`;

describe.skipIf(process.platform === 'win32')('standard output that is a file', () => {
  it('has every byte of an object, behind what was in it', async () => {
    writeFileSync(join(folder, 'out'), 'before');
    const { code, path } = await into('a', ':', 'cat', 's3://data/big');
    const bytes = readFileSync(path);
    expect([code, bytes.length, bytes.subarray(0, 6).toString()]).toEqual([0, SIZE + 6, 'before']);
    expect(verifyPattern(objectIdOf('big'), 0, bytes.subarray(6))).toBe(-1);
  });

  it.each([
    ['cat', 's3://data/big'],
    ['ls', '-r', 's3://data/many/'],
  ])('that is full is a failure of %s', async (...args) => {
    const { code, stderr, path } = await into('w', LIMITED, ...args);
    expect(statSync(path).size).toBe(LIMIT_BYTES);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Filesystem: cannot write standard output')]);
  });

  it('that is full is a failure of --help too', async () => {
    const { code, stderr } = await into('w', 'ulimit -f 0', '--help');
    expect([code, stderr]).toEqual([1, expect.stringContaining('cannot write standard output')]);
  });
});
