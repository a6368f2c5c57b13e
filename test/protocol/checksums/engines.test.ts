import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { POLYNOMIALS } from '../../../dist/protocol/checksums/algorithms.js';
import { crc32, crc32c, crc64nvme, crcOf, implementation } from '../../../dist/protocol/checksums/crc.js';
import {
  type Crc32,
  type Crc64,
  DELAYS,
  foldingCrc32c,
  foldingCrc64Nvme,
  nativeCrc32c,
  slicingCrc32c,
  slicingCrc64Nvme,
} from '../../../dist/protocol/checksums/engines.js';
import { createFolding } from '../../../dist/protocol/checksums/folding.js';
import { createSlicing32 } from '../../../dist/protocol/checksums/slicing.js';
import { tries } from '../../kit/effort.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';

const CHECK = Buffer.from('123456789');
const sharedBytes = (object: number, length: number): Uint8Array => {
  const shared = new Uint8Array(new SharedArrayBuffer(length));
  shared.set(patternBytes(object, length));
  return shared;
};
/** The same pieces in every run: any offset, and lengths that are short ten times as often as long. */
const pieces = (bytes: Uint8Array, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => {
    const at = (mix32(3 * i) >>> 0) % 1000;
    return bytes.subarray(at, at + ((mix32(3 * i + 1) >>> 0) % (i % 10 === 0 ? bytes.length - at : 3000)));
  });
const must = <T>(engine: T | null): T => {
  if (engine === null) throw new Error('this way does not run here');
  return engine;
};

const ways32: [string, Crc32][] = [
  ['the native package', must(nativeCrc32c())],
  ['WebAssembly', must(foldingCrc32c())],
  ['JavaScript', slicingCrc32c()],
];
const ways64: [string, Crc64][] = [
  ['WebAssembly', must(foldingCrc64Nvme())],
  ['JavaScript', slicingCrc64Nvme()],
];

/** Bit by bit, straight from the definition. */
function slowCrc64(bytes: Uint8Array): bigint {
  let register = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++)
      register = (register >> 1n) ^ (register & 1n ? 0x9a6c_9329_ac4b_c9b5n : 0n);
  }
  return register ^ 0xffff_ffff_ffff_ffffn;
}

describe('published values', () => {
  it('the check values of the catalogue come out', () => {
    expect(crc32(CHECK)).toBe(0xcbf4_3926);
    expect(crc32c(CHECK)).toBe(0xe306_9283);
    expect(crc64nvme(CHECK)).toBe(0xae8b_1486_0a79_9888n);
  });

  it.each(ways32)('CRC-32C by %s gives the vectors of RFC 3720, B.4', (_, crc) => {
    expect(crc(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
    expect(crc(Uint8Array.from({ length: 32 }, (__, i) => i))).toBe(0x46dd_794e);
    expect(crc(Uint8Array.from({ length: 32 }, (__, i) => 31 - i))).toBe(0x113f_db5c);
  });

  it.each(ways64)('CRC-64/NVME by %s gives the vectors of the NVM command set specification', (_, crc) => {
    expect(crc(new Uint8Array(4096))).toBe(0x6482_d367_eb22_b64en);
    expect(crc(new Uint8Array(4096).fill(0xff))).toBe(0xc0dd_ba73_02ec_a3acn);
    expect(crc(Uint8Array.from({ length: 4096 }, (__, i) => i & 255))).toBe(0x3e72_9f5f_6750_449cn);
  });

  // From StorageCrc64CalculatorTests of the Azure SDK for Java.
  it.each([
    ['Hello World!', 208604604655264165n],
    ['123456789!@#$%^&*()', 2153758901452455624n],
    [
      'This is a test where the data is longer than 64 characters so that we can test that code path.',
      2736107658526394369n,
    ],
  ])('what Azure calls CRC-64 is CRC-64/NVME: %s', (text, expected) => {
    expect(crc64nvme(Buffer.from(text))).toBe(expected);
  });

  it('the checksum of no bytes is 0, and no bytes change none', () => {
    // With a buffer of its own: to native code that is a null pointer.
    const none = new Uint8Array(new ArrayBuffer(0));
    expect([crc32(none), crc32c(none), crc64nvme(none)]).toEqual([0, 0, 0n]);
    expect([crc32(none, 7), crc32c(none, 7), crc64nvme(none, 7n)]).toEqual([7, 7, 7n]);
  });
});

describe('agreement', () => {
  const bytes = sharedBytes(1, 300_000);

  it.each(ways32)('CRC-32C by %s is that of the tables, for any length, offset and beginning', (_, crc) => {
    const reference = slicingCrc32c();
    let wrong = 0;
    pieces(bytes, tries(3000, 100)).forEach((piece, i) => {
      const before = mix32(i) >>> 0;
      if (crc(piece, before) !== reference(piece, before)) wrong++;
    });
    expect(wrong).toBe(0);
  });

  it.each(ways64)(
    'CRC-64/NVME by %s is that of the tables, for any length, offset and beginning',
    (_, crc) => {
      const reference = slicingCrc64Nvme();
      let wrong = 0;
      pieces(bytes, tries(3000, 100)).forEach((piece, i) => {
        const before = (BigInt(mix32(i) >>> 0) << 32n) | BigInt(mix32(~i) >>> 0);
        if (crc(piece, before) !== reference(piece, before)) wrong++;
      });
      expect(wrong).toBe(0);
    },
  );

  it('the tables of 32 bits give what zlib gives', () => {
    const slice = createSlicing32(POLYNOMIALS.crc32);
    let wrong = 0;
    for (const piece of pieces(bytes, tries(3000, 100)))
      if (~slice(-1, piece) >>> 0 !== zlib.crc32(piece)) wrong++;
    expect(wrong).toBe(0);
  });

  it('the tables of 64 bits give what the definition gives, bit by bit', () => {
    const crc = slicingCrc64Nvme();
    for (let length = 0; length < 70; length++) {
      const piece = bytes.subarray(length, 3 * length);
      expect(crc(piece)).toBe(slowCrc64(piece));
    }
  });

  it('CRC-64/NVME is that of the AWS SDK', async () => {
    const sdk = createRequire(import.meta.resolve('@aws-sdk/client-s3'));
    const { Crc64NvmeJs } = sdk('@aws-sdk/checksums/crc') as {
      Crc64NvmeJs: new () => { update(bytes: Uint8Array): void; digest(): Promise<Uint8Array> };
    };
    for (const piece of pieces(bytes, 60)) {
      const theirs = new Crc64NvmeJs();
      theirs.update(piece);
      expect(crc64nvme(piece)).toBe(Buffer.from(await theirs.digest()).readBigUInt64BE());
    }
  });

  it("CRC-64/NVME is that of Azure's own client, whose lowest byte comes first", async () => {
    const storage = createRequire(import.meta.resolve('@azure/storage-blob'));
    const { StorageCRC64Calculator } = storage('@azure/storage-common') as {
      StorageCRC64Calculator: {
        new (): { final(bytes: Uint8Array, length: number): Uint8Array };
        init(): Promise<void>;
      };
    };
    await StorageCRC64Calculator.init();
    for (const piece of pieces(bytes, 60)) {
      const theirs = new StorageCRC64Calculator().final(piece, piece.length);
      expect(crc64nvme(piece)).toBe(Buffer.from(theirs).readBigUInt64LE());
    }
  });
});

describe('a fold', () => {
  // Of x^i modulo P, reflected: what a one leaves that moves i bits further.
  const powers = (polynomial: bigint, width: bigint, count: number): bigint[] => {
    const found = [1n << (width - 1n)];
    while (found.length < count) {
      const last = found.at(-1)!;
      found.push((last >> 1n) ^ (last & 1n ? polynomial : 0n));
    }
    return found;
  };

  it.each([
    ['crc32c', DELAYS.crc32c, 0x82f6_3b78n, 32n],
    ['crc64nvme', DELAYS.crc64nvme, 0x9a6c_9329_ac4b_c9b5n, 64n],
  ] as const)(
    '%s: the polynomial divides the sum of its delays, and no vector receives from itself',
    (...row) => {
      const [, delays, polynomial, width] = row;
      const reach = Math.max(...delays);
      const power = powers(polynomial, width, 8 * reach + 1);
      // A byte `delay` further back stands for an exponent that is 8 * delay higher.
      const sum = delays.reduce((rest, delay) => rest ^ power[8 * (reach - delay)]!, power[8 * reach]!);
      expect(sum).toBe(0n);
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(16);
    },
  );

  it('leaves its input as it was', () => {
    const bytes = sharedBytes(2, 200_000);
    crc64nvme(bytes);
    expect(Buffer.compare(bytes, patternBytes(2, 200_000))).toBe(0);
  });

  it('says null where there is no WebAssembly', () => {
    const host = globalThis as { WebAssembly?: unknown };
    const { WebAssembly: there } = host;
    delete host.WebAssembly;
    try {
      expect(createFolding(DELAYS.crc32c)).toBeNull();
    } finally {
      host.WebAssembly = there;
    }
  });

  it('says null where its module is refused', () => {
    const host = globalThis as unknown as { WebAssembly: { Module: unknown } };
    const { Module } = host.WebAssembly;
    host.WebAssembly.Module = function refuse() {
      throw new Error('no vector instructions');
    };
    try {
      expect(foldingCrc64Nvme()).toBeNull();
    } finally {
      host.WebAssembly.Module = Module;
    }
  });
});

describe('the CRCs by name', () => {
  const bytes = sharedBytes(3, 100_001);

  it('are those of the functions', () => {
    expect(crcOf('crc32', bytes)).toBe(zlib.crc32(bytes));
    expect(crcOf('crc32c', bytes)).toBe(slicingCrc32c()(bytes));
    expect(crcOf('crc64nvme', bytes)).toBe(slicingCrc64Nvme()(bytes));
  });

  it.each(['crc32', 'crc32c', 'crc64nvme'] as const)('%s goes on after the bytes before', (algorithm) => {
    for (const cut of [0, 1, 7, 8, 4095, 50_000, 100_000, 100_001]) {
      const first = crcOf(algorithm, bytes.subarray(0, cut));
      expect(crcOf(algorithm, bytes.subarray(cut), first)).toBe(crcOf(algorithm, bytes));
    }
  });

  it('run on what they say', () => {
    expect(implementation('crc32')).toBe('native');
    expect(implementation('crc32c')).toBe('native');
    expect(implementation('crc64nvme')).toBe('webassembly');
    expect(implementation('md5')).toBe('native');
  });
});
