import { describe, expect, it } from 'vitest';
import type { Answer, KeyPage } from '../../../dist/protocol/store.js';
import { NOW, data, exchange, random, refusal, text, utf8 } from './kit.js';

interface Row {
  key: string;
  size: number;
  version: string;
  modified: number;
}

const ask = { prefix: utf8(''), delimiter: null, continuation: null, limit: 1000 };
const list = (xml: string | Uint8Array): Answer<KeyPage> =>
  data().listAnswer(ask, exchange(200, {}, { body: typeof xml === 'string' ? utf8(xml) : xml }), NOW);

function page(xml: string): KeyPage {
  const answer = list(xml);
  expect(answer.error).toBeNull();
  return answer.value!;
}

function rows({ count, keys, keyEnds, sizes, versions, versionEnds, modified }: KeyPage): Row[] {
  expect([keyEnds.length, versionEnds.length, sizes.length, modified.length]).toEqual([
    count,
    count,
    count,
    count,
  ]);
  expect(keys.length).toBe(keyEnds.at(-1) ?? 0);
  return Array.from({ length: count }, (_, i) => ({
    key: text(keys.subarray(i === 0 ? 0 : keyEnds[i - 1], keyEnds[i])),
    size: sizes[i]!,
    version: text(versions.subarray(i === 0 ? 0 : versionEnds[i - 1], versionEnds[i])),
    modified: modified[i]!,
  }));
}

const document = (
  inner: string,
  encoding = '<EncodingType>url</EncodingType>',
  end = '<IsTruncated>false</IsTruncated>',
): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>logs</Name>` +
  `<Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>${encoding}${end}${inner}</ListBucketResult>`;
const contents = (key: string, size: number | string = 1, more = ''): string =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-21T04:36:34.000Z</LastModified>` +
  `<ETag>&quot;0123456789abcdef&quot;</ETag>${more}<Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`;

/** As AWS writes a page, with everything that may stand in a row. */
const AWS = document(
  contents(
    'a+b',
    0,
    '<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>',
  ) +
    contents(
      'a%2Bb',
      7,
      '<Owner><ID>7</ID><DisplayName/></Owner><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>',
    ) +
    contents('%E6%97%A5%E6%9C%AC/100%25.csv', 5_497_558_138_880) +
    '<CommonPrefixes><Prefix>run+books/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>%C3%BC%2F/</Prefix></CommonPrefixes>',
  '<EncodingType>url</EncodingType>',
  '<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><IsTruncated>true</IsTruncated>',
);
/** As radosgw 16.2 writes one: flags before, token and count behind, `%20`, numeric entities. */
const RADOSGW =
  '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
  '<EncodingType>url</EncodingType><Name>bkt</Name><Prefix></Prefix><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>' +
  '<Contents><Key>a%20b</Key><LastModified>2026-11-21T05:23:03.598Z</LastModified><ETag>&quot;a7844c&quot;</ETag><Size>11</Size>' +
  '<StorageClass>STANDARD</StorageClass><Type>Normal</Type></Contents><Contents><Key>ctl%01x</Key>' +
  '<LastModified>2026-11-21T05:23:03.669Z</LastModified><ETag>&quot;b7816b&quot;</ETag><Size>13</Size></Contents>' +
  '<NextContinuationToken>ctl&#x01;x&amp;&#252;</NextContinuationToken><KeyCount>2</KeyCount></ListBucketResult>';

describe('a listing page', () => {
  it('is read as AWS writes it', () => {
    const read = page(AWS);
    const version = '"0123456789abcdef"';
    expect(rows(read)).toEqual([
      { key: 'a b', size: 0, version, modified: NOW },
      { key: 'a+b', size: 7, version, modified: NOW },
      { key: '日本/100%.csv', size: 5_497_558_138_880, version, modified: NOW },
    ]);
    expect(read.prefixes).toEqual(['run books/', 'ü//']);
    expect(read.next).toBe('1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=');
  });

  it('is read as radosgw writes it', () => {
    const read = page(RADOSGW);
    expect(rows(read).map((row) => row.key)).toEqual(['a b', 'ctl\u0001x']);
    expect(read.next).toBe('ctl\u0001x&ü');
  });

  it('is read literally where the service ignored the encoding', () => {
    const read = page(document(contents('a+b%20ü&amp;&#x1F600;&lt;'), ''));
    expect(rows(read)[0]!.key).toBe('a+b%20ü&😀<');
  });

  it('keeps key bytes that are not UTF-8', () => {
    expect([...page(document(contents('%FF%00%80'))).keys]).toEqual([0xff, 0, 0x80]);
  });

  it('is refused with a prefix that is not UTF-8: as text it could not be asked for again', () => {
    const prefix = '<CommonPrefixes><Prefix>a%FF/</Prefix></CommonPrefixes>';
    expect(list(document(prefix))).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
  });

  it('may be empty, and has no next page when it is not truncated, whatever token it carries', () => {
    const read = page(
      document('', '', '<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>'),
    );
    expect(read).toMatchObject({ count: 0, prefixes: [], next: null });
  });

  it('may have rows without version or time', () => {
    const read = page(
      document('<Contents><Key>k</Key><Size>3</Size></Contents><Contents><Key/><Size>4</Size></Contents>'),
    );
    expect(rows(read)).toEqual([
      { key: 'k', size: 3, version: '', modified: Number.NaN },
      { key: '', size: 4, version: '', modified: Number.NaN },
    ]);
  });

  it('may be indented, begin with a byte order mark and hold comments and attributes', () => {
    const spaced = `\ufeff${AWS.replaceAll('><', '>\n\t <').replace('<Contents>', '<!-- a > b --><Contents a="x>y">')}\r\n<!-- end -->\n`;
    expect(rows(page(spaced))).toEqual(rows(page(AWS)));
  });

  it('is handed over without slack, so that it can be sent to another thread', () => {
    const read = page(document(contents('%41%42%43')));
    expect(read.keys.buffer.byteLength).toBe(3);
    expect(structuredClone(read)).toEqual(read);
  });
});

describe('a page that cannot be trusted is refused, never shortened', () => {
  for (const [name, xml] of [
    ['AWS', AWS],
    ['radosgw', RADOSGW],
  ] as const) {
    it(`when a page of ${name} is cut after any byte`, () => {
      const bytes = utf8(xml);
      for (let length = 0; length < bytes.length; length++) {
        const answer = list(bytes.slice(0, length));
        expect(answer, `cut after ${length}`).toMatchObject({
          outcome: 'transient',
          value: null,
          error: { code: 'ProtocolViolation' },
        });
      }
    });
  }

  const bad: [string, string][] = [
    ['another root', '<Error><Code>AccessDenied</Code></Error>'],
    ['an empty root', '<ListBucketResult/>'],
    ['nothing', ''],
    ['no XML', 'OK'],
    ['a second root', AWS + AWS],
    ['text behind the root', `${AWS}x`],
    ['a row without a key', document('<Contents><Size>1</Size></Contents>')],
    ['a row without a size', document('<Contents><Key>a</Key></Contents>')],
    ['an empty row', document('<Contents/>')],
    ['a row with two keys', document('<Contents><Key>a</Key><Key>b</Key><Size>1</Size></Contents>')],
    ['a row with two sizes', document('<Contents><Key>a</Key><Size>1</Size><Size>1</Size></Contents>')],
    ['a size that is no number', document(contents('a', '1e3'))],
    ['a negative size', document(contents('a', '-1'))],
    ['a size beyond exact numbers', document(contents('a', '9999999999999999'))],
    ['an element inside a key', document(contents('a<b/>'))],
    ['tags that cross', document('<Contents><Key>a</Contents></Key>')],
    ['an end tag of another name', document(contents('a').replace('</Key>', '</Keys>'))],
    ['an unknown entity', document(contents('a&nbsp;b'))],
    ['an entity that never ends', document(contents('a&amp'))],
    ['half a percent escape', document(contents('a%2'))],
    ['a percent escape that is none', document(contents('a%zz'))],
    ['a surrogate as an entity', document(contents('&#xD800;'))],
    ['an empty group of prefixes', document('<CommonPrefixes></CommonPrefixes>')],
    ['no word on truncation', document('', '', '')],
    ['a strange word on truncation', document('', '', '<IsTruncated>maybe</IsTruncated>')],
    ['truncation without a token', document('', '', '<IsTruncated>true</IsTruncated>')],
    ['a document type', AWS.replace('<ListBucketResult', '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult')],
    ['character data', document(contents('<![CDATA[a]]>'))],
    ['deep nesting', document('<a>'.repeat(5000) + '</a>'.repeat(5000))],
    ['text between rows', document('x')],
  ];
  for (const [name, xml] of bad) {
    it(`when it has ${name}`, () => {
      expect(list(xml)).toMatchObject({
        outcome: 'transient',
        value: null,
        error: { code: 'ProtocolViolation', phase: 'list', status: 200 },
      });
    });
  }

  it('whatever is done to its bytes: a changed page is refused or has all its rows', () => {
    const next = random(11);
    const bytes = utf8(AWS);
    for (let i = 0; i < 20_000; i++) {
      const at = Math.floor(next() * bytes.length);
      const removed = next() < 0.5 ? 0 : 1 + Math.floor(next() * 8);
      const changed = Buffer.concat([bytes.slice(0, at), bytes.slice(at + removed)]);
      if (removed === 0) changed[at] = Math.floor(next() * 256);
      const answer = list(changed);
      if (answer.value === null) {
        // A prefix that is changed into one that is not UTF-8 cannot be asked for.
        expect(answer.error!.code).toMatch(/^(?:ProtocolViolation|Unsupported)$/);
      } else expect([rows(answer.value).length, answer.value.prefixes.length]).toEqual([3, 2]);
    }
  });
});

describe('random pages', () => {
  it('come back key for key', () => {
    const next = random(5);
    for (let round = 0; round < 50; round++) {
      const keys = Array.from({ length: Math.floor(next() * 40) }, () =>
        String.fromCodePoint(
          ...Array.from({ length: 1 + Math.floor(next() * 30) }, () => {
            const point = Math.floor(next() * (next() < 0.6 ? 0x80 : 0x11000));
            return point >= 0xd800 && point <= 0xdfff ? 0x2b : point;
          }),
        ),
      );
      const encode = (key: string): string =>
        round % 2 ? encodeURIComponent(key) : encodeURIComponent(key).replaceAll('%20', '+');
      const read = page(document(keys.map((key, i) => contents(encode(key), i)).join('')));
      expect(rows(read).map((row) => row.key)).toEqual(keys);
      expect([...read.sizes]).toEqual(keys.map((_, i) => i));
    }
  });
});

describe('a listing that is not a page', () => {
  it('is judged like any other answer', () => {
    const answered = (answer: Parameters<ReturnType<typeof data>['listAnswer']>[1]) =>
      data().listAnswer(ask, answer, NOW);
    expect(answered(refusal(404, 'NoSuchBucket'))).toMatchObject({
      outcome: 'refused',
      value: null,
      error: { code: 'NotFound', phase: 'list', uri: 's3://logs/' },
    });
    expect(answered(refusal(503, 'SlowDown', {}, { 'retry-after': '2' }))).toMatchObject({
      outcome: 'throttled',
      retryAfterMs: 2000,
    });
    expect(answered(exchange(200, {}, { outcome: 'too-long' }))).toMatchObject({
      outcome: 'refused',
      error: { code: 'ProtocolViolation' },
    });
    expect(answered(exchange(200, {}, { outcome: 'interrupted' }))).toMatchObject({ outcome: 'transient' });
    expect(answered(exchange(200))).toMatchObject({
      outcome: 'transient',
      error: { code: 'ProtocolViolation' },
    });
  });
});
