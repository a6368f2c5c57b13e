import { describe, expect, it } from 'vitest';
import type { TransportLimits } from '../../dist/protocol/http.js';
import { shownValue } from '../../dist/protocol/shown-value.js';
import { checkLimits, DEFAULT_TRANSPORT_LIMITS, scratchBytes } from '../../dist/transport/limits.js';

const BOUNDS: [keyof TransportLimits, number, number][] = [
  ['connectTimeoutMs', 1, Infinity],
  ['firstByteTimeoutMs', 1, Infinity],
  ['idleTimeoutMs', 1, Infinity],
  ['workTimeoutMs', 1, Infinity],
  ['minRateBytesPerSecond', 0, Infinity],
  ['minRateWindowMs', 1, Infinity],
  ['maxConnections', 1, 65_535],
  ['keepAliveMs', 0, Infinity],
  ['maxHeadBytes', 64, 2 ** 20],
  ['maxErrorBodyBytes', 0, Infinity],
];

const check = (name: keyof TransportLimits, value: unknown): void =>
  checkLimits({ ...DEFAULT_TRANSPORT_LIMITS, [name]: value });

describe('the limits of the transport', () => {
  it('are the documented ones where none is given, and those are valid', () => {
    expect(DEFAULT_TRANSPORT_LIMITS).toEqual({
      connectTimeoutMs: 10_000,
      firstByteTimeoutMs: 30_000,
      idleTimeoutMs: 20_000,
      workTimeoutMs: 300_000,
      minRateBytesPerSecond: 1024,
      minRateWindowMs: 30_000,
      maxConnections: 64,
      keepAliveMs: 4000,
      maxHeadBytes: 16_384,
      maxErrorBodyBytes: 65_536,
    });
    expect(() => checkLimits(DEFAULT_TRANSPORT_LIMITS)).not.toThrow();
    expect(BOUNDS.map(([name]) => name).sort()).toEqual(Object.keys(DEFAULT_TRANSPORT_LIMITS).sort());
  });

  it.each(BOUNDS)('%s is anything from %d to %d, and nothing else', (name, least, most) => {
    expect(() => check(name, least)).not.toThrow();
    expect(() => check(name, most)).not.toThrow();
    const wrong = [least - 1, Number.NaN, undefined, 'many', ...(most === Infinity ? [] : [most + 1])];
    for (const value of wrong) {
      expect(() => check(name, value)).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          phase: 'configure',
          message: `${name} is ${shownValue(value)}; expected a number from ${least} to ${most}`,
        }),
      );
    }
  });

  it('leave room in the scratch for the largest head, and for a small object', () => {
    const withHead = (maxHeadBytes: number): number =>
      scratchBytes({ ...DEFAULT_TRANSPORT_LIMITS, maxHeadBytes });
    expect([withHead(64), withHead(8192), withHead(8193), withHead(100_000)]).toEqual([
      8192, 8192, 8193, 100_000,
    ]);
  });
});
