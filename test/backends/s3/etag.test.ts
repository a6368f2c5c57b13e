import { describe, expect, it } from 'vitest';
import { data, exchange, NOW, request, utf8 } from './kit.js';

const weak = { etag: 'W/"v1"', 'content-range': 'bytes 0-99/1000', 'content-length': '100' };
const read = (version: string | null, etag = weak.etag) =>
  data().readAnswer(
    request({ version }),
    exchange(206, { ...weak, etag }, { landed: 100 }),
    new Uint8Array(100),
    NOW,
  );

describe('a weak ETag', () => {
  it('is not the version of what was read, because no later part could be asked for with it', () => {
    expect(read(null)).toMatchObject({ outcome: 'complete', landed: 100, version: null });
    expect(read(null, '"v1"')).toMatchObject({ outcome: 'complete', version: '"v1"' });
  });

  it('is not the version of an object that was asked about, nor of one that is listed', () => {
    const head = data().headAnswer(utf8('a'), exchange(200, { 'content-length': '9', etag: 'W/"v1"' }), NOW);
    expect(head).toMatchObject({ outcome: 'complete', value: { size: 9, version: null } });
    const row = (key: string, etag: string): string =>
      `<Contents><Key>${key}</Key><ETag>${etag}</ETag><Size>1</Size></Contents>`;
    const rows = row('a', 'W/&quot;v1&quot;') + row('b', '&quot;v2&quot;');
    const body = utf8(`<ListBucketResult><IsTruncated>false</IsTruncated>${rows}</ListBucketResult>`);
    const asked = { prefix: utf8(''), delimiter: null, continuation: null, limit: 10 };
    const { value } = data().listAnswer(asked, exchange(200, {}, { body }), NOW);
    expect([value!.count, ...value!.versionEnds]).toEqual([2, 0, 4]);
    expect(Buffer.from(value!.versions).toString()).toBe('"v2"');
  });

  it('still tells that an object was replaced, and not that it was not', () => {
    expect(read('"v0"')).toMatchObject({ outcome: 'version-changed', error: { code: 'VersionChanged' } });
    expect(read('"v1"')).toMatchObject({ outcome: 'complete' });
  });

  it('cannot be asked for', () => {
    expect(() => data().prepareRead(request({ version: 'W/"v1"' }), NOW)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: expect.stringContaining('weak ETag') }),
    );
  });
});
