import { describe, expect, it } from 'vitest';
import { claimedUrl, containerOf, formatUri, parseUri } from '../../../dist/backends/azure/uri.js';
import type { MillraceError } from '../../../dist/protocol/errors.js';
import { text } from './kit.js';

const at = (uri: string): [string, string] => {
  const { store, key } = parseUri(uri);
  return [store, text(key)];
};
function refusalOf(uri: string): MillraceError {
  try {
    parseUri(uri);
  } catch (thrown) {
    return thrown as MillraceError;
  }
  throw new Error('it was accepted');
}

describe('an az URI', () => {
  it.each([
    ['az://acct/logs/a/b.json', 'az://acct/logs', 'a/b.json'],
    ['az://acct/logs/a%20b+c?d#e', 'az://acct/logs', 'a%20b+c?d#e'],
    ['az://acct/logs//lead', 'az://acct/logs', '/lead'],
    ['az://acct/logs/', 'az://acct/logs', ''],
    ['az://acct/logs', 'az://acct/logs', ''],
    ['az://acct/$web/x', 'az://acct/$web', 'x'],
    ['az://acct/a-b/x', 'az://acct/a-b', 'x'],
    [`az://acct/${'a-'.repeat(31)}z/x`, `az://acct/${'a-'.repeat(31)}z`, 'x'],
    ['az://acct/logs/日本😀', 'az://acct/logs', '日本😀'],
    ['az://acct.blob.core.windows.net/logs/k', 'az://acct/logs', 'k'],
    ['az://acct.blob.core.chinacloudapi.cn/logs/k', 'az://acct.blob.core.chinacloudapi.cn/logs', 'k'],
  ])('%s is %s and the key %j', (uri, store, key) => {
    expect(at(uri)).toEqual([store, key]);
    // The second time it is read by the shorter way.
    expect(at(uri)).toEqual([store, key]);
    expect(at(formatUri(parseUri(uri)))).toEqual([store, key]);
  });

  it.each([
    ['az://', /names an account first/],
    ['az://acct', /names no container/],
    ['az://acct//key', /names no container/],
    ['az://My-Account/logs/k', /not the name of a storage account/],
    ['az://acct/No_Container/k', /"No_Container" is not a container's name/],
    ['az://acct/a--b/k', /not a container's name/],
    ['az://acct/ab/k', /not a container's name/],
    ['az://acct/-ab/k', /not a container's name/],
    ['az://acct/$w/k', /not a container's name/],
    [`az://acct/${'a-'.repeat(32)}z/k`, /not a container's name/],
    ['az://acct:10000/logs/k', /neither credentials nor a port/],
    ['az://acct.example.com/logs/k', /set the az option endpoint/],
    ['az://acct/logs/\ud800', /lone surrogate/],
    [`az://acct/logs/${'k'.repeat(1025)}`, /1025 characters/],
    [`az://acct/logs/${'é'.repeat(1025)}`, /1025 characters/],
  ])('%s is refused', (uri, message) => {
    expect(refusalOf(uri)).toMatchObject({ code: 'InvalidArgument' });
    expect(refusalOf(uri).message).toMatch(message);
  });
});

describe('a refused URI', () => {
  it('tells no password, and no signature of another service', () => {
    for (const uri of [
      'https://user:SECRET@acct.blob.core.windows.net/logs/k',
      'acct/logs/k?sig=SECRET',
      'az://acct/logs/\ud800?X-Amz-Signature=SECRET',
    ]) {
      expect(refusalOf(uri).message).not.toContain('SECRET');
    }
  });
});

describe('a signature behind an az URI', () => {
  it('is refused and not repeated, the second time too', () => {
    parseUri('az://acct/logs/before');
    for (const tail of ['?sv=1&sig=SECRET', '?sig=SECRET']) {
      const error = refusalOf(`az://acct/logs/k${tail}`);
      expect(error.message).toContain('sasToken');
      expect(error.message).not.toContain('SECRET');
    }
    expect(at('az://acct/logs/design=sig=1')).toEqual(['az://acct/logs', 'design=sig=1']);
  });
});

describe('the https form', () => {
  it.each([
    ['https://acct.blob.core.windows.net/logs/a%20b%2Bc+d', 'az://acct/logs', 'a b+c+d'],
    ['HTTPS://ACCT.Blob.Core.Windows.Net/logs/Key', 'az://acct/logs', 'Key'],
    ['https://acct.blob.core.usgovcloudapi.net/logs/k', 'az://acct.blob.core.usgovcloudapi.net/logs', 'k'],
    ['https://acct.z12.blob.storage.azure.net/logs/k', 'az://acct.z12.blob.storage.azure.net/logs', 'k'],
    ['https://acct.blob.core.windows.net/logs/%F0%9F%98%80%3F', 'az://acct/logs', '😀?'],
  ])('%s is %s and the key %j', (uri, store, key) => {
    expect(at(uri)).toEqual([store, key]);
  });

  it.each(['https://acct.blob.core.windows.net/logs/%', 'https://acct.blob.core.windows.net/logs/%FF'])(
    '%s is refused, as no UTF-8',
    (uri) => expect(refusalOf(uri).message).toMatch(/not percent-encoded UTF-8/),
  );

  it.each(['?sv=2023&sig=SECRET', '#SECRET', '?versionid=SECRET'])(
    'is refused with %s, which is not repeated',
    (tail) => {
      const error = refusalOf(`https://acct.blob.core.windows.net/logs/k${tail}`);
      expect(error.message).toContain('sasToken');
      expect(error.message).toContain('https://acct.blob.core.windows.net/logs/k ');
      expect(JSON.stringify(error.toWire())).not.toContain('SECRET');
    },
  );

  it('is claimed for hosts of the service alone', () => {
    expect(claimedUrl('https://acct.blob.core.windows.net/logs/k')).toBe(
      'https://acct.blob.core.windows.net/',
    );
    for (const uri of [
      'http://acct.blob.core.windows.net/logs/k',
      'https://example.com/logs/k',
      'https://acct.blob.core.windows.net.evil.example/logs/k',
      'https://evil.example/acct.blob.core.windows.net/k',
      'https://user@acct.blob.core.windows.net/logs/k',
      'https://blob.core.windows.net/logs/k',
    ])
      expect(claimedUrl(uri)).toBeNull();
  });
});

describe('a store name', () => {
  it('tells account, host and container', () => {
    expect(containerOf('az://acct/logs')).toEqual({ account: 'acct', suffix: null, container: 'logs' });
    expect(containerOf('az://acct.blob.core.chinacloudapi.cn/logs')).toMatchObject({
      suffix: 'blob.core.chinacloudapi.cn',
    });
  });
});
