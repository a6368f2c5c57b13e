import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sortedEntries } from '../../../dist/backends/file/directory.js';
import { listFiles } from '../../../dist/backends/file/list.js';
import { createPace } from '../../../dist/backends/file/pace.js';
import { createRoot } from '../../../dist/backends/file/root.js';
import { createSavedWalks } from '../../../dist/backends/file/saved-walks.js';
import { NEVER, type StopSignal, StopState } from '../../../dist/protocol/stop.js';
import type { KeyPage, ListRequest, Store } from '../../../dist/protocol/store.js';
import { type ManualSignal, manualSignal } from '../../../dist/testing/signals.js';
import { keyOf, keysOf, listRequest, newDirectory, storeAt, unprivileged } from './kit.js';

async function pages(storeOf: () => Store, request: Partial<ListRequest>): Promise<KeyPage[]> {
  const all: KeyPage[] = [];
  let continuation: string | null = null;
  do {
    const answer = await storeOf().list(listRequest({ ...request, continuation }), NEVER);
    if (answer.value === null) throw answer.error ?? new Error('no page');
    all.push(answer.value);
    continuation = answer.value.next;
  } while (continuation !== null);
  return all;
}

describe('a listing of files', () => {
  it('holds regular files and links to them, and nothing else', async () => {
    const root = newDirectory();
    mkdirSync(`${root}dir/empty`, { recursive: true });
    writeFileSync(`${root}dir/file`, '12345');
    symlinkSync('dir/file', `${root}link`);
    symlinkSync('dir', `${root}link-to-dir`);
    symlinkSync('missing', `${root}broken`);
    symlinkSync('circle', `${root}circle`);
    symlinkSync('..', `${root}dir/up`);
    execFileSync('mkfifo', [`${root}pipe`]);
    const [page] = await pages(() => storeAt(root), {});
    expect(keysOf(page ?? null)).toEqual(['dir/file', 'link']);
    expect([...(page?.sizes ?? [])]).toEqual([5, 5]);
    expect(page?.modified.every((ms) => ms > 1e12)).toBe(true);
  });

  it('goes on in another store that knows nothing but the continuation', async () => {
    const root = newDirectory();
    const keys: string[] = [];
    for (const dir of ['a', 'a.b', 'a/b', 'b/c/d', 'e']) {
      mkdirSync(`${root}${dir}`, { recursive: true });
      for (const name of ['0', 'f', 'z.z']) {
        writeFileSync(`${root}${dir}/${name}`, '');
        keys.push(`${dir}/${name}`);
      }
    }
    keys.sort();
    for (const limit of [1, 2, 5]) {
      const fresh = await pages(() => storeAt(root), { limit });
      const kept = storeAt(root);
      expect(fresh.flatMap(keysOf)).toEqual(keys);
      expect(await pages(() => kept, { limit })).toEqual(fresh);
    }
  });

  it('goes on behind a key, or in a directory, that has gone meanwhile', async () => {
    const root = newDirectory();
    for (const dir of ['a', 'b', 'c']) {
      mkdirSync(`${root}${dir}`);
      for (const name of ['1', '2', '3']) writeFileSync(`${root}${dir}/${name}`, '');
    }
    for (const storeOf of [
      () => storeAt(root),
      (
        (kept) => () =>
          kept
      )(storeAt(root)),
    ]) {
      const first = (await storeOf().list(listRequest({ limit: 4 }), NEVER)).value;
      expect(keysOf(first).at(-1)).toBe('b/1');
      rmSync(`${root}b`, { recursive: true });
      const rest = await storeOf().list(
        listRequest({ limit: 100, continuation: first?.next ?? null }),
        NEVER,
      );
      expect(keysOf(rest.value)).toEqual(['c/1', 'c/2', 'c/3']);
      mkdirSync(`${root}b`);
      for (const name of ['1', '2', '3']) writeFileSync(`${root}b/${name}`, '');
    }
  });

  it('sorts more names than are sorted in one run', async () => {
    const root = newDirectory();
    const keys: string[] = [];
    for (let i = 0; i < 5000; i += 1) keys.push(`${((i * 2_654_435_761) % 4_294_967_296).toString(36)}.${i}`);
    for (const key of keys) writeFileSync(`${root}${key}`, '');
    keys.sort();
    expect((await pages(() => storeAt(root), { limit: 10_000 })).flatMap(keysOf)).toEqual(keys);
    const part = keys.filter((key) => key.startsWith('1'));
    expect(part.length).toBeGreaterThan(50);
    expect((await pages(() => storeAt(root), { prefix: keyOf('1') })).flatMap(keysOf)).toEqual(part);
  });

  it('gives names that are not UTF-8 byte for byte, but refuses to roll up a directory of such a name', async () => {
    const root = newDirectory();
    const dir = Buffer.concat([Buffer.from(root), Buffer.of(0xff, 0xfe)]);
    mkdirSync(dir);
    writeFileSync(Buffer.concat([dir, Buffer.from('/'), Buffer.of(0x80)]), 'x');
    const [page] = await pages(() => storeAt(root), {});
    expect([...(page?.keys ?? [])]).toEqual([0xff, 0xfe, 0x2f, 0x80]);
    const rolled = await storeAt(root).list(listRequest({ delimiter: '/' }), NEVER);
    expect(rolled).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
  });

  it('says NotFound for a directory that is missing or is a file', async () => {
    const root = newDirectory();
    writeFileSync(`${root}file`, '');
    for (const prefix of ['missing/', 'missing/a', 'file/']) {
      const answer = await storeAt(root).list(listRequest({ prefix: keyOf(prefix) }), NEVER);
      expect(answer).toMatchObject({
        outcome: 'refused',
        value: null,
        error: { code: 'NotFound', phase: 'list' },
      });
      expect(answer.error?.uri).toBe(`file://${root}${prefix}`);
    }
  });

  it('fails at a directory that may not be read, and names it', async () => {
    const root = newDirectory();
    mkdirSync(`${root}a/closed`, { recursive: true });
    chmodSync(`${root}a/closed`, 0);
    const answer = await unprivileged(root, () => storeAt(root).list(listRequest(), NEVER));
    chmodSync(`${root}a/closed`, 0o700);
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
    expect(answer.error?.uri).toBe(`file://${root}a/closed/`);
  });

  it.each([
    ['a delimiter other than the slash', { delimiter: '-' }, 'Unsupported'],
    ['a limit of 0', { limit: 0 }, 'InvalidArgument'],
    ['a limit that is not whole', { limit: 1.5 }, 'InvalidArgument'],
    ['a prefix with ..', { prefix: keyOf('../') }, 'InvalidArgument'],
    ['a prefix with a leading slash', { prefix: keyOf('/etc') }, 'InvalidArgument'],
    ['a prefix with an empty segment', { prefix: keyOf('a//') }, 'InvalidArgument'],
    ['a continuation that is no base64url', { continuation: '!!' }, 'InvalidArgument'],
    ['a continuation of another prefix', { prefix: keyOf('a'), continuation: 'YmI' }, 'InvalidArgument'],
  ])('refuses %s', async (_, request, code) => {
    const answer = await storeAt(newDirectory()).list(listRequest(request), NEVER);
    expect(answer).toMatchObject({ outcome: 'refused', value: null, error: { code } });
  });

  it('sees a cancel that arrives as an event while it reads a directory, and while it looks at files', async () => {
    const root = newDirectory();
    for (let i = 0; i < 2000; i += 1) writeFileSync(`${root}${i}`, '');
    const kept = createSavedWalks();
    const list = (request: Partial<ListRequest>, stop: StopSignal): ReturnType<Store['list']> =>
      // A slice of 0 ms: a turn of the event loop wherever there may be one.
      listFiles(createRoot(root), createPace(0), kept, listRequest(request), stop);
    const cancelledSoon = (): ManualSignal => {
      const stop = manualSignal();
      // The first turn is before the walk.
      setImmediate(() => setImmediate(() => stop.set(StopState.Cancelled)));
      return stop;
    };
    expect(await list({}, cancelledSoon())).toMatchObject({ outcome: 'cancelled', value: null, error: null });
    const first = await list({ limit: 1 }, NEVER);
    const request = { limit: 1000, continuation: first.value?.next ?? null };
    // The walk was kept, so that no directory is read here.
    expect(await list(request, cancelledSoon())).toMatchObject({ outcome: 'cancelled', value: null });
    expect((await list(request, NEVER)).value?.count).toBe(1000);
  });
});

describe('sortedEntries', () => {
  it('gives the event loop turns while it reads and while it merges, and sorts all the same', async () => {
    const root = newDirectory();
    const names = Array.from({ length: 5000 }, (_, i) => `${(i * 7919) % 5000}`);
    for (const name of names) writeFileSync(`${root}${name}`, '');
    let turns = 0;
    const pace = { due: () => true, later: setImmediate, turn: async () => {} };
    const walking = { root: createRoot(root), pace, turn: async () => void (turns += 1) };
    expect(await sortedEntries(walking, Buffer.from(root), () => true)).toEqual(
      names.sort((a, b) => (a < b ? -1 : 1)),
    );
    // Nine of them for the chunks that are read, the rest for five runs of which four or five take part in each merge.
    expect(turns).toBeGreaterThan(9 + 8);
  });
});

describe('createPace', () => {
  it('is due when the slice is used up, and begins a new one with a turn', async () => {
    let now = 100;
    const pace = createPace(4, () => now);
    expect(pace.due()).toBe(false);
    now = 103.9;
    expect(pace.due()).toBe(false);
    now = 104;
    expect(pace.due()).toBe(true);
    let hasTurned = false;
    setImmediate(() => (hasTurned = true));
    await pace.turn();
    expect(hasTurned).toBe(true);
    expect(pace.due()).toBe(false);
  });
});

describe('createSavedWalks', () => {
  const frame = (names: number): { directory: string; names: string[]; at: number }[] => [
    { directory: '', names: Array.from({ length: names }, String), at: 0 },
  ];

  it('gives a walk back once, for its own prefix, delimiter and continuation', () => {
    const saved = createSavedWalks();
    const stack = frame(3);
    saved.keep('p', false, 'n', stack);
    expect(saved.take('p', true, 'n')).toBeNull();
    expect(saved.take('q', false, 'n')).toBeNull();
    expect(saved.take('p', false, 'm')).toBeNull();
    expect(saved.take('p', false, 'n')).toBe(stack);
    expect(saved.take('p', false, 'n')).toBeNull();
  });

  it('drops the oldest when they are many or large, but never the newest', () => {
    const saved = createSavedWalks(2, 100);
    for (const next of ['1', '2', '3']) saved.keep('p', false, next, frame(10));
    expect(['1', '2', '3'].map((next) => saved.take('p', false, next) !== null)).toEqual([false, true, true]);
    saved.keep('p', false, 'small', frame(10));
    saved.keep('p', false, 'huge', frame(1000));
    expect(saved.take('p', false, 'small')).toBeNull();
    expect(saved.take('p', false, 'huge')).not.toBeNull();
    saved.keep('p', false, '4', frame(60));
    saved.keep('p', false, '5', frame(40));
    expect(saved.take('p', false, '4')).not.toBeNull();
    saved.clear();
    expect(saved.take('p', false, '5')).toBeNull();
  });
});
