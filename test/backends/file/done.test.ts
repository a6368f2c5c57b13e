import { closeSync, mkdirSync, openSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createPace, type Pace } from '../../../dist/backends/file/pace.js';
import { PIECE_BYTES, readFile } from '../../../dist/backends/file/read.js';
import { createRoot, factsOf } from '../../../dist/backends/file/root.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { StopState } from '../../../dist/protocol/stop.js';
import type { ReadAnswer, ReadRequest } from '../../../dist/protocol/store.js';
import { manualSignal } from '../../../dist/testing/signals.js';
import { pathFromUri } from '../../../dist/backends/file/uri.js';
import { keyOf, newDirectory, readKey, storeAt } from './kit.js';

const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** A pace that is due when `isDue` says so, and whose turns are kept to be taken by hand. */
function handPace(isDue: () => boolean): Pace & { turns: (() => void)[] } {
  const turns: (() => void)[] = [];
  const later = (go: () => void): void => void turns.push(go);
  return { due: isDue, later, turn: () => new Promise(later), turns };
}

function wholeOf(key: string, length: number): ReadRequest {
  return { key: keyOf(key), start: 0, length, whole: true, version: null, verify: 'never' };
}

describe('when a read is done', () => {
  it('has its answer before the call returns, also when it fails or was cancelled', () => {
    const root = newDirectory();
    const bytes = patternBytes(1, 4096);
    writeFileSync(`${root}a`, bytes);
    const target = new Uint8Array(new SharedArrayBuffer(4096));
    const answers: ReadAnswer[] = [];
    const pace = createPace(Infinity);
    const stop = manualSignal();
    const read = (key: string): void =>
      readFile(createRoot(root), pace, wholeOf(key, 4096), target, stop, (answer) => answers.push(answer));
    read('a');
    expect(Buffer.compare(target, bytes)).toBe(0);
    read('missing');
    read('../a');
    stop.set(StopState.Cancelled);
    read('a');
    expect(answers.map(({ outcome }) => outcome)).toEqual(['complete', 'refused', 'refused', 'cancelled']);
  });

  it('opens nothing before its turn when the slice is used up, and looks at the token again then', () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, 'small');
    const pace = handPace(() => true);
    const stop = manualSignal();
    const answers: ReadAnswer[] = [];
    const target = new Uint8Array(5);
    for (const key of ['a', 'a'])
      readFile(createRoot(root), pace, wholeOf(key, 5), target, stop, (answer) => answers.push(answer));
    expect(answers).toEqual([]);
    expect([...target]).toEqual([0, 0, 0, 0, 0]);
    pace.turns[0]?.();
    expect(answers.map(({ outcome }) => outcome)).toEqual(['complete']);
    stop.set(StopState.Cancelled);
    pace.turns[1]?.();
    expect(answers.map(({ outcome }) => outcome)).toEqual(['complete', 'cancelled']);
    expect(pace.turns).toHaveLength(2);
  });

  it.runIf(process.platform === 'linux')(
    'goes on where it was after each turn, with one open file, and closes it before it is done',
    () => {
      const root = newDirectory();
      closeSync(openSync(`${root}a`, 'w'));
      const size = 3 * PIECE_BYTES + 5;
      truncateSync(`${root}a`, size);
      let looks = 0;
      // Not before the first piece; after that, at each look.
      const pace = handPace(() => (looks += 1) > 1);
      const target = new Uint8Array(size).fill(1);
      const before = openFiles();
      const seen: [ReadAnswer, number][] = [];
      readFile(createRoot('/'), pace, wholeOf(`${root.slice(1)}a`, size), target, manualSignal(), (answer) =>
        seen.push([answer, openFiles()]),
      );
      for (let turn = 0; turn < 3; turn += 1) {
        expect(seen).toEqual([]);
        expect(openFiles()).toBe(before + 1);
        expect(target.lastIndexOf(0)).toBe((turn + 1) * PIECE_BYTES - 1);
        pace.turns[turn]?.();
      }
      expect(seen).toHaveLength(1);
      expect(seen[0]).toMatchObject([{ outcome: 'complete', landed: size, error: null }, before]);
    },
  );

  it('takes what `done` throws for no failure of the file: it is called once, and the caller gets it', () => {
    const root = newDirectory();
    writeFileSync(`${root}a`, 'small');
    let calls = 0;
    const done = (): void => {
      calls += 1;
      throw new Error('of the caller');
    };
    const read = (): void =>
      readFile(
        createRoot(root),
        createPace(Infinity),
        wholeOf('a', 5),
        new Uint8Array(5),
        manualSignal(),
        done,
      );
    expect(read).toThrow('of the caller');
    expect(calls).toBe(1);
  });
});

describe('paths', () => {
  it.each(['plain', 'gr\u00fcn', '\u{1f600}', 'x'.repeat(200)])(
    'finds %j in a root of that name, and in one that is plain',
    async (name) => {
      const parent = newDirectory();
      mkdirSync(`${parent}${name}`);
      for (const file of [name, 'a']) writeFileSync(`${parent}${name}/${file}`, 'found');
      const root = Buffer.from(`${parent}${name}/`).toString('latin1');
      for (const [at, key] of [
        [root, name],
        [root, 'a'],
        [parent, `${name}/${name}`],
      ] as const)
        expect(await readKey(storeAt(at), key, { length: 5 })).toMatchObject({
          outcome: 'complete',
          landed: 5,
        });
    },
  );

  it('reads a URI alike whether it stands for itself or has to be taken apart', () => {
    const pieces = [
      'a',
      'b.c',
      '.',
      '..',
      '...',
      '.x',
      'x..',
      '',
      '%41',
      '%2F',
      '%',
      '?',
      '#',
      ' ',
      '\0',
      '\x7f',
      '\u00fc',
      '~!:@',
    ];
    const outcomeOf = (uri: string): string => {
      try {
        return pathFromUri(uri, '/');
      } catch (thrown) {
        return (thrown as Error).message.replace(/^.*?": /, '');
      }
    };
    const segments = pieces.flatMap((one) => pieces.map((two) => `${one}${two}`));
    for (const segment of segments) {
      for (const path of [segment, `${segment}/`, `a/${segment}`, `a/${segment}/b`]) {
        // Schemes are the same in capitals, but only the usual spelling is looked at first.
        expect(outcomeOf(`file:///${path}`)).toBe(outcomeOf(`FILE:///${path}`));
      }
    }
  });

  it('refuses a key that is longer than any path', async () => {
    const answer = await readKey(storeAt('/'), 'a/'.repeat(3000) + 'a');
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
    expect(answer.error?.message).toContain('ENAMETOOLONG');
  });

  it('makes other versions of times that differ by a microsecond, and of any that mix seconds and fractions', () => {
    const times = [1_000.001, 1_000.01, 1_000.1, 10_000.001, 1_001, 0.001, -0.001, 1_796_543_210_123.25];
    const facts = { size: 1, ino: 2 };
    const versions = times.map((mtimeMs) => factsOf({ ...facts, mtimeMs } as never).version);
    expect(new Set(versions).size).toBe(times.length);
  });
});
