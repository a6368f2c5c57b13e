import { describe, expect, it } from 'vitest';
import { baseName, isFolderMarker, pathSegments } from '../../dist/cli/paths.js';
import { prefixKey } from '../../dist/cli/prefixes.js';

describe('the path of a key', () => {
  it('leaves out the folder that was asked for, and nothing else', () => {
    expect(pathSegments('logs/2026/11/a', 'logs/2026/')).toEqual(['11', 'a']);
    expect(pathSegments('logs/2026/11/a', 'logs/20')).toEqual(['2026', '11', 'a']);
    expect(pathSegments('a', '')).toEqual(['a']);
  });

  it.each(['a/../b', '../a', '..', '.', 'a/./b', '/etc/passwd', 'a//b', 'a/', '', 'a\0b', 'a/\ud800'])(
    'refuses %j',
    (key) => {
      expect(() => pathSegments(key, '')).toThrow(/cannot be a file below the target directory/);
    },
  );

  it('keeps odd names as they are', () => {
    for (const name of [
      '...',
      '..a',
      'a..',
      ' ',
      '-r',
      '%2e%2e',
      'a\nb',
      'ä\u0308',
      '\\..\\x',
      '~',
      '$HOME',
    ]) {
      expect(pathSegments(`x/${name}`, 'x/')).toEqual([name]);
    }
  });

  it('refuses a part that is longer than names are, counted as the system counts', () => {
    expect(pathSegments('ä'.repeat(127), '', 'linux')).toHaveLength(1);
    expect(() => pathSegments(`x/${'ä'.repeat(128)}/y`, '', 'linux')).toThrow(/longer than 255 bytes/);
    expect(pathSegments('ä'.repeat(255), '', 'win32')).toHaveLength(1);
    expect(() => pathSegments('a'.repeat(256), '', 'win32')).toThrow(/longer than 255 characters/);
  });

  it('refuses what is not UTF-8: two such keys would look alike', () => {
    expect(() => pathSegments('a/\ufffd', '')).toThrow(/it is not UTF-8/);
    // Above the target it does not matter.
    expect(pathSegments('\ufffd/a', '\ufffd/')).toEqual(['a']);
  });

  it.each([
    '..\\x',
    'a\\..\\..\\x',
    'C:',
    'C:\\x',
    'a:b',
    'nul',
    'COM1',
    'com\u00b9.txt',
    'x/AUX.log',
    'a.',
    'a ',
    'a?',
    'a\nb',
  ])('refuses %j on Windows, and there alone', (key) => {
    expect(() => pathSegments(key, '', 'win32')).toThrow(/cannot be a file below the target directory/);
    expect(pathSegments(key, '', 'linux')).toEqual(key.split('/'));
  });

  it.each(['console', 'com', 'com10', 'nullable', 'lpt', 'a.b', '.a', ' a'])('takes %j on Windows', (key) => {
    expect(pathSegments(key, '', 'win32')).toEqual([key]);
  });

  it('refuses a key that is not below the prefix', () => {
    expect(() => pathSegments('other/a', 'logs/')).toThrow(/does not begin with "logs\/"/);
  });

  it('takes the last part of a named object, and refuses one without', () => {
    expect(baseName('s3://bucket/a/b.txt')).toBe('b.txt');
    expect(() => baseName('s3://bucket/a/')).toThrow(/empty part/);
    expect(() => baseName('s3://bucket/a/..')).toThrow(/part ".."/);
  });

  it('tells a folder marker from an object', () => {
    expect(isFolderMarker('a/', 0)).toBe(true);
    expect(isFolderMarker('a/', 1)).toBe(false);
    expect(isFolderMarker('a', 0)).toBe(false);
  });
});

describe('the key of a prefix', () => {
  it('is what comes after the store, taken literally', () => {
    expect(prefixKey('s3://b/lo%gs/', 's3://b/lo%gs/a b', 'lo%gs/a b')).toBe('lo%gs/');
    expect(prefixKey('s3://b', 's3://b/a', 'a')).toBe('');
  });

  it('is the path of a file URI or a plain path', () => {
    expect(prefixKey('file:///srv/a%20b/', 'file:///srv/a%20b/c', 'srv/a b/c')).toBe('srv/a b/');
    expect(prefixKey('/srv/x/', 'file:///srv/x/c', 'srv/x/c')).toBe('srv/x/');
    expect(prefixKey('./x/', 'file:///srv/x/c', 'srv/x/c', '/srv')).toBe('srv/x/');
    expect(prefixKey('x', 'file:///srv/x/c', 'srv/x/c', '/srv')).toBe('srv/x');
  });
});
