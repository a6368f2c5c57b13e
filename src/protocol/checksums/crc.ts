/**
 * The three CRCs over bytes, each by the fastest code there is.
 *
 * | GB/s for 4 KiB / 16 KiB / 128 KiB / 8 MiB, shared memory | crc32 | crc32c | crc64nvme |
 * |---|---|---|---|
 * | native: zlib; the optional package `@node-rs/crc32` | 5.4 / 5.8 / 6.3 / 6.3 | 5.9 / 6.8 / 7.6 / 7.7 | |
 * | WebAssembly (`folding.ts`) | | 4.9 / 9.9 / 12.5 / 11.9 | 1.1 / 2.8 / 8.2 / 9.0 |
 * | JavaScript (`slicing.ts`) | | 1.6 / 1.6 / 1.7 / 1.7 | 1.1 / 1.1 / 1.2 / 1.2 |
 *
 * One core of an AMD EPYC, Node.js 20. MD5 runs at 0.8, SHA-1 at 2.0 and SHA-256 at 1.9 GB/s there. The native CRC-64/NVME of `aws-crt`
 * comes with a whole client in C, and nothing here is short of it.
 *
 * Invariants:
 * 1. A checksum is finished: what is returned is what a service writes, and also what is given back to go on after those bytes. The
 *    checksum of no bytes is 0.
 * 2. Which code runs changes nothing but the time. Tables, WebAssembly and the package are loaded at first use, synchronously.
 * 3. Bytes may be any view, of shared memory too. Nothing is kept of them.
 */
import * as zlib from 'node:zlib';
import type { ChecksumAlgorithm, CrcAlgorithm } from './algorithms.js';
import {
  type Crc32,
  type Crc64,
  foldingCrc32c,
  foldingCrc64Nvme,
  nativeCrc32c,
  slicingCrc32c,
  slicingCrc64Nvme,
} from './engines.js';

/** CRCs of 32 bits are unsigned numbers, those of 64 bits BigInts. */
export type CrcValue<A extends CrcAlgorithm = CrcAlgorithm> = A extends 'crc64nvme' ? bigint : number;

/** What computes a checksum: compiled code, WebAssembly, or JavaScript. */
export type Implementation = 'native' | 'webassembly' | 'javascript';

interface Engine<T> {
  readonly compute: T;
  readonly implementation: Implementation;
}

let crc32cEngine: Engine<Crc32> | undefined;
let crc64Engine: Engine<Crc64> | undefined;

function crc32cOnce(): Engine<Crc32> {
  return (crc32cEngine ??= engineOf(nativeCrc32c(), 'native') ??
    engineOf(foldingCrc32c(), 'webassembly') ?? { compute: slicingCrc32c(), implementation: 'javascript' });
}

function crc64Once(): Engine<Crc64> {
  return (crc64Engine ??= engineOf(foldingCrc64Nvme(), 'webassembly') ?? {
    compute: slicingCrc64Nvme(),
    implementation: 'javascript',
  });
}

function engineOf<T>(compute: T | null, by: Implementation): Engine<T> | null {
  return compute === null ? null : { compute, implementation: by };
}

/** @param before the CRC-32 of the bytes that come before these */
export function crc32(bytes: Uint8Array, before = 0): number {
  // An empty buffer may be a null pointer, for which zlib gives 0 whatever came before: an empty chunk would begin anew.
  return bytes.length === 0 ? before : zlib.crc32(bytes, before);
}

/** @param before the CRC-32C of the bytes that come before these */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return crc32cOnce().compute(bytes, before);
}

/** @param before the CRC-64/NVME of the bytes that come before these */
export function crc64nvme(bytes: Uint8Array, before = 0n): bigint {
  return crc64Once().compute(bytes, before);
}

/** One of the three by its name. */
export function crcOf<A extends CrcAlgorithm>(
  algorithm: A,
  bytes: Uint8Array,
  before?: CrcValue<A>,
): CrcValue<A>;
export function crcOf(algorithm: CrcAlgorithm, bytes: Uint8Array, before?: CrcValue): CrcValue {
  switch (algorithm) {
    case 'crc32':
      return crc32(bytes, before as number | undefined);
    case 'crc32c':
      return crc32c(bytes, before as number | undefined);
    case 'crc64nvme':
      return crc64nvme(bytes, before as bigint | undefined);
  }
}

/** What computes this checksum in this thread; loads it. For reports, and for choosing what to verify. */
export function implementation(algorithm: ChecksumAlgorithm): Implementation {
  if (algorithm === 'crc32c') return crc32cOnce().implementation;
  if (algorithm === 'crc64nvme') return crc64Once().implementation;
  return 'native';
}
