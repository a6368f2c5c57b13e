import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../dist/cli/args.js';
import { resolveRange } from '../../dist/cli/commands/cat.js';
import { byteRange, loaderOptions, rangePlan, runtimeOptions } from '../../dist/cli/values.js';

const MIB = 2 ** 20;

describe('byte ranges', () => {
  it('reads both ends, an open end and a suffix', () => {
    expect(byteRange('0-99')).toEqual({ start: 0, end: 99 });
    expect(byteRange('100-')).toEqual({ start: 100, end: null });
    expect(byteRange('-500')).toEqual({ suffix: 500 });
  });

  it.each(['', '-', '5', '9-3', '-0', 'a-b', '1-2-3', ' 1-2', '1e3-'])('refuses %j', (given) => {
    expect(() => byteRange(given)).toThrow(UsageError);
  });

  it('means the bytes that the object has', () => {
    expect(resolveRange(null, 10, 'u')).toEqual({ start: 0, length: 10 });
    expect(resolveRange({ start: 2, end: 4 }, 10, 'u')).toEqual({ start: 2, length: 3 });
    expect(resolveRange({ start: 9, end: 99 }, 10, 'u')).toEqual({ start: 9, length: 1 });
    expect(resolveRange({ start: 3, end: null }, 10, 'u')).toEqual({ start: 3, length: 7 });
    expect(resolveRange({ suffix: 4 }, 10, 'u')).toEqual({ start: 6, length: 4 });
    expect(resolveRange({ suffix: 40 }, 10, 'u')).toEqual({ start: 0, length: 10 });
    expect(() => resolveRange({ start: 10, end: null }, 10, 'u')).toThrow(/begins at byte 10/);
  });
});

describe('options of the library', () => {
  it('hands on only what was given, and that nobody else has to be spared', () => {
    expect(runtimeOptions({})).toEqual({ maxEventLoopDelayMs: false });
    expect(loaderOptions({})).toEqual({});
  });

  it('hands on each given option under its name', () => {
    expect(
      runtimeOptions({
        endpoint: 'http://127.0.0.1:1',
        region: 'r-1',
        profile: 'p',
        anonymous: true,
        'path-style': true,
        workers: '3',
        memory: '64MiB',
        connections: '9',
        'max-bandwidth': '50MB',
      }),
    ).toEqual({
      workers: 3,
      memoryBudget: 64 * MIB,
      maxConnections: 9,
      maxBandwidth: 50_000_000,
      maxEventLoopDelayMs: false,
      stores: {
        s3: {
          endpoint: 'http://127.0.0.1:1',
          region: 'r-1',
          profile: 'p',
          anonymous: true,
          forcePathStyle: true,
        },
      },
    });
    expect(
      loaderOptions({
        'batch-size': '3',
        'batch-bytes': '1MiB',
        prefetch: '2',
        objects: '7',
        shuffle: '50',
        seed: '7',
        order: 'completion',
        ranges: 'off',
        transform: 'file:///t.mjs',
        verify: 'always',
        'skip-errors': true,
        attempts: '2',
      }),
    ).toEqual({
      batchSize: 3,
      batchBytes: MIB,
      prefetchBatches: 2,
      maxConcurrentObjects: 7,
      shuffle: { buffer: 50 },
      seed: 7,
      order: 'completion',
      ranges: false,
      transform: 'file:///t.mjs',
      verify: 'always',
      onError: 'skip',
      maxAttempts: 2,
    });
    expect(loaderOptions({ seed: 'monday', shuffle: true })).toEqual({ seed: 'monday', shuffle: true });
  });

  it('reads a plan of ranges in any order, and refuses what it does not know', () => {
    expect(rangePlan('parts=16,split=64MiB')).toEqual({ maxPerObject: 16, splitThreshold: 64 * MIB });
    expect(rangePlan('part=1MiB')).toEqual({ partBytes: MIB });
    for (const bad of ['', 'on', 'parts', 'parts=0', 'size=3', 'constructor=3']) {
      expect(() => rangePlan(bad), bad).toThrow(UsageError);
    }
  });

  it.each(['64M', '64mb', '64Mi', 'lots', '-1MiB', ''])(
    'refuses %j as a size, and names the option',
    (given) => {
      expect(() => runtimeOptions({ memory: given })).toThrow(UsageError);
      expect(() => runtimeOptions({ memory: given })).toThrow(/^--memory: expected a whole number of bytes/);
      expect(() => loaderOptions({ 'batch-bytes': given })).toThrow(/^--batch-bytes: expected/);
      if (given !== '') expect(() => rangePlan(`split=${given}`)).toThrow(/^--ranges split: expected/);
    },
  );

  it('refuses a bundle of certificates that is none, or is not there', () => {
    const none = fileURLToPath(new URL('../../package.json', import.meta.url));
    expect(() => runtimeOptions({ ca: none })).toThrow(/--ca: expected a PEM bundle/);
    expect(() => runtimeOptions({ ca: `${none}.none` })).toThrow(/--ca: expected a file that can be read/);
  });

  it.each(['0', '-1', '1.5', 'many', ''])('refuses %j as a count', (given) => {
    expect(() => loaderOptions({ 'batch-size': given })).toThrow(/--batch-size: expected a whole number/);
  });
});
