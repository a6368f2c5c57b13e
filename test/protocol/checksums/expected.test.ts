import { describe, expect, it } from 'vitest';
import {
  type AnnouncedChecksum,
  type VerifyPolicy,
  AUTO_COST_NS_PER_BYTE,
  chooseChecksum,
} from '../../../dist/protocol/checksums/expected.js';
import { algorithms, type ChecksumAlgorithm } from '../../../dist/protocol/checksums/algorithms.js';
import { digestOf } from '../../../dist/protocol/checksums/digest.js';
import { toBase64, toHex } from '../../../dist/protocol/checksums/values.js';

const BYTES = Buffer.from('what was sent');
const announce = (...names: ChecksumAlgorithm[]): AnnouncedChecksum[] =>
  names.map((algorithm) => ({ algorithm, value: toBase64(digestOf(algorithm, BYTES)) }));
const native = () => 'native' as const;
const plain = () => 'javascript' as const;
const chosen = (
  announced: readonly AnnouncedChecksum[],
  policy: VerifyPolicy,
  implementation: Parameters<typeof chooseChecksum>[2] = native,
): string => {
  const choice = chooseChecksum(announced, policy, implementation);
  return choice.verify ? choice.algorithm : choice.reason;
};

describe('chooseChecksum', () => {
  it('never verifies when told never to, whatever there is', () => {
    expect(chosen(announce('crc32', 'md5'), 'never')).toBe('never');
  });

  it.each(['auto', 'always'] as const)('%s: says so when none is available', (policy) => {
    expect(chosen([], policy)).toBe('none available');
  });

  it.each(['auto', 'always'] as const)('%s: takes the cheapest, in whatever order they come', (policy) => {
    expect(chosen(announce('md5', 'crc32c'), policy)).toBe('crc32c');
    expect(chosen(announce('crc32c', 'md5'), policy)).toBe('crc32c');
    expect(chosen(announce('sha256', 'crc32', 'md5', 'sha1'), policy)).toBe('crc32');
  });

  it.each([
    ['crc32', 'crc32'],
    ['crc32c', 'crc32c'],
    ['crc64nvme', 'crc64nvme'],
    ['md5', 'too costly'],
    ['sha1', 'too costly'],
    ['sha256', 'too costly'],
  ] as const)('auto, with %s alone: %s', (name, expected) => {
    expect(chosen(announce(name), 'auto')).toBe(expected);
    expect(chosen(announce(name), 'always')).toBe(name);
  });

  it('auto leaves a CRC alone that would run in plain JavaScript; always takes it before an MD5', () => {
    expect(chosen(announce('crc64nvme'), 'auto', plain)).toBe('too costly');
    expect(chosen(announce('md5', 'crc64nvme'), 'always', plain)).toBe('crc64nvme');
    expect(chosen(announce('sha1', 'crc64nvme'), 'always', plain)).toBe('sha1');
  });

  it('asks about the CRC that was announced', () => {
    const asked: string[] = [];
    const implementation = (name: string) => {
      asked.push(name);
      return name === 'crc32c' ? ('javascript' as const) : ('webassembly' as const);
    };
    expect(chosen(announce('crc32c', 'crc64nvme', 'md5'), 'auto', implementation)).toBe('crc64nvme');
    expect(asked).toEqual(['crc32c', 'crc64nvme']);
  });

  it('hands out the digest that was announced', () => {
    const choice = chooseChecksum(announce('crc32c'), 'auto', native);
    expect(choice.verify && toHex(choice.digest)).toBe(toHex(digestOf('crc32c', BYTES)));
  });

  it.each([
    ['a composite one', { algorithm: 'crc32', value: 'DUoRhQ==-3' }],
    ['an unknown one', { algorithm: 'xxh3', value: 'DUoRhQ==' }],
    ['one of another length', { algorithm: 'crc64nvme', value: 'DUoRhQ==' }],
    ['no base64', { algorithm: 'crc32', value: 'ohno' }],
  ])('%s is as if it were not there', (_, broken) => {
    expect(chosen([broken], 'always')).toBe('none available');
    expect(chosen([broken, ...announce('sha256')], 'always')).toBe('sha256');
  });

  it('what auto allows lies between the CRCs and the rest', () => {
    for (const { combines, costNsPerByte } of Object.values(algorithms))
      expect(costNsPerByte <= AUTO_COST_NS_PER_BYTE).toBe(combines);
  });
});
