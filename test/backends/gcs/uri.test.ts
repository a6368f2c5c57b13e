import { describe, expect, it } from 'vitest';
import { bucketOf, formatUri, parseUri } from '../../../dist/backends/gcs/uri.js';
import { utf8 } from './kit.js';

describe('a gs URI', () => {
  it.each([
    'a/b.json',
    '100%',
    'plus+sign and space',
    'question?hash#at@',
    '/leading',
    'double//slash',
    '../up',
    '日本語',
    'looks%20encoded',
    '',
  ])('gives back the key %j, read the long way and the short way', (key) => {
    const other = parseUri('gs://another-bucket/x');
    expect(other.store).toBe('gs://another-bucket');
    for (let again = 0; again < 2; again += 1) {
      const location = parseUri(`gs://logs/${key}`);
      expect(location.store).toBe('gs://logs');
      expect(Buffer.compare(location.key, utf8(key))).toBe(0);
      expect(formatUri(location)).toBe(`gs://logs/${key}`);
    }
  });

  it('may have a bucket with dots and underscores', () => {
    expect(bucketOf(parseUri('gs://my_logs.example.com/k').store)).toBe('my_logs.example.com');
  });

  it.each([
    ['s3://logs/k', /expected gs:\/\/bucket\/key/],
    ['gs:///k', /names no bucket/],
    ['gs://ab/k', /"ab" is not a bucket name/],
    ['gs://-logs/k', /is not a bucket name/],
    ['gs://lo..gs/k', /is not a bucket name/],
    ['gs://lo gs/k', /is not a bucket name/],
    ['gs://user:secret-of-mine@logs/k', /neither credentials nor a port/],
    ['gs://logs/\ud800', /lone surrogate/],
    [`gs://logs/${'é'.repeat(600)}`, /1200 bytes; names of objects have at most 1024/],
  ])('refuses %j', (uri, what) => {
    expect(() => parseUri(uri)).toThrow(what);
    expect(() => parseUri(uri)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });

  it('repeats no password', () => {
    for (const uri of [
      'gs://user:secret-of-mine@logs/k',
      'https://user:secret-of-mine@host/k',
      'https://host/k?X-Goog-Signature=secret-of-mine',
      'gs:///k?X-Goog-Signature=secret-of-mine',
      'gs://logs/\ud800?X-Goog-Signature=secret-of-mine',
      `gs://logs/k?X-Goog-Signature=secret-of-mine${'k'.repeat(1024)}`,
    ]) {
      expect(() => parseUri(uri)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
      expect(() => parseUri(uri)).not.toThrow(/secret-of-mine/);
    }
  });
});
