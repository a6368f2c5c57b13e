/** Direct reads over a device that minds alignment more than most, on whatever filesystem the tests run. */
import { appendFileSync, readdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PIECE_BYTES } from '../../../dist/backends/file/direct-plan.js';
import { NEVER, StopState } from '../../../dist/protocol/stop.js';
import type { ReadRequest } from '../../../dist/protocol/store.js';
import { manualSignal, turn } from '../../../dist/testing/signals.js';
import { SENTINEL } from '../../../dist/testing/assertions.js';
import { readOnce } from '../../kit/attempts.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { keyOf, newDirectory, readKey } from '../file/kit.js';
import { directStore, einval, type FakeDisk, fakeDisk } from './kit.js';

const MIB = 1024 * 1024;
const STRICT = { blockBytes: 4096, memoryBytes: 4096 };
const openFiles = (): number => readdirSync('/proc/self/fd').length;

function request(start: number, length: number, changes: Partial<ReadRequest> = {}): ReadRequest {
  return { key: keyOf('a'), start, length, whole: false, version: null, verify: 'never', ...changes };
}

/** A file of `size` bytes behind a device. */
function rig(size: number, traits = STRICT, fallback: 'error' | 'buffered' = 'error') {
  const root = newDirectory();
  const bytes = patternBytes(7, size);
  writeFileSync(`${root}a`, bytes);
  const disk = fakeDisk(traits);
  return { root, path: `${root}a`, bytes, disk, ...directStore(root, fallback, disk) };
}

/** Memory whose byte at `align` lies on a page for the device, since buffers of `fakeDisk` begin at 16. */
function pageView(length: number, shift = 0): Uint8Array {
  const buffer = new SharedArrayBuffer(length + 3 * 4096);
  Buffer.from(buffer).fill(Buffer.alloc(buffer.byteLength, SENTINEL));
  return new Uint8Array(buffer, 4096 + 4080 + shift, length);
}

/** Whether the buffer holds nothing but sentinels outside of the first `length` bytes of the view. */
function isAloneIn(view: Uint8Array, length: number): boolean {
  const { buffer, byteOffset } = view;
  const end = byteOffset + length;
  const sentinels = Buffer.alloc(buffer.byteLength, SENTINEL);
  const before = Buffer.from(buffer, 0, byteOffset);
  const behind = Buffer.from(buffer, end);
  return before.equals(sentinels.subarray(0, byteOffset)) && behind.equals(sentinels.subarray(end));
}

describe('bytes', () => {
  it('land exactly, and nowhere else, whatever the range, the device and the place in memory', async () => {
    const size = 3 * MIB + 777;
    for (const traits of [
      STRICT,
      { blockBytes: 512, memoryBytes: 512 },
      { blockBytes: 512, memoryBytes: 4096 },
      { blockBytes: 4096, memoryBytes: 4 },
    ]) {
      const { store, bytes, disk } = rig(size, traits);
      let seed = 11;
      const roll = (below: number): number => (mix32((seed += 1)) >>> 0) % below;
      for (let round = 0; round < 60; round += 1) {
        const start = roll(3) === 0 ? 4096 * roll(500) : roll(size);
        const length = 1 + (roll(2) === 0 ? roll(20_000) : roll(size));
        const view = pageView(length, roll(2) === 0 ? 0 : roll(4096));
        const answer = await readOnce(store, request(start, length), view, NEVER);
        const there = Math.min(length, size - start);
        expect(answer).toMatchObject({ outcome: 'complete', landed: there, size });
        expect(Buffer.compare(view.subarray(0, there), bytes.subarray(start, start + there))).toBe(0);
        expect(isAloneIn(view, there)).toBe(true);
      }
      expect(disk.pending).toEqual([]);
    }
  });

  it('go straight into an aligned target, and are copied only where a block is covered in part', async () => {
    const { store, counters, disk } = rig(9 * MIB + 100);
    const length = 9 * MIB + 100;
    const answer = await readOnce(store, request(0, length, { whole: true }), pageView(length), NEVER);
    expect(answer).toMatchObject({ outcome: 'complete', landed: length });
    expect(counters).toEqual({ bouncedBytes: 100, bufferedBytes: 0 });
    expect(disk.seen.map((read) => read.length)).toEqual([PIECE_BYTES, PIECE_BYTES, MIB, 4096]);
  });

  it('go through the bounce memory when the target never lies as the device wants it', async () => {
    const { store, counters } = rig(MIB);
    await readOnce(store, request(0, MIB), pageView(MIB, 8), NEVER);
    expect(counters.bouncedBytes).toBe(MIB);
  });

  it('are those of the file also when the device gives less than it was asked for', async () => {
    const { store, bytes, disk } = rig(2 * MIB);
    let left = 3;
    // Whole blocks, as the kernel does: only at the end of the file is a read shorter than one.
    disk.onRead = ({ length }) => ((left -= 1) >= 0 ? 4096 * Math.ceil(length / 3 / 4096) : length);
    const view = pageView(2 * MIB);
    const answer = await readOnce(store, request(0, 2 * MIB), view, NEVER);
    expect(answer).toMatchObject({ outcome: 'complete', landed: 2 * MIB });
    expect(Buffer.compare(view, bytes)).toBe(0);
    expect(isAloneIn(view, 2 * MIB)).toBe(true);
  });
});

describe('what is learnt of a device', () => {
  it('is learnt once, not for each file, and target memory once for each buffer', async () => {
    const { root, store, disk } = rig(MIB);
    writeFileSync(`${root}b`, patternBytes(8, MIB));
    const view = pageView(MIB);
    await readOnce(store, request(0, MIB), view, NEVER);
    const probes = disk.probes.length;
    expect(probes).toBeGreaterThan(0);
    await readOnce(store, request(0, MIB, { key: keyOf('b') }), view, NEVER);
    expect(disk.probes).toHaveLength(probes);
  });

  it('is learnt again when a device refuses what it took before, without losing what has landed', async () => {
    const { store, bytes, disk } = rig(9 * MIB, { blockBytes: 512, memoryBytes: 512 });
    const view = pageView(9 * MIB, 512);
    disk.onRead = () => {
      // From the first read on, another device lies below the same filesystem.
      disk.traits = STRICT;
    };
    const answer = await readOnce(store, request(512, 9 * MIB - 512), view, NEVER);
    expect(answer).toMatchObject({ outcome: 'complete', landed: 9 * MIB - 512 });
    expect(Buffer.compare(view.subarray(0, 9 * MIB - 512), bytes.subarray(512))).toBe(0);
  });

  it('is not learnt from a file that became empty meanwhile', async () => {
    const { path, store, disk, bytes } = rig(MIB);
    const { readSync } = disk;
    const shrinking: FakeDisk['readSync'] = () => {
      truncateSync(path, 0);
      return 0;
    };
    Object.assign(disk, { readSync: shrinking });
    const cut = await readOnce(store, request(0, MIB), pageView(MIB), NEVER);
    expect(cut).toMatchObject({ outcome: 'version-changed', landed: 0, size: 0 });
    Object.assign(disk, { readSync });
    writeFileSync(path, bytes);
    const reads = disk.seen.length;
    const whole = await readOnce(store, request(0, MIB), pageView(MIB), NEVER);
    expect(whole).toMatchObject({ outcome: 'complete', landed: MIB });
    // None of them was refused for keeping to what the empty file said.
    expect(disk.seen).toHaveLength(reads + 1);
  });
});

describe('a filesystem that refuses direct reads', () => {
  const refusing = { blockBytes: 512, memoryBytes: 2 ** 30 };
  const without = { blockBytes: 512, memoryBytes: 512, flags: 0 };
  it.each([
    ['that takes no read', refusing],
    ['of a system that has none', without],
  ])('(one %s) is an error that says what to do', async (_, traits) => {
    const { store, counters } = rig(5000, traits);
    const before = openFiles();
    const answer = await readKey(store, 'a', { length: 5000, whole: true });
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0, error: { code: 'Unsupported' } });
    expect(answer.error?.message).toContain('O_DIRECT');
    expect(answer.error?.message).toContain(`stores: {direct: {fallback: 'buffered'}}`);
    expect(answer.error?.uri).toMatch(/^direct:\/\/\//);
    expect(counters).toEqual({ bouncedBytes: 0, bufferedBytes: 0 });
    expect(openFiles()).toBe(before);
  });

  it.each([
    ['that takes no read', refusing],
    ['of a system that has none', without],
  ])(
    '(one %s) is read through the page cache where that is asked for, and it is counted',
    async (_, traits) => {
      const { store, counters, bytes } = rig(5000, traits, 'buffered');
      const answer = await readKey(store, 'a', { length: 5000, whole: true });
      expect(answer).toMatchObject({ outcome: 'complete', landed: 5000, error: null });
      expect(Buffer.compare(answer.target, bytes)).toBe(0);
      expect(counters).toEqual({ bouncedBytes: 0, bufferedBytes: 5000 });
    },
  );

  it('that refuses in the middle of a file is read through the page cache from its beginning', async () => {
    const { store, counters, bytes, disk } = rig(9 * MIB, STRICT, 'buffered');
    disk.onRead = () => void (disk.traits = refusing);
    const view = pageView(9 * MIB);
    const answer = await readOnce(store, request(0, 9 * MIB), view, NEVER);
    expect(answer).toMatchObject({ outcome: 'complete', landed: 9 * MIB });
    expect(Buffer.compare(view, bytes)).toBe(0);
    expect(counters.bufferedBytes).toBe(9 * MIB);
  });
});

describe('a cancel', () => {
  it('is answered only when the read that is under way has ended, and no other begins', async () => {
    const { store, disk, bytes } = rig(9 * MIB);
    disk.held = true;
    const view = pageView(9 * MIB);
    const stop = manualSignal();
    const before = openFiles();
    let isOver = false;
    const reading = readOnce(store, request(0, 9 * MIB), view, stop).then((answer) => {
      isOver = true;
      return answer;
    });
    // A turn later, where the slice of the thread was used up by making the file.
    while (disk.pending.length === 0) await turn();
    disk.pending[0]!();
    expect(disk.pending).toHaveLength(1);
    stop.set(StopState.Cancelled);
    for (let turns = 0; turns < 5; turns += 1) await turn();
    // The kernel may still write into the target.
    expect(isOver).toBe(false);
    disk.pending[0]!();
    const answer = await reading;
    expect(answer).toMatchObject({ outcome: 'cancelled', landed: 2 * PIECE_BYTES, error: null });
    expect(Buffer.compare(view.subarray(0, answer.landed), bytes.subarray(0, answer.landed))).toBe(0);
    expect(disk.pending).toEqual([]);
    expect(stop.linked).toBe(0);
    expect(openFiles()).toBe(before);
  });

  it('is seen by those that wait for bounce memory, which is bounded and goes round', async () => {
    const { store, disk, bytes } = rig(5000);
    disk.held = true;
    const stop = manualSignal();
    const views = Array.from({ length: 20 }, () => pageView(5000, 8));
    const going = views.map((view, i) => readOnce(store, request(0, 5000), view, i === 12 ? stop : NEVER));
    // Those that came when the slice of the thread was used up begin a turn later.
    for (let turns = 0; turns < 5; turns += 1) await turn();
    const atOnce = disk.pending.length;
    expect(atOnce).toBeGreaterThan(1);
    expect(atOnce).toBeLessThan(12);
    const places = new Set(disk.seen.map(({ offset }) => offset));
    expect(places.size).toBe(atOnce);
    stop.set(StopState.Cancelled);
    while (disk.pending.length > 0) {
      expect(disk.pending.length).toBeLessThanOrEqual(atOnce);
      disk.pending[0]!();
    }
    const answers = await Promise.all(going);
    for (const [i, { outcome }] of answers.entries()) {
      expect(outcome).toBe(i === 12 ? 'cancelled' : 'complete');
      if (i !== 12) expect(Buffer.compare(views[i]!, bytes)).toBe(0);
      else expect(isAloneIn(views[i]!, 0)).toBe(true);
    }
  });
});

describe('what goes wrong', () => {
  it('in one read is its error, the slot of bounce memory is free again, and no file stays open', async () => {
    const { store, disk } = rig(5000);
    const before = openFiles();
    disk.onRead = () => Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    for (let i = 0; i < 20; i += 1) {
      const answer = await readKey(store, 'a', { length: 5000 });
      expect(answer).toMatchObject({ outcome: 'transient', landed: 0, error: { code: 'Filesystem' } });
    }
    disk.onRead = null;
    expect((await readKey(store, 'a', { length: 5000 })).outcome).toBe('complete');
    expect(openFiles()).toBe(before);
  });

  it('after something landed says what is good', async () => {
    const { store, disk } = rig(9 * MIB);
    disk.onRead = ({ position }) =>
      position > 0 ? Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }) : undefined;
    const answer = await readOnce(store, request(0, 9 * MIB), pageView(9 * MIB), NEVER);
    expect(answer).toMatchObject({ outcome: 'interrupted', landed: PIECE_BYTES });
  });

  it('does not go round for ever with a device that refuses what it took when it was asked', async () => {
    const { store, disk } = rig(9 * MIB);
    disk.onRead = () => einval();
    const answer = await readOnce(store, request(0, 9 * MIB), pageView(9 * MIB), NEVER);
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0, error: { code: 'Filesystem' } });
    expect(disk.seen).toHaveLength(2);
  });

  it.each([
    ['cut', (path: string) => truncateSync(path, 5 * MIB + 5), 'size-changed'],
    ['grown', (path: string) => appendFileSync(path, 'more'), 'size-changed'],
    ['written over', (path: string) => writeFileSync(path, patternBytes(9, 9 * MIB)), 'version-changed'],
  ])('a file that was %s meanwhile is not called complete', async (_, change, outcome) => {
    const { store, disk, path } = rig(9 * MIB);
    // A time far from now, since the clock of the filesystem may not have ticked since the file was made.
    utimesSync(path, 1_000_000, 1_000_000);
    let changed = false;
    disk.onRead = ({ position }) => {
      if (position === 0 || changed) return;
      changed = true;
      change(path);
    };
    const answer = await readOnce(store, request(0, 9 * MIB, { whole: true }), pageView(9 * MIB), NEVER);
    expect(answer).toMatchObject({ outcome, landed: 0, error: { code: 'VersionChanged', phase: 'body' } });
  });
});
