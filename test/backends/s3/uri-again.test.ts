/** A URI of the bucket that came last is read by a shorter way: it must accept, refuse and give what the long one does. */
import { describe, expect, it } from 'vitest';
import { createS3Scheme } from '../../../dist/backends/s3/scheme.js';
import { random, text } from './kit.js';

const scheme = createS3Scheme();

/** What comes of a URI when the one before it was `before`: a location, or the text of the refusal. */
function after(before: string, uri: string): { store: string; key: number[] } | string {
  scheme.parse(before);
  try {
    const { store, key } = scheme.parse(uri);
    return { store, key: [...key] };
  } catch (thrown) {
    return String(thrown);
  }
}

const ARN = 'arn:aws:s3:us-west-2:123456789012:accesspoint/my-point';
const BUCKETS = [
  'bucket',
  'bucke',
  'bucket.a',
  'bucket/',
  'Bucket',
  'arn',
  ARN,
  'a_b',
  '10.0.0.1',
  'user@bucket',
];
const KEYS = [
  '',
  '/',
  'k',
  '//k',
  'k?versionId=1#x',
  '%2F',
  'a:b@c',
  'ü',
  'a\u{1f600}',
  'a\ud800',
  '\udc00',
  '\0',
  '\x7f',
  '\x80',
];
const LONG = [
  'a'.repeat(1024),
  'a'.repeat(1025),
  `${'a'.repeat(1022)}ü`,
  `${'a'.repeat(1023)}ü`,
  'ü'.repeat(512),
];

describe('a URI of the bucket that came last', () => {
  it('is read as it is read behind another bucket, whatever is odd in it', () => {
    for (const bucket of BUCKETS) {
      for (const key of [...KEYS, ...LONG]) {
        const uri = `s3://${bucket}/${key}`;
        const fresh = after('s3://some-other/x', uri);
        for (const before of ['s3://bucket/x', 's3://bucket', `s3://${ARN}/x`, 's3://arn/x', 's3://a_b/'])
          expect(after(before, uri), `${JSON.stringify(uri.slice(0, 60))} after ${before}`).toEqual(fresh);
      }
    }
  });

  it('is refused in the same words', () => {
    for (const uri of [
      's3:/bucket/k',
      'S3://bucket/k',
      's3://bucket',
      's3://',
      'bucket/k',
      ' s3://bucket/k',
      '',
    ]) {
      expect(after('s3://bucket/x', uri)).toEqual(after('s3://some-other/x', uri));
    }
  });

  it('has a key that no later key writes over, and that keeps the others when its buffer is transferred', () => {
    const next = random(11);
    const wanted = Array.from({ length: 3000 }, (_, i) => `${i}-${'k'.repeat(Math.floor(next() * 900))}`);
    const keys = wanted.map((key) => scheme.parse(`s3://bucket/${key}`).key);
    expect(keys.map(text)).toEqual(wanted);
    const { buffer } = keys[5]!;
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    } catch (thrown) {
      expect((thrown as Error).name).toBe('DataCloneError');
    }
    expect(keys.map(text)).toEqual(wanted);
  });
});
