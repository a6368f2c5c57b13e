import { describe, expect, it } from 'vitest';
import { combineCrc, keepLatest } from '../../../dist/protocol/checksums/combine.js';
import { type CrcValue, crcOf } from '../../../dist/protocol/checksums/crc.js';
import { tries } from '../../kit/effort.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';

const CRCS = ['crc32', 'crc32c', 'crc64nvme'] as const;
type Name = (typeof CRCS)[number];

/** The CRC of `bytes` zeros by feeding them, for lengths that are products: no multiplication modulo P is in it. */
function crcOfZeros(name: Name, bytes: number): CrcValue {
  const block = new Uint8Array(1 << 20);
  let crc: CrcValue = name === 'crc64nvme' ? 0n : 0;
  for (let left = bytes; left > 0; left -= Math.min(left, block.length))
    crc = crcOf<Name>(name, block.subarray(0, Math.min(left, block.length)), crc);
  return crc;
}

/**
 * x^(8 * bytes) modulo P by squaring over BigInts, from the definition: a second way, in the order that is not reflected.
 */
function powerOfByte(polynomial: bigint, width: bigint, bytes: bigint): bigint {
  const reduce = (value: bigint): bigint => {
    let rest = value;
    for (let top = 2n * width; top >= width; top--)
      if ((rest >> top) & 1n) rest ^= ((1n << width) | polynomial) << (top - width);
    return rest;
  };
  const times = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    for (let i = 0n; i < width; i++) if ((a >> i) & 1n) product ^= b << i;
    return reduce(product);
  };
  let result = 1n;
  let power = 2n;
  for (let exponent = 8n * bytes; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = times(result, power);
    power = times(power, power);
  }
  return result;
}

const reversed = (value: bigint, width: bigint): bigint =>
  BigInt(`0b${value.toString(2).padStart(Number(width), '0').split('').toReversed().join('')}`);

describe('combineCrc', () => {
  const bytes = patternBytes(4, 50_000);

  it.each(CRCS)('%s: the pieces of any cut give the whole, empty ones too', (name) => {
    const cuts = [
      0,
      1,
      2,
      4096,
      49_999,
      50_000,
      ...Array.from({ length: tries(300, 20) }, (_, i) => (mix32(i) >>> 0) % 50_000),
    ];
    for (const end of [50_000, 49_993]) {
      const whole = crcOf<Name>(name, bytes.subarray(0, end));
      for (const cut of cuts.filter((each) => each <= end)) {
        const first = crcOf<Name>(name, bytes.subarray(0, cut));
        const second = crcOf<Name>(name, bytes.subarray(cut, end));
        expect(combineCrc<Name>(name, first, second, end - cut)).toBe(whole);
      }
    }
  });

  it.each(CRCS)('%s: many parts of one length and a shorter last one give the whole', (name) => {
    const partBytes = 777;
    let whole: CrcValue = name === 'crc64nvme' ? 0n : 0;
    for (let at = 0; at < bytes.length; at += partBytes) {
      const part = bytes.subarray(at, at + partBytes);
      whole = combineCrc<Name>(name, whole, crcOf<Name>(name, part), part.length);
    }
    expect(whole).toBe(crcOf<Name>(name, bytes));
  });

  it.each(CRCS)('%s: pieces that were swapped do not give the whole', (name) => {
    const first = crcOf<Name>(name, bytes.subarray(0, 25_000));
    const second = crcOf<Name>(name, bytes.subarray(25_000));
    expect(combineCrc<Name>(name, second, first, 25_000)).not.toBe(crcOf<Name>(name, bytes));
  });

  it.each(CRCS)('%s: zeros that are put together are the zeros that were fed', (name) => {
    // 40 MiB and a little, by doubling.
    let zeros: CrcValue = crcOfZeros(name, 1);
    let length = 1;
    while (length < 40_000_000) {
      zeros = combineCrc<Name>(name, zeros, zeros, length);
      length *= 2;
    }
    expect(zeros).toBe(crcOfZeros(name, length));
  });

  it.each(CRCS)('%s: lengths beyond 2^32 add up in any order', (name) => {
    const [a, b, c] = [1, 2, 3].map((object) => crcOf<Name>(name, patternBytes(object, 100))) as CrcValue[];
    for (const [bBytes, cBytes] of [
      [2 ** 32, 2 ** 32 + 1],
      [5e12, 8 * 2 ** 20],
      [1, 2 ** 40 - 1],
      [2 ** 45 + 12_345, 2 ** 46 + 99],
    ] as const) {
      const left = combineCrc<Name>(name, combineCrc<Name>(name, a!, b!, bBytes), c!, cBytes);
      const right = combineCrc<Name>(name, a!, combineCrc<Name>(name, b!, c!, cBytes), bBytes + cBytes);
      expect(left).toBe(right);
    }
  });

  // Bit for bit the factor of the length: the CRC 1 << (width - 1) is the polynomial 1, and 0 adds nothing.
  it.each([
    ['crc32', 0x04c1_1db7n, 32n],
    ['crc32c', 0x1edc_6f41n, 32n],
    ['crc64nvme', 0xad93_d235_94c9_3659n, 64n],
  ] as const)('%s: the factor of a length is x to the eighth power of it', (name, polynomial, width) => {
    const one = name === 'crc64nvme' ? 1n << 63n : 0x8000_0000;
    const none = name === 'crc64nvme' ? 0n : 0;
    for (const length of [
      0,
      1,
      2,
      3,
      4,
      8,
      1000,
      2 ** 29,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 32 + 1,
      5e12,
      2 ** 53 - 1,
    ]) {
      const factor = combineCrc<Name>(name, one, none, length);
      const expected = reversed(powerOfByte(polynomial, width, BigInt(length)), width);
      expect(BigInt(factor), `${length} bytes`).toBe(expected);
    }
  });

  it('remembers the latest lengths, and no more of them than it may', () => {
    const asked: number[] = [];
    const square = keepLatest(2, (length) => {
      asked.push(length);
      return length * length;
    });
    expect([3, 3, 4, 3, 4].map(square)).toEqual([9, 9, 16, 9, 16]);
    expect(asked).toEqual([3, 4]);
    expect([5, 4, 5, 3].map(square)).toEqual([25, 16, 25, 9]);
    expect(asked).toEqual([3, 4, 5, 3]);
  });

  // From StorageCrc64CalculatorTests of the Azure SDK for Java: both CRCs, both lengths, and what they give.
  it.each([
    [17360427831495520774n, 949533, 13068224794440996385n, 99043, 2942932174470096852n],
    [11788770130477425887n, 505156, 11825964890373840515n, 543420, 11679439596881108042n],
    [3295333047304801182n, 732633, 15304759627474960884n, 315943, 31840984168952505n],
    [390777554329396866n, 834642, 2639871931800812330n, 213934, 11705441749781302341n],
  ])('gives what the Azure SDK puts together: %s', (first, _firstBytes, second, secondBytes, expected) => {
    expect(combineCrc('crc64nvme', first, second, secondBytes)).toBe(expected);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %s as a length', (length) => {
    expect(() => combineCrc('crc32', 1, 2, length)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        message: expect.stringContaining(String(length)) as string,
      }),
    );
  });
});
