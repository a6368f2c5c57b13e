/**
 * The seeded random numbers that decide an order: small, fast, and the same on every platform and Node version.
 *
 * Invariants:
 * 1. The sequence depends on the seed alone. It is part of what a cursor stands on: a change to this file is a change
 *    of every shuffled order, and therefore of the cursor's version.
 * 2. A seed's text is what counts: 7 and '7' are the same seed, so a command line and a program agree.
 *
 * Not for secrets: the state can be recovered from the output.
 *
 * Sources: sfc32, Chris Doty-Humphrey, PractRand (period at least 2^32, 128 bits of state, the counter makes short
 * cycles impossible). MurmurHash3_x86_32, Austin Appleby, smhasher, for seeds.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

/** What a user gives to make an order repeatable: a whole number or any text. */
export type Seed = number | string;

export interface Random {
  /** An integer in [0, 2^32). */
  uint32(): number;
  /** A multiple of 2^-53 in [0, 1). */
  float(): number;
  /** An integer in [0, bound), for a bound of 1 to 2^32; the bias is below 2^-21. */
  below(bound: number): number;
}

/** sfc32's author discards 12 outputs after seeding with 96 bits; 15 is the usual count for 128. */
const WARM_UP_ROUNDS = 15;

/**
 * A generator for this seed.
 * @throws MillraceError InvalidArgument when a number is not a safe integer
 */
export function createRandom(seed: Seed): Random {
  const text = seedBytes(seed);
  let a = murmur3(text, 0x9e3779b9);
  let b = murmur3(text, 0x243f6a88);
  let c = murmur3(text, 0xb7e15162);
  let counter = murmur3(text, 0x6a09e667);
  const uint32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) uint32();
  const float = (): number => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53;
  return { uint32, float, below: (bound) => Math.floor(float() * bound) };
}

/**
 * The seed of one epoch: a number below 2^53 that is unrelated for every (seed, epoch).
 *
 * Adding the epoch to the seed, as is often done, makes epoch 1 of seed 0 the same as epoch 0 of seed 1. Here it is
 * two 32-bit MurmurHash3 values over the text `seed NUL epoch`, of which 53 bits are kept.
 * @throws MillraceError InvalidArgument when the epoch is not a whole number from 0 on, or the seed not valid
 */
export function epochSeed(seed: Seed, epoch: number): number {
  if (!Number.isSafeInteger(epoch) || epoch < 0) {
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `epoch: expected a whole number from 0 on; given ${String(epoch)}`,
      { phase: 'configure' },
    );
  }
  const text = Buffer.concat([seedBytes(seed), Buffer.from(`\0${epoch}`, 'latin1')]);
  return (murmur3(text, 0x510e527f) >>> 11) * 2 ** 32 + (murmur3(text, 0x9b05688c) >>> 0);
}

/** `count` 32-bit words that depend on all of the seed: the round keys of a permutation. */
export function seedWords(seed: Seed, count: number): Int32Array {
  const random = createRandom(seed);
  return Int32Array.from({ length: count }, () => random.uint32() | 0);
}

function seedBytes(seed: Seed): Buffer {
  if (typeof seed === 'string') return Buffer.from(seed, 'utf8');
  if (Number.isSafeInteger(seed)) return Buffer.from(String(seed), 'latin1');
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `seed: expected a whole number within +-(2^53-1), or a text; given ${String(seed)}`,
    { phase: 'configure' },
  );
}

/** MurmurHash3_x86_32 of the bytes. */
function murmur3(bytes: Buffer, seed: number): number {
  let hash = seed | 0;
  const blocks = bytes.length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    hash ^= scramble(bytes.readInt32LE(at));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= blocks; at -= 1) tail = (tail << 8) | (bytes[at] ?? 0);
  hash ^= scramble(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
