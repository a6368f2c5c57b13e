import { describe, expect, it } from 'vitest';
import { placeOf, shownUri } from '../../dist/protocol/shown-uri.js';

describe('placeOf', () => {
  it.each([
    ['https://host.test', 'https://host.test'],
    ['https://host.test/a/b?sig=secret', 'https://host.test/...'],
    ['https://host.test?sig=secret', 'https://host.test/...'],
    ['https://host.test#secret', 'https://host.test/...'],
    ['https://host.test:8443/a', 'https://host.test:8443/...'],
    ['https://user:secret@host.test/a', 'https://host.test/...'],
    ['https://user:se@cret@host.test:80/a', 'https://host.test:80/...'],
    ['https://[::1]:9000/a', 'https://[::1]:9000/...'],
    ['https://[::1]', 'https://[::1]'],
    // What may be a user and a password whose "@" stands behind a slash.
    ['https://user:secret/more@host.test/a', 'https://...'],
    ['https://user:123456/more@host.test/a', 'https://...'],
    ['https://[::1]secret/a', 'https://...'],
    ['https://x[::1]:5/a', 'https://...'],
    ['https://host.test\\secret', 'https://host.test/...'],
    ['https://host.test secret', 'https://host.test/...'],
    ['mailto:', 'mailto:'],
    ['data:secret', 'data:...'],
    ['s3:/secret', 's3:...'],
    ['https://host.test/a\nsecret', 'https://host.test/...'],
  ])('of %j is %j', (uri, place) => {
    expect(placeOf(uri)).toBe(place);
  });
});

describe('shownUri', () => {
  it.each([
    's3://bucket/a/b.bin',
    's3://bucket',
    'az+x.y-z://account/container/key',
    '/srv/data/a?b#c',
    'C:\\data\\a',
    'a word',
    '',
    '1x://host/a?b',
  ])('shows all of %j: nothing in it can be a secret', (uri) => {
    expect(shownUri(uri)).toBe(uri);
  });

  it.each([
    ['s3://bucket/a?X-Amz-Signature=secret', 's3://bucket/...'],
    ['s3://bucket/a#secret', 's3://bucket/...'],
    ['s3://key:secret@bucket/a', 's3://bucket/...'],
    ['s3://secret@bucket/a', 's3://bucket/...'],
    ['s3://key:secret/x@bucket/a', 's3://...'],
    ['http://host:80/a', 'http://host:80/...'],
    ['S3://bucket?secret', 'S3://bucket/...'],
  ])('shows the place alone of %j', (uri, shown) => {
    expect(shownUri(uri)).toBe(shown);
  });
});
