import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type ChecksumAlgorithm,
  algorithms,
  isAlgorithm,
} from '../../../dist/protocol/checksums/algorithms.js';
import { compositeOf, multipartETag } from '../../../dist/protocol/checksums/composite.js';
import { crc64nvme } from '../../../dist/protocol/checksums/crc.js';
import { digestOf, hasDigest, startChecksum } from '../../../dist/protocol/checksums/digest.js';
import {
  crcToDigest,
  digestToCrc,
  fromAzureCrc64,
  fromBase64,
  fromHex,
  md5OfETag,
  toAzureCrc64,
  toBase64,
  toHex,
} from '../../../dist/protocol/checksums/values.js';
import { patternBytes } from '../../../dist/testing/pattern.js';

const NAMES = Object.keys(algorithms) as ChecksumAlgorithm[];
const text = (value: string): Uint8Array => Buffer.from(value);
const shared = (bytes: Uint8Array): Uint8Array => {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 3)).subarray(3);
  view.set(bytes);
  return view;
};

describe('digests', () => {
  // As the S3 API writes them for "hello world".
  it.each([
    ['crc32', 'DUoRhQ=='],
    ['crc32c', 'yZRlqg=='],
    ['md5', 'XrY7u+Ae7tCTyyK7j1rNww=='],
    ['sha1', 'Kq5sNclPz7QV2+lfQIuc6R7oRu0='],
    ['sha256', 'uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek='],
  ] as const)('%s of "hello world" is what services write', (name, expected) => {
    expect(toBase64(digestOf(name, text('hello world')))).toBe(expected);
  });

  it.each(NAMES)('%s has the length that the table says', (name) => {
    expect(digestOf(name, text('x')).length).toBe(algorithms[name].digestBytes);
  });

  it.each(NAMES)(
    '%s of shared memory is that of a copy, in pieces or at once, and may be asked for in between',
    (name) => {
      const bytes = patternBytes(5, 70_001);
      const view = shared(bytes);
      const running = startChecksum(name);
      let at = 0;
      for (const length of [0, 1, 15, 65_536, 0, 4449]) {
        running.update(view.subarray(at, at + length));
        at += length;
        expect(toHex(running.digest())).toBe(toHex(digestOf(name, bytes.subarray(0, at))));
      }
      expect(at).toBe(bytes.length);
      expect(toHex(digestOf(name, view))).toBe(toHex(digestOf(name, bytes)));
    },
  );

  it.each(NAMES)('%s begins as the checksum of no bytes', (name) => {
    expect(toHex(startChecksum(name).digest())).toBe(toHex(digestOf(name, new Uint8Array(0))));
  });

  it.each(NAMES)('%s: one bit makes the difference', (name) => {
    const bytes = patternBytes(6, 20_000);
    const digest = digestOf(name, bytes);
    expect(hasDigest(name, bytes, digest)).toBe(true);
    bytes[12_345]! ^= 4;
    expect(hasDigest(name, bytes, digest)).toBe(false);
  });

  it('a digest of another length is not that of the bytes', () => {
    expect(hasDigest('crc32', text('a'), digestOf('crc32', text('a')).subarray(0, 3))).toBe(false);
  });
});

describe('texts', () => {
  it.each(NAMES)('%s comes back from base64 and from hexadecimal', (name) => {
    const digest = digestOf(name, text(name));
    expect(toHex(fromBase64(name, toBase64(digest))!)).toBe(toHex(digest));
    expect(toHex(fromHex(name, toHex(digest))!)).toBe(toHex(digest));
  });

  it.each([
    ['a composite checksum', 'DUoRhQ==-3'],
    ['one of another length', 'DUoR'],
    ['one without its padding', 'DUoRhQ'],
    ['one with bits behind the last byte', 'DUoRhR=='],
    ['the alphabet of URLs', '-_-_-w=='],
    ['white space', ' DUoRhQ=='],
    ['nothing', ''],
  ])('%s is no CRC-32: null', (_, value) => {
    expect(fromBase64('crc32', value)).toBeNull();
  });

  it.each([
    ['9b2cf535f27731c974343645a3985328', true],
    ['"9b2cf535f27731c974343645a3985328"', true],
    ['9b2cf535f27731c974343645a3985328-2', false],
    ['"9B2CF535F27731C974343645A3985328"', false],
    ['"0x8DA189D31324F31"', false],
    ['W/"9b2cf535f27731c974343645a3985328"', false],
  ])('the ETag %s may be an MD5: %s', (eTag, may) => {
    expect(md5OfETag(eTag) !== null).toBe(may);
  });

  it('CRCs are numbers, and digests with the highest byte first', () => {
    expect(toHex(crcToDigest('crc32c', 0xe306_9283))).toBe('e3069283');
    expect(toHex(crcToDigest('crc64nvme', 0xae8b_1486_0a79_9888n))).toBe('ae8b14860a799888');
    expect(digestToCrc('crc32c', Buffer.from('e3069283', 'hex'))).toBe(0xe306_9283);
    expect(digestToCrc('crc64nvme', Buffer.from('ae8b14860a799888', 'hex'))).toBe(0xae8b_1486_0a79_9888n);
  });

  it('Azure writes the lowest byte first: what the service answered for "Hello World"', () => {
    const digest = crcToDigest('crc64nvme', crc64nvme(text('Hello World')));
    expect(toAzureCrc64(digest)).toBe('YeJLfssylmU=');
    expect(toHex(fromAzureCrc64('YeJLfssylmU=')!)).toBe(toHex(digest));
    expect(toHex(digest)).toBe('659632cb7e4be261');
    expect(fromAzureCrc64('DUoRhQ==')).toBeNull();
  });

  it('names are those of the table, and nothing that every object has', () => {
    expect(NAMES.every(isAlgorithm)).toBe(true);
    expect(['CRC32', 'crc64', 'toString', ''].some(isAlgorithm)).toBe(false);
  });
});

describe('composite checksums', () => {
  const parts = [patternBytes(7, 6000), patternBytes(8, 5000), patternBytes(9, 1)];

  it.each(['crc32', 'crc32c', 'md5', 'sha1', 'sha256'] as const)(
    '%s is the checksum of checksums, and how many',
    (name) => {
      const digests = parts.map((part) => digestOf(name, part));
      expect(compositeOf(name, digests)).toBe(`${toBase64(digestOf(name, Buffer.concat(digests)))}-3`);
      expect(compositeOf(name, digests)).not.toBe(compositeOf(name, digests.toReversed()));
    },
  );

  it('the ETag of an object in parts is the MD5 of their MD5s', () => {
    const md5s = parts.map((part) => createHash('md5').update(part).digest());
    const expected = createHash('md5').update(Buffer.concat(md5s)).digest('hex');
    expect(multipartETag(md5s)).toBe(`${expected}-3`);
    expect(multipartETag(md5s.slice(0, 1))).toMatch(/^[0-9a-f]{32}-1$/);
  });

  it.each([
    ['no parts', 'crc32', [], /0 checksums.*1 to 10000/],
    [
      'more parts than an upload has',
      'crc32',
      Array.from({ length: 10_001 }, () => new Uint8Array(4)),
      /10001/,
    ],
    ['a digest of another algorithm', 'sha256', [new Uint8Array(32), new Uint8Array(20)], /20 bytes.*32/],
    ['CRC-64/NVME', 'crc64nvme', [new Uint8Array(8)], /combineCrc/],
  ] as const)('%s: refused', (_, name, digests, message) => {
    expect(() => compositeOf(name, digests)).toThrow(message);
    expect(() => compositeOf(name, digests)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});
