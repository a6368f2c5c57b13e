/** The check of delivered bytes sees what it says that it sees; the options are read; descriptors and memory are told apart. */
import { describe, expect, test } from 'vitest';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { createCheck } from './check.mjs';
import { kindsOf, residentOf } from './gauge.mjs';
import { readOptions } from './options.mjs';
import { planRound } from './works/mix.mjs';
import { diceOf } from './dice.mjs';

const LONG = 300_000;

describe('the check of bytes', () => {
  test('lets the right ones pass, whole and from any offset', () => {
    const look = createCheck();
    for (let i = 0; i < 32; i += 1)
      for (const offset of [0, 1, 4099])
        expect(look('a', patternBytes(objectIdOf('a'), LONG, offset), LONG, offset)).toBeNull();
  });

  test('sees each single wrong byte of a short object', () => {
    const look = createCheck();
    for (let at = 0; at < 4096; at += 97) {
      const bytes = patternBytes(objectIdOf('a'), 4096);
      bytes[at]! ^= 1;
      expect(look('a', bytes, 4096)).toContain(`wrong from byte ${at} `);
    }
  });

  test.each([0, 77_000, LONG - 16_384])(
    'sees at once that 16 KiB from byte %i on are those of another object',
    (at) => {
      const look = createCheck();
      for (let i = 0; i < 40; i += 1) {
        const bytes = patternBytes(objectIdOf('a'), LONG);
        bytes.set(patternBytes(objectIdOf('b'), 16_384, at), at);
        expect(look('a', bytes, LONG)).toContain('a: wrong from byte');
      }
    },
  );

  test('sees a single wrong byte of a long object sooner or later, and another length at once', () => {
    const look = createCheck();
    const bytes = patternBytes(objectIdOf('a'), LONG);
    bytes[200_001]! ^= 1;
    const seen = Array.from({ length: 16 }, () => look('a', bytes, LONG));
    expect(seen.filter((wrong) => wrong !== null).length).toBeGreaterThanOrEqual(1);
    expect(look('a', bytes.subarray(1), LONG)).toContain('299999 bytes instead of 300000');
  });
});

describe('options', () => {
  const read = (...argv: string[]) => readOptions(argv, () => 42);

  test('have defaults, and a seed that is drawn', () => {
    expect(read()).toEqual({ minutes: 10, seed: 42, workers: 2, json: false, intervalSeconds: 10 });
    expect(read('--minutes', '600', '--seed', '7', '--json')).toMatchObject({
      seed: 7,
      json: true,
      intervalSeconds: 30,
    });
  });

  test.each([
    ['--minutes', '0'],
    ['--minutes', 'x'],
    ['--workers', '0'],
    ['--seed', '-1'],
    ['--sede', '1'],
  ])('refuse %s %s and say what is expected', (...argv) => {
    expect(read(...argv)).toMatchObject({ isError: true, help: expect.stringContaining(argv[0]) });
  });
});

test('a round has the same works whatever its seed, in an order that the seed decides', () => {
  const names = (seed: number, round: number): string[] =>
    planRound(diceOf(seed), round).map(({ name }) => name);
  expect(names(1, 0)).toEqual(names(1, 0));
  expect(names(1, 0)).not.toEqual(names(2, 0));
  expect(names(1, 0).sort()).toEqual(names(2, 2).sort());
  expect(names(1, 1).filter((name) => name === 'crash')).toHaveLength(1);
});

test('resident memory is told apart by what it is for', () => {
  const mapping = (head: string, rss: number): string => `${head}\nSize: 1 kB\nRss:   ${rss} kB\n`;
  const text =
    mapping('55d000000000-55d000100000 rw-p 00000000 00:00 0                 [heap]', 1) +
    mapping('7f0000000000-7f0000021000 rw-p 00000000 00:00 0 ', 2) +
    mapping('7f1000001000-7f1008001000 rw-p 00000000 00:00 0 ', 4) +
    mapping('7f2000003000-7f2000103000 rw-p 00000000 00:00 0 ', 8) +
    mapping('7f3000000000-7f3000100000 r-xp 00000000 fe:00 4711           /usr/bin/node', 16);
  expect(residentOf(text, 64 * 2 ** 20)).toEqual({
    malloc: 1024,
    mallocArenas: 2048,
    arena: 4096,
    anonymous: 8192,
    files: 16_384,
  });
});

test('descriptors are counted by kind', () => {
  const files = ['socket:[12]', 'socket:[13]', 'anon_inode:[eventpoll]', 'pipe:[3]', '/dev/null'];
  expect(kindsOf(new Map(files.map((target, i) => [String(i), target])))).toEqual({
    socket: 2,
    eventpoll: 1,
    pipe: 1,
    file: 1,
  });
});
