import { describe, expect, it } from 'vitest';
import { Directory } from '../../dist/host/directory.js';
import { createSchemes } from '../../dist/host/schemes.js';
import type { MillraceError } from '../../dist/protocol/errors.js';

function refusalOf(uri: string): MillraceError {
  try {
    new Directory(createSchemes({})).locate(uri);
  } catch (thrown) {
    return thrown as MillraceError;
  }
  throw new Error('it was located');
}

describe('a URI of an unknown scheme', () => {
  it.each([
    ['https://b.example/k?X-Amz-Signature=SECRET&X-Amz-Security-Token=SECRET', 'https://b.example/...'],
    ['https://user:SECRET@b.example/k', 'https://b.example/...'],
    ['https://user:SEC@RET@b.example', 'https://b.example has'],
    ['https://b.example?SECRET', 'https://b.example/...'],
    ['https://b.example#SECRET', 'https://b.example/...'],
    ['ftp://b.example\nSECRET', 'ftp://'],
    ['data:text/plain,SECRET', 'data:...'],
  ])('%s is refused as %s, without what may be secret', (uri, shown) => {
    const error = refusalOf(uri);
    expect(error.code).toBe('InvalidArgument');
    expect(error.message).toContain(shown);
    expect(error.message).toMatch(/has the unknown scheme \w+: expected one of s3:/);
    expect(JSON.stringify(error.toWire())).not.toMatch(/SECRET|SEC@/);
  });
});
