import { describe, expect, it } from 'vitest';
import { parsePage, parseUploads } from '../../../dist/backends/azure/listing.js';
import { text, utf8 } from './kit.js';

const blob = (name: string, properties = '', before = ''): string =>
  `<Blob>${name}${before}<Properties><Creation-Time>Fri, 20 Nov 2026 10:00:00 GMT</Creation-Time>` +
  `<Last-Modified>Sat, 21 Nov 2026 10:00:00 GMT</Last-Modified><Content-Type />${properties}</Properties><OrMetadata /></Blob>`;
const page = (blobs: string, next = '<NextMarker />'): Uint8Array =>
  utf8(
    `\uFEFF<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a/" ContainerName="c">` +
      `<Prefix>p</Prefix><MaxResults>10</MaxResults><Blobs>${blobs}</Blobs>${next}</EnumerationResults>`,
  );
const facts = (size: number, tag: string): string =>
  `<Etag>${tag}</Etag><Content-Length>${size}</Content-Length>`;

function rows(body: Uint8Array): [string, number, string][] {
  const { keys, keyEnds, versions, versionEnds, sizes } = parsePage(body, {});
  return [...keyEnds].map((end, i) => [
    text(keys.subarray(keyEnds[i - 1] ?? 0, end)),
    sizes[i]!,
    text(versions.subarray(versionEnds[i - 1] ?? 0, versionEnds[i])),
  ]);
}

describe('a page', () => {
  it('is refused with a prefix that is not UTF-8: as text it could not be asked for again', () => {
    const body = page('<BlobPrefix><Name Encoded="true">p%FF/</Name></BlobPrefix>');
    expect(() => parsePage(body, {})).toThrow(expect.objectContaining({ code: 'Unsupported' }));
  });

  it('has names, sizes, quoted tags and times', () => {
    const body = page(
      blob('<Name>a &amp; b+%41 &#x1F600;</Name>', facts(5, '0x8D1')) +
        blob('<Name Encoded="true">x%20y+%EF%BF%BE</Name>', facts(0, '"0x8D2"')) +
        '<BlobPrefix><Name>p/ü/</Name></BlobPrefix><BlobPrefix><Name Encoded="true">p%EF%BF%BF/</Name></BlobPrefix>',
      '<NextMarker>2!8!YQ==&amp;</NextMarker>',
    );
    expect(rows(body)).toEqual([
      ['a & b+%41 😀', 5, '"0x8D1"'],
      ['x y+\uFFFE', 0, '"0x8D2"'],
    ]);
    const { prefixes, next, modified } = parsePage(body, {});
    expect(prefixes).toEqual(['p/ü/', 'p\uFFFF/']);
    expect(next).toBe('2!8!YQ==&');
    expect(modified[0]).toBe(Date.UTC(2026, 10, 21, 10));
  });

  it('may be empty', () => {
    expect(rows(page(''))).toEqual([]);
    expect(rows(utf8('<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>'))).toEqual([]);
  });

  it('leaves the directories of a hierarchical namespace out', () => {
    const directory = blob('<Name>d</Name>', `${facts(0, '0x1')}<ResourceType>directory</ResourceType>`);
    expect(rows(page(directory + blob('<Name>d/f</Name>', facts(1, '0x2'))))).toEqual([['d/f', 1, '"0x2"']]);
  });

  it('is refused wherever it was cut', () => {
    const whole = text(page(blob('<Name>key</Name>', facts(5, '0x8D1'))));
    for (let end = 0; end < whole.length; end += 1)
      expect(() => parsePage(utf8(whole.slice(0, end)), {}), whole.slice(0, end)).toThrow(/not a complete/);
  });

  it.each([
    ['a blob without a name', page(blob('', facts(5, '0x1')))],
    ['a blob with two', page(blob('<Name>a</Name><Name>b</Name>', facts(5, '0x1')))],
    ['a blob without a length', page(blob('<Name>a</Name>', '<Etag>0x1</Etag>'))],
    ['a length that is none', page(blob('<Name>a</Name>', facts(1, '0x1').replace('>1<', '>-1<')))],
    ['an escape that is none', page(blob('<Name Encoded="true">%zz</Name>', facts(1, '0x1')))],
    ['no marker', utf8('<EnumerationResults><Blobs /></EnumerationResults>')],
    ['another document', utf8('<ListBucketResult></ListBucketResult>')],
  ])('is refused with %s', (_, body) => {
    expect(() => parsePage(body, {})).toThrow(/not a complete EnumerationResults document/);
  });
});

it('uploads are the blobs that have no tag', () => {
  const body = page(
    blob('<Name>done</Name>', facts(5, '0x1')) +
      '<Blob><Name>begun</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>',
    '<NextMarker>m</NextMarker>',
  );
  const { uploads, next } = parseUploads(body, {});
  expect(uploads.map(({ key, upload, startedMs }) => [text(key), upload, startedMs])).toEqual([
    ['begun', '*', null],
  ]);
  expect(next).toBe('m');
});
