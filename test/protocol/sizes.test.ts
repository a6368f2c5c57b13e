import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../dist/protocol/sizes.js';

const refusal = (fn: () => unknown): { code: string; message: string } => {
  try {
    fn();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('was accepted');
};

describe('parseBytes', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['1B', 1],
    ['10kB', 10_000],
    ['10KB', 10_000],
    ['1.5GB', 1_500_000_000],
    ['2TB', 2e12],
    ['64KiB', 65_536],
    ['64MiB', 64 * 2 ** 20],
    ['64 MiB', 64 * 2 ** 20],
    [' 6GiB ', 6 * 2 ** 30],
    ['1.5TiB', 1.5 * 2 ** 40],
    ['4.35MB', 4_350_000],
    [7, 7],
  ])('reads %s as %i', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    '64mb',
    '64Mb',
    '64M',
    '10k',
    '64mib',
    '64MIB',
    '',
    'MiB',
    '-1MiB',
    '1e3',
    '0x10',
    '1,5MB',
    '.5MB',
    '1.5',
    '1.5B',
    '9000TiB',
    '1 2MB',
    '1  MB',
    '64MiB!',
  ])('refuses %j and prints what was given and expected', (text) => {
    const error = refusal(() => parseBytes(text, 'memoryBudget'));
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toContain('memoryBudget: expected');
    expect(error.message).toContain(JSON.stringify(text));
    expect(error.message).toContain('"64MiB"');
  });

  it.each([-1, 1.5, Number.NaN, Infinity, 2 ** 53])('refuses the number %d', (value) => {
    expect(refusal(() => parseBytes(value)).code).toBe('InvalidArgument');
  });

  it('refuses what is neither number nor text', () => {
    expect(refusal(() => parseBytes(null as unknown as string)).message).toContain('given null');
    expect(refusal(() => parseBytes(Object.create(null) as string)).message).toContain('given an object');
    expect(refusal(() => parseBytes(5n as unknown as string)).code).toBe('InvalidArgument');
  });

  it('bounds what it repeats of a long text', () => {
    expect(refusal(() => parseBytes('9'.repeat(1000))).message.length).toBeLessThan(300);
  });
});

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['25s', 25_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['0s', 0],
    [250, 250],
  ])('reads %s as %i ms', (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  it.each(['25', '25 sec', '1m30s', '2M', '0.5ms', '-1s', ''])('refuses %j', (text) => {
    const error = refusal(() => parseDuration(text, 'deadline'));
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toContain('deadline: expected');
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1024 * 1024 - 1, '1 MiB'],
    [64 * 2 ** 20, '64 MiB'],
    [5 * 2 ** 50, '5120 TiB'],
    [-2048, '-2 KiB'],
    [Infinity, 'Infinity'],
  ])('writes %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('writes whole units so that parseBytes reads them back', () => {
    for (const bytes of [0, 1, 1023, 2 ** 10, 2 ** 20 * 8, 2 ** 30 * 6, 2 ** 40])
      expect(parseBytes(formatBytes(bytes))).toBe(bytes);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [1234, '1234ms'],
    [61_000, '61s'],
    [90_000, '1.5m'],
    [5_400_000, '1.5h'],
    [0.04, '0ms'],
    [12.34, '12.3ms'],
  ])('writes %d ms as %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  it('writes whole milliseconds so that parseDuration reads them back', () => {
    for (let durationMs = 0; durationMs < 8_000_000; durationMs += 977)
      expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
  });
});

describe('a size or a duration that is not understood', () => {
  it('says what it is for, what was expected and what was given', () => {
    expect(refusal(() => parseBytes('many'))).toMatchObject({
      code: 'InvalidArgument',
      phase: 'configure',
      message:
        'size: expected a whole number of bytes, or a text like "64MiB", "1.5GB" or "512kB"; given "many"',
    });
    expect(refusal(() => parseDuration('soon'))).toMatchObject({
      message:
        'duration: expected a whole number of milliseconds, or a text like "500ms", "25s", "2m" or "1h"; given "soon"',
    });
  });

  it('lists the units where the unit is what is wrong', () => {
    expect(refusal(() => parseBytes('64M'))).toMatchObject({
      message: expect.stringContaining('(units: B, kB, KB, MB, GB, TB, KiB, MiB, GiB, TiB); given "64M"'),
    });
    for (const text of ['25', '25sec'])
      expect(refusal(() => parseDuration(text))).toMatchObject({
        message: expect.stringContaining('(units: ms, s, m, h)'),
      });
  });
});

describe('nothing at all', () => {
  it('is a size and a duration', () => {
    expect([parseBytes(0), parseBytes('0'), parseDuration(0), parseDuration('0s')]).toEqual([0, 0, 0, 0]);
    expect([formatBytes(0), formatDuration(0)]).toEqual(['0 B', '0ms']);
  });
});

describe('what has no end', () => {
  it('is written as JavaScript does', () => {
    expect([Infinity, -Infinity, Number.NaN].map(formatDuration)).toEqual(['Infinity', '-Infinity', 'NaN']);
    expect(formatBytes(Infinity)).toBe('Infinity');
  });
});

describe('a duration below one of a unit', () => {
  it('is written in the unit below', () => {
    expect([500, 900, 1000, 30_000, 60_000, -500, -1500].map(formatDuration)).toEqual([
      '500ms',
      '900ms',
      '1s',
      '30s',
      '1m',
      '-500ms',
      '-1.5s',
    ]);
  });
});
