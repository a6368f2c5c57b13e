/** `millrace put` as a process, against the scripted S3 server. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { BUCKET, documents, MAIN, MIB, openWorld, type World } from './writing.kit.js';

const ROOT = `s3://${BUCKET}/`;
let world: World;
let folder: string;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-put-'));
});
afterEach(async () => {
  await world.origin.reset();
  await world.run('rm', '-r', '-f', ROOT);
  rmSync(folder, { recursive: true });
});

/** A file whose every byte tells its name and place. */
function file(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, patternBytes(objectIdOf(name), bytes));
  return path;
}
const wrongByte = async (key: string, name: string): Promise<number> =>
  verifyPattern(objectIdOf(name), 0, await world.body(key));

describe('put', () => {
  it('gives files their names below a URI that ends in a slash, byte for byte', async () => {
    const put = await world.run(
      'put',
      file('a', 5),
      file('b c%20.txt', 100_000),
      file('big', 20 * MIB + 7),
      `${ROOT}in/`,
      '--json',
    );
    expect(put.code).toBe(0);
    const rows = documents(put.stdout).toSorted((a, b) => Number(a['size']) - Number(b['size']));
    expect(rows.map(({ action, uri, size }) => [action, uri, size])).toEqual([
      ['put', `${ROOT}in/a`, 5],
      ['put', `${ROOT}in/b c%20.txt`, 100_000],
      ['put', `${ROOT}in/big`, 20 * MIB + 7],
    ]);
    expect(documents(put.stderr)).toMatchObject([
      { command: 'put', done: 3, skipped: 0, failed: 0, bytes: 20 * MIB + 100_012 },
    ]);
    expect(await wrongByte('in/big', 'big')).toBe(-1);
    expect(await wrongByte('in/b%20c%2520.txt', 'b c%20.txt')).toBe(-1);
    expect(await world.uploads()).toEqual([]);
  });

  it('takes standard input of no bytes, of few, and of 40 MiB in parts', async () => {
    for (const [key, bytes] of [
      ['none', 0],
      ['few', 11],
      ['forty', 40 * MIB],
    ] as const) {
      function* chunks() {
        for (let at = 0; at < bytes; at += 100_003)
          yield patternBytes(objectIdOf(key), Math.min(100_003, bytes - at), at);
      }
      const put = await world.pipe(chunks(), 'put', '-', ROOT + key, '--json', '--memory', '32MiB');
      expect([put.code, documents(put.stdout)]).toMatchObject([0, [{ action: 'put', size: bytes }]]);
      expect((await world.body(key)).length).toBe(bytes);
      expect(await wrongByte(key, key)).toBe(-1);
    }
    const parts = await world.origin.requests({ op: 'put-part' });
    expect(parts).toHaveLength(5);
  });

  it('makes parts of the size that it is told', async () => {
    expect((await world.run('put', file('big', 20 * MIB), `${ROOT}p`, '--part-size', '10MiB')).code).toBe(0);
    const parts = await world.origin.requests({ op: 'put-part' });
    expect(parts.map(({ requestBytes }) => requestBytes)).toEqual([10 * MIB, 10 * MIB]);
  });

  it('says the media type, creates only, and replaces only the version that is meant', async () => {
    const path = file('a', 5);
    expect((await world.run('put', path, `${ROOT}a`, '--content-type', 'text/x-a', '--if-absent')).code).toBe(
      0,
    );
    const [facts] = documents((await world.run('stat', `${ROOT}a`, '--json')).stdout);
    expect(facts).toMatchObject({ contentType: 'text/x-a', size: 5 });
    const again = await world.run('put', path, `${ROOT}a`, '--if-absent');
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('AlreadyExists')]);
    const other = file('b', 6);
    const wrong = await world.run('put', other, `${ROOT}a`, '--if-version', '"0123"');
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('VersionChanged')]);
    const version = String(facts!['version']);
    expect((await world.run('put', other, `${ROOT}a`, '--if-version', version)).code).toBe(0);
    expect(await wrongByte('a', 'b')).toBe(-1);
  });

  it('puts the good ones where one fails, names that one, and ends with 1', async () => {
    await world.origin.script({ key: 'x/bad', do: { status: 403, code: 'AccessDenied' } });
    mkdirSync(join(folder, 'directory'));
    const put = await world.run(
      'put',
      file('good', 10),
      file('bad', 10),
      join(folder, 'none'),
      join(folder, 'directory'),
      file('last', 10),
      `${ROOT}x/`,
    );
    expect(put.code).toBe(1);
    expect(await world.keys()).toEqual(['x/good', 'x/last']);
    for (const why of [/failed s3:\S+x\/bad: AccessDenied/, /x\/none: NotFound/, /is a directory/]) {
      expect(put.stderr).toMatch(why);
    }
    expect(put.stderr).toContain('put 2, skipped 0, failed 3; 20 B');
    expect(put.stdout.match(/ failed /g)).toHaveLength(3);
  });

  it('puts the good ones beside one that is no file and cannot be opened', async () => {
    const socket = join(folder, 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    const put = await world.run('put', socket, file('good', 10), `${ROOT}x/`, '--json');
    server.close();
    expect(documents(put.stdout).map(({ action, uri }) => [action, uri])).toEqual(
      expect.arrayContaining([
        ['failed', `${ROOT}x/socket`],
        ['put', `${ROOT}x/good`],
      ]),
    );
    expect([put.code, put.stdout]).toEqual([1, expect.stringContaining('ENXIO')]);
  });

  it('refuses what cannot be meant, with 2, and writes nothing', async () => {
    const path = file('a', 5);
    for (const [args, why] of [
      [[path, path, `${ROOT}a`], 'need a URI that ends in "/"'],
      [[path, path, ROOT], 'would both become'],
      [['-', ROOT], 'standard input has no name'],
      [['s3://open/x', `${ROOT}a`], 'millrace cp'],
      [[folder, `${ROOT}a`], 'is a directory'],
      [[path, `${ROOT}a`, '--if-absent', '--if-version', '1'], 'one of the two'],
      [[path, join(folder, 'b'), ROOT, '--if-version', '1'], 'of one object'],
      [[path, `${ROOT}a`, '--part-siez', '1MiB'], 'did you mean "--part-size"?'],
      [[path, `${ROOT}a`, '--part-size', '1M'], '--part-size'],
      [[path], 'expected SOURCE... URI'],
    ] as const) {
      const put = await world.run('put', ...args);
      expect([put.code, put.stderr], args.join(' ')).toEqual([2, expect.stringContaining(why)]);
    }
    expect(await world.keys()).toEqual([]);
  });

  it('says which schemes are read-only', async () => {
    const put = await world.run('put', file('a', 5), 'memory:///a');
    expect([put.code, put.stderr]).toEqual([
      1,
      expect.stringMatching(/Unsupported: memory:\S* is read-only/),
    ]);
  });

  it('with wrong credentials says what to do, and shows no secret', async () => {
    const secret = 'tHisIsaVeryWrongSecretKey0123456789abcdef';
    const env = {
      AWS_ENDPOINT_URL_S3: world.origin.url,
      AWS_REGION: world.origin.region,
      AWS_ACCESS_KEY_ID: 'AKIAWRONG',
      AWS_SECRET_ACCESS_KEY: secret,
    };
    for (const more of ['-v', '--json']) {
      const args = ['put', file('a', 5), 's3://closed/a', more];
      const put = await runNode(MAIN, { args, env }).exit();
      expect(put.code).toBe(1);
      expect(put.stdout + put.stderr).toContain('Unauthenticated');
      if (more === '-v') expect(put.stderr).toContain('"millrace doctor" tells which credentials are found');
      expect(put.stdout + put.stderr).not.toContain(secret.slice(0, 12));
    }
  });
});

describe('a signal during put', () => {
  it('leaves nothing visible and no unfinished upload of a large file, and ends with its code', async () => {
    await world.origin.script({ op: 'put-part', nth: 3, do: { stall: 'before-head' } });
    const child = world.start('put', file('big', 60 * MIB), `${ROOT}big`);
    await world.origin.waitFor({ stalled: 1 });
    expect(await world.uploads()).toEqual(['big']);
    child.signal('SIGINT');
    await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
    await world.origin.release();
    const { code, stdout, stderr } = await child.exit();
    expect([code, stdout]).toEqual([130, '']);
    expect(stderr).toContain('ended by SIGINT: put 0, skipped 0, failed 0');
    expect([await world.keys(), await world.uploads()]).toEqual([[], []]);
  });

  it('ends while standard input gives nothing more, and gives up what was sent', async () => {
    // What has emptied the bucket before is not to be counted.
    await world.origin.reset();
    const child = world.start('put', '-', `${ROOT}x`);
    child.send('x'.repeat(9 * MIB));
    // The begin of an upload, and its first part.
    await world.origin.waitFor({ answered: 2, inFlight: 0 });
    expect(await world.uploads()).toEqual(['x']);
    child.signal('SIGTERM');
    const { code, stderr } = await child.exit();
    expect([code, stderr]).toEqual([143, expect.stringContaining('ended by SIGTERM: put 0')]);
    expect([await world.keys(), await world.uploads()]).toEqual([[], []]);
  });
});
