/** What `get` does where its target, or a file of an earlier run, is there already. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
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
import { type Origin, startOrigin } from '../kit/origin.mjs';
import { objectIdOf, verifyPattern } from '../kit/pattern.mjs';
import { runNode } from '../kit/process.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SIZE = 5000;
let origin: Origin;
let env: Record<string, string>;
let folder: string;

beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: 'data', key: 'x', size: SIZE }] });
  env = {
    AWS_ENDPOINT_URL_S3: origin.url,
    AWS_REGION: origin.region,
    AWS_ACCESS_KEY_ID: origin.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: origin.credentials.secretAccessKey,
  };
});
afterAll(() => origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-target-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

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
