/** What `get` does where its target, or a file of an earlier run, is there already. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { environmentOf, type Origin, startOrigin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SIZE = 5000;
const BIG_BYTES = 400 * 2 ** 20;
let origin: Origin;
let env: Record<string, string>;
let folder: string;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'data', key: 'x', size: SIZE },
      { bucket: 'both', key: 'a', size: 5 },
      { bucket: 'both', key: 'a/b', size: BIG_BYTES },
      { bucket: 'both', key: 'a/c', size: 5 },
      { bucket: 'both', key: `long/${'n'.repeat(256)}`, size: 5 },
      { bucket: 'both', key: `long/${'n'.repeat(255)}`, size: 5 },
      { bucket: 'both', key: 'there', size: 5 },
      { bucket: 'both', key: 'way/x', size: 5 },
      { bucket: 'both', key: 'z', size: 5 },
    ],
  });
  env = environmentOf(origin);
});
afterAll(() => origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-target-'));
});
afterEach(async () => {
  await origin.reset();
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]) => runNode(MAIN, { args, env }).exit();
const isWhole = (bytes: Uint8Array): boolean =>
  bytes.length === SIZE && verifyPattern(objectIdOf('x'), 0, bytes) === -1;

describe.skipIf(process.platform === 'win32')('get -o', () => {
  it('leaves a pipe what it is, and says that cat writes to such', async () => {
    const target = join(folder, 'pipe');
    execFileSync('mkfifo', [target]);
    const { code, stderr } = await run('get', 's3://data/x', '-o', target);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Filesystem: .* is a device, a pipe .*cat/)]);
    expect([lstatSync(target).isFIFO(), readdirSync(folder)]).toEqual([true, ['pipe']]);
  });

  it.each(['/dev/null', '/dev/stdout'])('leaves a link to %s what it is', async (device) => {
    const target = join(folder, 'link');
    symlinkSync(device, target);
    const { code, stderr } = await run('get', 's3://data/x', '-o', target);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is a device, a pipe')]);
    expect([lstatSync(target).isSymbolicLink(), readdirSync(folder)]).toEqual([true, ['link']]);
  });

  it('replaces a link to a file, and not the file; and a link to nothing', async () => {
    const kept = join(folder, 'kept');
    writeFileSync(kept, 'kept');
    for (const [name, to] of [
      ['a', kept],
      ['b', join(folder, 'nothing')],
    ] as const) {
      symlinkSync(to, join(folder, name));
      expect((await run('get', 's3://data/x', '-o', join(folder, name))).code).toBe(0);
      expect([lstatSync(join(folder, name)).isFile(), isWhole(readFileSync(join(folder, name)))]).toEqual([
        true,
        true,
      ]);
    }
    expect([readFileSync(kept, 'utf8'), existsSync(join(folder, 'nothing'))]).toEqual(['kept', false]);
  });
});

describe.skipIf(process.platform === 'win32')('get -r', () => {
  it('leaves out keys whose place is taken or whose name is too long, names them, and goes on', async () => {
    mkdirSync(join(folder, 'there'));
    symlinkSync(tmpdir(), join(folder, 'way'));
    const { code, stdout, stderr } = await run('get', '-r', 's3://both/', '-o', folder, '--json');
    expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ files: 3, refused: 5 })]);
    const told = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { skipped: string; error: { message: string } });
    expect(new Map(told.map(({ skipped, error }) => [skipped, error.message]))).toEqual(
      new Map([
        ['s3://both/a/b', expect.stringContaining('needed as a directory and is a file')],
        ['s3://both/a/c', expect.stringContaining('needed as a directory and is a file')],
        [`s3://both/long/${'n'.repeat(256)}`, expect.stringContaining('longer than 255 bytes')],
        ['s3://both/there', expect.stringContaining('needed as a file and is a directory')],
        ['s3://both/way/x', expect.stringContaining('a symbolic link, which may lead elsewhere')],
      ]),
    );
    expect(readdirSync(folder).sort()).toEqual(['a', 'long', 'there', 'way', 'z']);
    expect(readdirSync(join(folder, 'long'))).toEqual(['n'.repeat(255)]);
  });

  it('does not go on fetching what it has left out', async () => {
    const got = await run('get', '-r', 's3://both/a', '-o', folder, '--memory', '4MiB');
    expect([got.code, got.stderr]).toEqual([1, expect.stringContaining('2 keys cannot be files here')]);
    const asked = (await origin.requests({ op: 'get' })).filter(({ key }) => key === 'a/b');
    // Pieces are planned some dozens ahead; 800 of them are the whole object.
    expect(asked.length).toBeLessThan(400);
  });

  it('still ends where the disk, and not the key, is at fault', async () => {
    const limited = `ulimit -f 1; exec "$0" "$@"`;
    const child = spawn(
      'sh',
      ['-c', limited, process.execPath, MAIN, 'get', '-r', 's3://data/', '-o', folder],
      {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const closed = once(child, 'close');
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    expect([(await closed)[0], stderr]).toEqual([
      1,
      expect.stringMatching(/Filesystem: cannot write .*EFBIG/),
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.skipIf(process.platform === 'win32')('a temporary file of a process that was killed', () => {
  it('is no obstacle to a process that gets the same id, as the first one of a container does', async () => {
    const script = `cd "$1"; : > ".millrace-$$-1.part"; exec "$2" "$3" get s3://data/x -o x`;
    const child = spawn('sh', ['-c', script, 'sh', folder, process.execPath, MAIN], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const closed = once(child, 'close');
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    expect([(await closed)[0], stderr]).toEqual([0, '']);
    expect(isWhole(readFileSync(join(folder, 'x')))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual([expect.stringMatching(/\.part$/), 'x']);
  });
});
