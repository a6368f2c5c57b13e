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

describe('an https URL', () => {
  it('of an Azure host is of the az store, and one of another host of none', () => {
    const directory = new Directory(createSchemes({}));
    const url = 'https://acct.blob.core.windows.net/logs/a%20b';
    for (const uri of [url, 'az://acct/logs/a b', url]) {
      expect(directory.locate(uri).store).toBe('az://acct/logs');
      expect(Buffer.from(directory.locate(uri).key).toString()).toBe('a b');
    }
    // The one before must not have taught it that all of https is Azure's.
    expect(() => directory.locate('https://example.com/logs/k')).toThrow(/unknown scheme https/);
  });

  it('is left to a store of the user that has the name', () => {
    const directory = new Directory(createSchemes({ https: { module: 'file:///x.mjs' } }));
    expect(directory.locate('https://acct.blob.core.windows.net/logs/k').store).toBe(
      'https://acct.blob.core.windows.net',
    );
  });
});
