import { describe, expect, it } from 'vitest';
import { createFileScheme } from '../../../dist/backends/file/scheme.js';
import { pathFromUri, uriFromPath } from '../../../dist/backends/file/uri.js';

const path = (given: string): string => pathFromUri(given, '/work/here');

describe('pathFromUri', () => {
  it.each([
    ['file:///srv/data/a.bin', '/srv/data/a.bin'],
    ['file:/srv/a', '/srv/a'],
    ['FILE://localhost/srv/a', '/srv/a'],
    ['file:///', '/'],
    ['file:///srv/data/', '/srv/data/'],
    ['file:///srv//data///a', '/srv/data/a'],
    ['file:///srv/./data/.', '/srv/data/'],
    ['file:///with%20space%25', '/with space%'],
    ['file:///%FF%fe', '/\xff\xfe'],
    ['file:///ünï', '/\xc3\xbcn\xc3\xaf'],
    ['file:///%C3%BC', '/\xc3\xbc'],
    ['/srv/100%', '/srv/100%'],
    ['/srv/what?#no', '/srv/what?#no'],
    ['./data/', '/work/here/data/'],
    ['data/a', '/work/here/data/a'],
    ['.', '/work/here/'],
    ['..', '/work/'],
    ['../../x', '/x'],
    ['../../../../x', '/x'],
    ['./c:/d', '/work/here/c:/d'],
    ['...', '/work/here/...'],
    ['..a', '/work/here/..a'],
  ])('reads %s', (given, expected) => {
    expect(path(given)).toBe(expected);
  });

  it.each([
    ['', 'empty'],
    ['s3://bucket/key', 'scheme is "s3"'],
    ['c:/windows', './c:/windows'],
    ['file://host/share', 'host "host"'],
    ['file:relative', 'not absolute'],
    ['file:///a?b', '%3F'],
    ['file:///a#b', '%23'],
    ['file:///a%2', 'hexadecimal'],
    ['file:///a%zz', 'hexadecimal'],
    ['file:///a%2Fb', 'encoded slash'],
    ['file:///a%00b', 'NUL'],
    ['/a\0b', 'NUL'],
    ['file:///a/../b', '".." segment'],
    ['file:///%2e%2E/b', '".." segment'],
    ['/a/..', '".." segment'],
    ['data/../../x', '".." segment'],
    ['\ud800', 'surrogate'],
  ])('refuses %j, says why (%s) and shows a good one', (given, why) => {
    expect(() => path(given)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.stringContaining(why) }),
    );
    expect(() => path(given)).toThrow('file:///srv/data/a.bin');
  });

  it('reads back each byte that a name can hold', () => {
    for (let byte = 1; byte < 256; byte += 1) {
      const name = `/x${String.fromCharCode(byte)}y`;
      if (byte !== 0x2f) expect(path(uriFromPath(name))).toBe(name);
    }
  });
});

describe('createFileScheme', () => {
  const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

  it('splits a URI into the store file:/// and the path below it, and puts it together again', () => {
    const scheme = createFileScheme();
    const location = scheme.parse('file:///srv/%FF%20a');
    expect(location.store).toBe('file:///');
    expect(text(location.key)).toBe('srv/\xff a');
    expect(scheme.format(location)).toBe('file:///srv/%FF%20a');
    expect(text(scheme.parse('file:///').key)).toBe('');
  });

  it('resolves relative paths where the process is', () => {
    expect(createFileScheme().format(createFileScheme().parse('./a b'))).toBe(
      `${uriFromPath(process.cwd())}/a%20b`,
    );
  });

  it('makes the root the store, and refuses what lies outside', () => {
    const scheme = createFileScheme({ root: '/srv/data' });
    expect(scheme.parse('/srv/data/in/a')).toEqual({ store: 'file:///srv/data/', key: expect.anything() });
    expect(text(scheme.parse('/srv/data/in/a').key)).toBe('in/a');
    expect(text(scheme.parse('/srv/data').key)).toBe('');
    for (const outside of ['/srv/data2/a', '/srv/a', '/', 'file:///etc/passwd', '/srv/data/../a'])
      expect(() => scheme.parse(outside)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });

  it('gives keys over memory of their own, which can be transferred', () => {
    const { key } = createFileScheme().parse('/a');
    expect(key.buffer.byteLength).toBe(key.length);
  });

  it('opens its own store only, with a snapshot that can be cloned', async () => {
    const scheme = createFileScheme({ root: '/srv' });
    await expect(scheme.open('file:///')).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(() => scheme.format({ store: 's3://b', key: new Uint8Array(1) })).toThrow('file:///srv/');
    const snapshot = await (await scheme.open('file:///srv/')).snapshot(0);
    expect(structuredClone(snapshot)).toEqual({ version: 1, expiresAtMs: null, config: { root: '/srv/' } });
  });

  it('names a module that exports createStore, which refuses a foreign snapshot', async () => {
    const { createStore } = await import(createFileScheme().dataModule);
    for (const config of [null, {}, { root: 'relative/' }, { root: '/no-slash' }])
      expect(() => createStore({ version: 1, expiresAtMs: null, config })).toThrow('file scheme');
  });
});
