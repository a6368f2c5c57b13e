import { describe, expect, it } from 'vitest';
import { checkMemory, checkRoom, partBytesOf, thresholdOf } from '../../dist/loader/writes/part-plan.js';
import type { WriteLimits } from '../../dist/protocol/writes.js';

const MIB = 2 ** 20;
const LIMITS: WriteLimits = {
  multipartThreshold: 64 * MIB,
  partBytes: 8 * MIB,
  partAlignment: 1,
  maxPartBytes: 100 * MIB,
  maxParts: 1000,
  maxObjectBytes: 50_000 * MIB,
  deletesPerRequest: 1,
};

describe('an object goes in parts', () => {
  it.each([
    [8 * 64 * MIB, 64 * MIB],
    [8 * 100 * MIB, 64 * MIB],
    [8 * 20 * MIB + 7, 20 * MIB],
    [MIB, 8 * MIB],
  ])('with a budget of %d bytes from %d on', (budgetBytes, threshold) => {
    expect(thresholdOf(LIMITS, budgetBytes)).toBe(threshold);
  });

  it.each([
    ['the usual, of an unknown size', -1, {}, undefined, 8 * MIB],
    ['the usual', 8000 * MIB, {}, undefined, 8 * MIB],
    ['as many as there must be', 8000 * MIB + 1, {}, undefined, 8 * MIB + 1],
    ['what is wanted', 100, {}, 5 * MIB, 5 * MIB],
    ['more than is wanted where there must be', 9000 * MIB, {}, 5 * MIB, 9 * MIB],
    ['a multiple of what the service wants', 100, { partAlignment: 256 }, 1000, 1024],
    ['no more than the service takes', 100, {}, 200 * MIB, 100 * MIB],
  ] as const)('of %s', (_, size, limits, given, bytes) => {
    expect(partBytesOf(size, { ...LIMITS, ...limits }, given, 'x:k')).toBe(bytes);
  });

  it('as long as the service takes an object of its size', () => {
    expect(partBytesOf(50_000 * MIB, LIMITS, undefined, 'x:k')).toBe(50 * MIB);
    for (const [limits, most] of [
      [LIMITS, '48.8 GiB'],
      [{ ...LIMITS, maxParts: 100 }, '9.8 GiB'],
    ] as const) {
      expect(() => partBytesOf(50_000 * MIB + 1, limits, undefined, 'x:k')).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          phase: 'write',
          uri: 'x:k',
          message: `x:k would have 48.8 GiB; this service takes objects of at most ${most}`,
        }),
      );
    }
  });
});

describe('a part', () => {
  const budget = (bytes: number) => ({ budgetBytes: bytes, usableBytes: bytes });

  it('fits into the memory budget', () => {
    for (const [size, partBytes] of [
      [-1, 64 * MIB],
      [1000 * MIB, 64 * MIB],
      [64 * MIB, 90 * MIB],
    ] as const) {
      expect(() => checkMemory(size, partBytes, LIMITS, budget(64 * MIB), 'x:k')).not.toThrow();
    }
  });

  it.each([
    ['that the size needs', 65_000 * MIB, 65 * MIB, budget(64 * MIB), '65 MiB', '64 MiB: raise memoryBudget'],
    [
      'that was wanted',
      1000 * MIB,
      90 * MIB,
      budget(64 * MIB),
      '90 MiB',
      '64 MiB: raise memoryBudget, or give smaller partBytes',
    ],
    [
      'of a stream, where a part of the budget is lost',
      -1,
      40 * MIB,
      { budgetBytes: 64 * MIB, usableBytes: 32 * MIB },
      '40 MiB',
      '64 MiB (32 MiB of it can be used): raise memoryBudget, or give smaller partBytes',
    ],
  ] as const)('%s and that no memory can be had for is refused', (_, size, partBytes, memory, part, why) => {
    const limits = { ...LIMITS, maxObjectBytes: 100_000 * MIB };
    expect(() => checkMemory(size, partBytes, limits, memory, 'x:k')).toThrow(
      expect.objectContaining({
        code: 'BudgetTooSmall',
        phase: 'write',
        uri: 'x:k',
        message: `x:k would go in parts of ${part}, each larger than the memory budget of ${why}`,
      }),
    );
  });
});

describe('a stream', () => {
  it('has room up to its last part, and to the largest object', () => {
    for (const [size, partBytes] of [
      [1000 * MIB, MIB],
      [50_000 * MIB, 90 * MIB],
    ] as const) {
      expect(() => checkRoom(size, partBytes, LIMITS, 'x:k')).not.toThrow();
      expect(() => checkRoom(size + 1, partBytes, LIMITS, 'x:k')).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          phase: 'write',
          uri: 'x:k',
          message: expect.stringMatching(
            /^x:k: the stream has more than .* 1000 parts of .*: give larger partBytes$/,
          ),
        }),
      );
    }
  });
});
