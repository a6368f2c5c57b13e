import { describe, expect, it } from 'vitest';
import { createS3Scheme } from '../../../dist/backends/s3/scheme.js';
import { random, text, utf8 } from './kit.js';

const scheme = createS3Scheme();

describe('s3 URIs', () => {
  it('take the key literally', () => {
    for (const key of [
      'key',
      'with spaces+%/ü',
      'a%2Fb',
      'q?versionId=1#x',
      '/x',
      '//x',
      'x/',
      '.',
      '../..',
      '😀',
    ]) {
      const location = scheme.parse(`s3://bucket/${key}`);
      expect(location.store).toBe('s3://bucket');
      expect(text(location.key)).toBe(key);
      expect(scheme.format(location)).toBe(`s3://bucket/${key}`);
    }
  });

  it('read back what they were made of, for keys of any characters', () => {
    const next = random(7);
    for (let i = 0; i < 500; i++) {
      const points = Array.from({ length: 1 + Math.floor(next() * 40) }, () => {
        const point = Math.floor(next() * (next() < 0.7 ? 0x80 : 0x11000));
        return point >= 0xd800 && point <= 0xdfff ? 0x2f : point;
      });
      const key = utf8(String.fromCodePoint(...points));
      const location = scheme.parse(scheme.format({ store: 's3://some.bucket-1', key }));
      expect(location).toEqual({ store: 's3://some.bucket-1', key });
    }
  });

  it('may have an empty key, which a prefix can be', () => {
    expect(scheme.parse('s3://bucket').key.length).toBe(0);
    expect(scheme.parse('s3://bucket/').key.length).toBe(0);
  });

  it('may name an access point, whose ARN has slashes of its own', () => {
    const arn = 'arn:aws:s3:us-west-2:123456789012:accesspoint/my-point';
    expect(scheme.parse(`s3://${arn}/a/b`)).toEqual({ store: `s3://${arn}`, key: utf8('a/b') });
    expect(scheme.parse(`s3://${arn}`)).toEqual({ store: `s3://${arn}`, key: utf8('') });
  });

  it('are refused when no bucket can be in them, saying what was expected', () => {
    for (const bad of [
      's3://',
      's3:///key',
      'http://x/y',
      'bucket/key',
      's3://a/k',
      's3://-ab/k',
      's3://a..b/k',
      's3://ab-/k',
      's3://10.0.0.1/k',
      's3://a b/k',
      's3://bü/k',
      `s3://${'x'.repeat(256)}/k`,
    ]) {
      expect(() => scheme.parse(bad), bad).toThrow(
        expect.objectContaining({ code: 'InvalidArgument', message: expect.stringContaining('expected') }),
      );
    }
  });

  it('are refused with credentials in them, which are not repeated', () => {
    expect(() => scheme.parse('s3://AKIA:hunter2secret@bucket/k')).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.not.stringContaining('hunter2') }),
    );
  });

  it('are refused without the signature that stands behind them', () => {
    for (const uri of [
      's3:///key?X-Amz-Signature=hunter2',
      's3://bucket/\ud800?X-Amz-Signature=hunter2',
      `s3://bucket/k?X-Amz-Signature=hunter2${'k'.repeat(1024)}`,
    ]) {
      expect(() => scheme.parse(uri)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument', message: expect.not.stringContaining('hunter2') }),
      );
    }
  });

  it('are refused with a key that has no UTF-8 form or is longer than S3 allows', () => {
    expect(() => scheme.parse('s3://bucket/a\ud800b')).toThrow(/lone surrogate/);
    expect(scheme.parse(`s3://bucket/${'ü'.repeat(512)}`).key.length).toBe(1024);
    expect(() => scheme.parse(`s3://bucket/${'ü'.repeat(513)}`)).toThrow(/1026 bytes/);
  });
});

describe('the s3 scheme', () => {
  it('names a data module that builds a data half', async () => {
    const module = (await import(scheme.dataModule)) as Record<string, unknown>;
    expect(scheme.kind).toBe('http');
    expect(typeof module.createStoreData).toBe('function');
  });

  it('refuses options that cannot work, and names the nearest known one', () => {
    const refused = (options: object): string => {
      try {
        createS3Scheme(options);
      } catch (error) {
        expect(error).toMatchObject({ code: 'InvalidArgument' });
        return (error as Error).message;
      }
      return 'accepted';
    };
    expect(refused({ endPoint: 'http://x' })).toContain('"endpoint"');
    expect(refused({ pathStyle: true })).toContain('"forcePathStyle"');
    expect(refused({ toString: 1 })).toContain('no option "toString"');
    expect(refused({ region: 'Not A Region' })).toContain('eu-west-1');
    expect(refused({ region: 5 })).toContain('a number');
    expect(refused({ endpoint: 'localhost:9000' })).toContain('expected a URL');
    expect(refused({ endpoint: 'http://me:hunter2@x' })).not.toContain('hunter2');
    expect(refused({ credentials: { accessKeyId: 'a' } })).toContain('secretAccessKey');
    expect(refused({ credentials: { accessKeyId: 'a', secretAccessKey: 'b\r\nc' } })).not.toContain(
      'accepted',
    );
    expect(refused({ anonymous: true, credentials: async () => ({}) })).toContain('exclude');
    expect(refused({ ca: '/etc/ca.pem' })).toContain('not a path');
    expect(refused({ expectedBucketOwner: 'me' })).toContain('12 digits');
    expect(refused({ endpoint: 'http://127.0.0.1:9000', region: 'x', forcePathStyle: true })).toBe(
      'accepted',
    );
  });
});
