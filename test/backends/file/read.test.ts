import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PIECE_BYTES } from '../../../dist/backends/file/read.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { manualSignal, turn } from '../../../dist/testing/signals.js';
import { keyOf, newDirectory, readKey, storeAt, unprivileged } from './kit.js';
import { readOnce } from '../../kit/attempts.js';

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const onLinux = process.platform === 'linux';

describe('what is no regular file', () => {
  it('refuses a FIFO without blocking the thread', async () => {
    const root = newDirectory();
    execFileSync('mkfifo', [`${root}pipe`]);
    const answer = await readKey(storeAt(root), 'pipe');
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(answer.error).toMatchObject({ code: 'Unsupported', retryable: false });
    expect(answer.error?.message).toContain('a FIFO');
  });

  it('refuses a directory, a socket and a device, and names what it is', async () => {
    const root = newDirectory();
    mkdirSync(`${root}dir`);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${root}sock`, resolve));
    onTestFinished(() => void server.close());
    expect((await readKey(storeAt(root), 'dir')).error?.message).toContain('a directory');
    expect((await readKey(storeAt(root), 'sock')).error?.message).toContain('a socket');
    const device = await readKey(storeAt('/'), 'dev/zero');
    expect(device.error?.message).toContain('a character device');
    for (const key of ['dir', 'sock'])
      expect((await storeAt(root).head(keyOf(key), manualSignal())).error?.code).toBe('Unsupported');
  });

  it.runIf(existsSync('/sys/kernel/uevent_seqnum'))(
    'does not take files that the kernel makes up for empty or short ones',
    async () => {
      const empty = await readKey(storeAt('/'), 'proc/cpuinfo');
      expect(empty).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
      const sized = await readKey(storeAt('/'), 'sys/kernel/uevent_seqnum', { length: 4096 });
      expect(sized).toMatchObject({ outcome: 'interrupted', error: { code: 'ShortBody' } });
    },
  );
});

describe('errors', () => {
  it('tells a missing file, a missing directory and a file used as one', async () => {
    const root = newDirectory();
    writeFileSync(`${root}file`, 'x');
    for (const key of ['none', 'none/a', 'file/a']) {
      const answer = await readKey(storeAt(root), key, { start: 5, length: 7 });
      expect(answer).toMatchObject({ outcome: 'refused', landed: 0, size: -1, error: { code: 'NotFound' } });
      expect(answer.error).toMatchObject({ phase: 'request', uri: `file://${root}${key}`, range: [5, 11] });
    }
    expect((await readKey(storeAt(root), 'none')).error?.message).toContain('ENOENT');
    expect((await readKey(storeAt(root), 'file/a')).error?.message).toContain('ENOTDIR');
  });

  it('tells a file that may not be read', async () => {
    const root = newDirectory();
    writeFileSync(`${root}closed`, 'x');
    chmodSync(`${root}closed`, 0);
    const answer = await unprivileged(root, () => readKey(storeAt(root), 'closed'));
    expect(answer).toMatchObject({
      outcome: 'refused',
      error: { code: 'AccessDenied' },
    });
  });

  it('tells a name that is too long and links in a circle', async () => {
    const root = newDirectory();
    symlinkSync('circle', `${root}circle`);
    const long = await readKey(storeAt(root), 'x'.repeat(300));
    expect(long).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
    expect(long.error?.message).toContain('ENAMETOOLONG');
    const circle = await readKey(storeAt(root), 'circle');
    expect(circle).toMatchObject({ outcome: 'refused', error: { code: 'Filesystem' } });
    expect(circle.error?.message).toContain('ELOOP');
  });

  it.each(['', '/etc/passwd', 'a//b', './a', 'a/.', '..', '../x', 'a/../../x', 'a/', 'a\0b'])(
    'refuses the key %j before it touches the disk',
    async (key) => {
      const root = newDirectory();
      writeFileSync(`${root}a`, 'x');
      const answer = await readKey(storeAt(root), key);
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
      expect((await storeAt(root).head(keyOf(key), manualSignal())).error?.code).toBe('InvalidArgument');
    },
  );

  it('refuses a request that does not fit its target, or a whole that does not begin at 0', async () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, 'xyz');
    const store = storeAt(root);
    const request = {
      key: keyOf('a'),
      start: 0,
      length: 3,
      whole: false,
      version: null,
      verify: 'never' as const,
    };
    for (const odd of [
      { length: 4 },
      { start: -1 },
      { start: 0.5 },
      { length: Number.NaN },
      { start: 1, whole: true },
    ]) {
      const target = new Uint8Array(3);
      const answer = await readOnce(store, { ...request, ...odd }, target, manualSignal());
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
      expect([...target]).toEqual([0, 0, 0]);
    }
  });

  it.runIf(onLinux)('leaves no descriptor open, however a read ends', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    writeFileSync(`${root}a`, patternBytes(1, 5000));
    writeFileSync(`${outside}b`, 'b');
    symlinkSync(`${outside}b`, `${root}out`);
    mkdirSync(`${root}dir`);
    const store = storeAt(root);
    const stop = manualSignal((signal) => {
      if (signal.looks === 2) signal.set(StopState.Cancelled);
    });
    await readKey(store, 'a');
    const before = openFiles();
    const outcomes = [
      await readKey(store, 'a', { length: 5000, whole: true }),
      await readKey(store, 'a', { length: 10, whole: true }),
      await readKey(store, 'a', { version: 'other' }),
      await readKey(store, 'a', { start: 6000 }),
      await readKey(store, 'dir'),
      await readKey(store, 'out'),
      await readKey(store, 'a', {}, stop),
    ].map((answer) => answer.outcome);
    expect(outcomes).toEqual([
      'complete',
      'size-changed',
      'version-changed',
      'refused',
      'refused',
      'refused',
      'cancelled',
    ]);
    await store.list({ prefix: keyOf(''), delimiter: null, continuation: null, limit: 10 }, manualSignal());
    expect(openFiles()).toBe(before);
  });
});

describe('changes', () => {
  /** Runs `change` at the look at the token before the second piece, then reads on. */
  const readWhile = (
    root: string,
    change: () => void,
    whole: boolean,
    length: number,
  ): ReturnType<typeof readKey> => {
    const stop = manualSignal((signal) => {
      if (signal.looks === 3) change();
    });
    return readKey(storeAt(root), 'a', { length, whole }, stop);
  };
  const size = 3 * PIECE_BYTES;

  it.each([true, false])(
    'does not call bytes complete that were cut off meanwhile (whole: %s)',
    async (whole) => {
      const root = newDirectory();
      writeFileSync(`${root}a`, patternBytes(1, size));
      const answer = await readWhile(root, () => truncateSync(`${root}a`, PIECE_BYTES + 5), whole, size);
      expect(answer).toMatchObject({
        outcome: whole ? 'size-changed' : 'version-changed',
        landed: 0,
        size: PIECE_BYTES + 5,
        error: { code: 'VersionChanged', retryable: true, phase: 'body' },
      });
    },
  );

  it.each([true, false])('does not mix bytes of two versions (whole: %s)', async (whole) => {
    const root = newDirectory();
    writeFileSync(`${root}a`, patternBytes(1, size));
    // A time far from now, since the clock of the filesystem may not have ticked since the file was made.
    utimesSync(`${root}a`, 1_000_000, 1_000_000);
    const change = (): void => writeFileSync(`${root}a`, patternBytes(2, size));
    const answer = await readWhile(root, change, whole, size);
    expect(answer).toMatchObject({ outcome: 'version-changed', landed: 0, size });
  });

  it('does not call a file whole that grew meanwhile', async () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, patternBytes(1, size));
    const answer = await readWhile(root, () => appendFileSync(`${root}a`, 'more'), true, size);
    expect(answer).toMatchObject({ outcome: 'size-changed', landed: 0, size: size + 4 });
  });

  it('reads the file that it opened to its end when another takes its name', async () => {
    const root = newDirectory();
    const bytes = patternBytes(1, size);
    writeFileSync(`${root}a`, bytes);
    const replace = (): void => {
      rmSync(`${root}a`);
      writeFileSync(`${root}a`, patternBytes(2, size));
    };
    const answer = await readWhile(root, replace, true, size);
    expect(answer.outcome).toBe('complete');
    expect(Buffer.compare(answer.target, bytes)).toBe(0);
    expect((await readKey(storeAt(root), 'a', { version: answer.version })).outcome).toBe('version-changed');
  });
});

describe('the event loop', () => {
  it('settles the read of a small file without a turn of it', async () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, 'small');
    let hasTurned = false;
    const store = storeAt(root);
    const reading = readKey(store, 'a');
    setImmediate(() => (hasTurned = true));
    expect((await reading).landed).toBe(5);
    expect(hasTurned).toBe(false);
  });

  it('has turns during a long read, and in a row of small ones that never wait', async () => {
    const root = newDirectory();
    closeSync(openSync(`${root}sparse`, 'w'));
    truncateSync(`${root}sparse`, 256 * PIECE_BYTES);
    writeFileSync(`${root}a`, 'small');
    const store = storeAt(root);
    let turns = 0;
    let isOver = false;
    const count = async (): Promise<void> => {
      while (!isOver) {
        await turn();
        turns += 1;
      }
    };
    const counting = count();
    const length = 256 * PIECE_BYTES;
    expect((await readKey(store, 'sparse', { length, whole: true })).outcome).toBe('complete');
    expect(turns).toBeGreaterThan(1);
    turns = 0;
    for (let i = 0; i < 20_000; i += 1) await readKey(store, 'a', { length: 5 });
    expect(turns).toBeGreaterThan(1);
    isOver = true;
    await counting;
  });

  it('lets a cancel that arrives as an event end a long read', async () => {
    const root = newDirectory();
    closeSync(openSync(`${root}sparse`, 'w'));
    truncateSync(`${root}sparse`, 1024 * PIECE_BYTES);
    const stop = manualSignal();
    setImmediate(() => stop.set(StopState.Cancelled));
    const length = 1024 * PIECE_BYTES;
    const answer = await readKey(storeAt(root), 'sparse', { length, whole: true }, stop);
    expect(answer.outcome).toBe('cancelled');
    expect(answer.landed).toBeLessThan(length);
  });

  it('looks at the token before it opens, and goes on under one that drains', async () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, 'small');
    const stop = manualSignal();
    stop.set(StopState.Draining);
    expect((await readKey(storeAt(root), 'a', {}, stop)).outcome).toBe('complete');
    stop.set(StopState.Cancelled);
    // A missing file would be refused if it were looked for.
    expect((await readKey(storeAt(root), 'missing', {}, stop)).outcome).toBe('cancelled');
  });
});
