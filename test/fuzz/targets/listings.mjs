/**
 * Listing documents: what a service writes is read back whole; what is damaged is a whole page or a typed refusal, in
 * bounded time and memory.
 */
import * as fc from 'fast-check';
import { parsePage as azurePage, parseUploads } from '../../../dist/backends/azure/listing.js';
import { parsePage as jsonPage } from '../../../dist/backends/gcs/json-listing.js';
import { escapeXml, readUploads, textIn } from '../../../dist/backends/http/xml-documents.js';
import { parsePage as xmlPage } from '../../../dist/backends/http/xml-listing.js';
import { attempt, claim, same } from '../lib/claims.mjs';
import { Dice } from '../lib/dice.mjs';
import { bucketJson, bucketXml, containerXml, page } from '../lib/documents.mjs';
import { mutate } from '../lib/mutate.mjs';

/** @typedef {import('../lib/documents.mjs').Page} Page */
/** @typedef {import('../../../dist/protocol/store.js').KeyPage} KeyPage */

const REFUSALS = ['ProtocolViolation', 'Unsupported'];

/** @type {Readonly<Record<string, { write: (model: Page) => string, read: (body: Uint8Array) => KeyPage, quoted: boolean, encoded: boolean }>>} */
const FORMATS = {
  's3, url': {
    write: (model) => bucketXml(model, 'ETag', true),
    read: (body) => xmlPage(body, 'ETag', {}),
    quoted: true,
    encoded: true,
  },
  's3, literal': {
    write: (model) => bucketXml(model, 'ETag', false),
    read: (body) => xmlPage(body, 'ETag', {}),
    quoted: true,
    encoded: false,
  },
  'gcs, xml': {
    write: (model) => bucketXml(model, 'Generation', true),
    read: (body) => xmlPage(body, 'Generation', {}),
    quoted: false,
    encoded: true,
  },
  'gcs, json': { write: bucketJson, read: (body) => jsonPage(body, {}), quoted: false, encoded: true },
  azure: { write: containerXml, read: (body) => azurePage(body, {}), quoted: true, encoded: true },
};
const NAMES = Object.keys(FORMATS);

/** @param {KeyPage} got */
function rowsOf(got) {
  const rows = [];
  for (let row = 0; row < got.count; row += 1) {
    rows.push({
      key: Buffer.from(got.keys.subarray(row === 0 ? 0 : got.keyEnds[row - 1], got.keyEnds[row])),
      size: got.sizes[row],
      version: Buffer.from(
        got.versions.subarray(row === 0 ? 0 : got.versionEnds[row - 1], got.versionEnds[row]),
      ).toString(),
      modifiedMs: got.modified[row],
    });
  }
  return rows;
}

/** Whether U+FFFD stands in a document, in whichever way it is written. @param {Buffer} body */
function tellsReplacement(body) {
  return /\u00ef\u00bf\u00bd|%EF%BF%BD|fffd|65533/i.test(body.toString('latin1'));
}

/** What holds for any page, or null. @param {KeyPage} got @param {Buffer} body */
function broken(got, body) {
  const bodyBytes = body.length;
  const { count, keys, keyEnds, sizes, versions, versionEnds, modified, prefixes, next } = got;
  if ([keyEnds, sizes, versionEnds, modified].some(({ length }) => length !== count))
    return 'columns of several lengths';
  let keyEnd = 0;
  let versionEnd = 0;
  for (let row = 0; row < count; row += 1) {
    if ((keyEnds[row] ?? -1) < keyEnd || (versionEnds[row] ?? -1) < versionEnd)
      return 'ends that go backwards';
    keyEnd = keyEnds[row] ?? 0;
    versionEnd = versionEnds[row] ?? 0;
    if (!Number.isSafeInteger(sizes[row]) || (sizes[row] ?? -1) < 0) return `a size of ${sizes[row]}`;
  }
  if (keyEnd !== keys.length || versionEnd !== versions.length) return 'bytes that belong to no row';
  if (keys.length + versions.length > bodyBytes + 2 * count) return 'more bytes than came';
  if (prefixes.some((prefix) => !prefix.isWellFormed() || Buffer.from(prefix).length > bodyBytes))
    return 'a prefix that cannot be asked for';
  const replaced = prefixes.join('').includes('\u{fffd}') || Buffer.from(keys).includes('\u{fffd}');
  if (replaced && !tellsReplacement(body)) return 'a name that is not what came';
  return next === '' ? 'an empty continuation' : null;
}

const whole = claim(
  'a page is read as it was written',
  fc.tuple(fc.constantFrom(...NAMES), page),
  ([name, model]) => {
    const { write, read, quoted } = /** @type {typeof FORMATS[string]} */ (FORMATS[name]);
    const body = Buffer.from(write(model), 'utf8');
    const got = read(body);
    const wrong = broken(got, body);
    if (wrong !== null) return wrong;
    const rows = rowsOf(got);
    if (rows.length !== model.rows.length) return `${rows.length} rows`;
    for (const [at, row] of rows.entries()) {
      const wanted = /** @type {import('../lib/documents.mjs').Row} */ (model.rows[at]);
      if (!same(row.key, Buffer.from(wanted.key, 'utf8'))) return `key ${JSON.stringify(row.key.toString())}`;
      if (row.size !== wanted.size) return `size ${row.size}`;
      if (row.version !== (quoted ? `"${wanted.version}"` : wanted.version)) return `version ${row.version}`;
      if (row.modifiedMs !== wanted.modifiedMs) return `time ${row.modifiedMs}`;
    }
    if (JSON.stringify(got.prefixes) !== JSON.stringify(model.prefixes))
      return `prefixes ${JSON.stringify(got.prefixes)}`;
    return got.next === model.next ? null : `next ${got.next}`;
  },
);

const cut = claim(
  'a page that is cut anywhere is refused',
  fc.tuple(fc.constantFrom(...NAMES), page, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
  ([name, model, where]) => {
    const { write, read } = /** @type {typeof FORMATS[string]} */ (FORMATS[name]);
    const body = Buffer.from(write(model), 'utf8');
    const got = attempt(() => read(body.subarray(0, Math.floor(where * body.length))), ['ProtocolViolation']);
    return 'refusal' in got ? null : 'it was read as a page';
  },
);

const behind = claim(
  'a page with anything behind it is refused',
  fc.tuple(
    fc.constantFrom(...NAMES),
    page,
    fc.constantFrom(
      '<x/>',
      '</x>',
      'text',
      '<ListBucketResult></ListBucketResult>',
      '{}',
      ']',
      '<!-- ',
      '\0',
    ),
  ),
  ([name, model, more]) => {
    const { write, read } = /** @type {typeof FORMATS[string]} */ (FORMATS[name]);
    const got = attempt(() => read(Buffer.from(write(model) + more, 'utf8')), ['ProtocolViolation']);
    return 'refusal' in got ? null : 'it was read as a page';
  },
);

const halves = fc
  .array(fc.constantFrom('a', '\u{1f600}', '\ud83d', '\ude00', 'é'), { maxLength: 4 })
  .map((parts) => parts.join(''));
const surrogates = claim(
  'a name with half a surrogate pair, which has no bytes, is refused',
  fc.tuple(halves, halves, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER + 5 })),
  ([key, prefix, size]) => {
    const body = Buffer.from(
      JSON.stringify({ items: [{ name: key, size: String(size) }], prefixes: [prefix] }),
    );
    const got = attempt(() => jsonPage(body, {}), REFUSALS);
    const good = key.isWellFormed() && prefix.isWellFormed() && Number.isSafeInteger(size);
    return 'value' in got === good ? null : good ? 'it was refused' : 'it was read';
  },
);

const WORDS = [
  '<!DOCTYPE a [<!ENTITY x "y">]>',
  '<!ENTITY a "&a;&a;">',
  '&x;',
  '&#0;',
  '&#xD800;',
  '&#x110000;',
  '&#99999999;',
  '&',
  '&amp',
  '<![CDATA[x]]>',
  '<?xml?>',
  '<?php ?>',
  '<!--',
  '-->',
  '<a>'.repeat(20),
  '<a>'.repeat(600),
  '</Contents>',
  '<Contents>',
  '<Key>',
  '</Key>',
  '<Key/>',
  '<Size>-1</Size>',
  '<Size>1e3</Size>',
  '<Size>9007199254740993</Size>',
  '<Size/>',
  '%',
  '%4',
  '%zz',
  '%FF',
  '%C3',
  '+',
  '<EncodingType>url</EncodingType>',
  '<IsTruncated>true</IsTruncated>',
  '<NextContinuationToken></NextContinuationToken>',
  '<NextMarker/>',
  '<Blob>',
  '</Blob>',
  '<Properties/>',
  '<Name>',
  '<Name Encoded="true">',
  '<CommonPrefixes/>',
  '<Contents/>',
  '<Contents x="',
  "'",
  '"',
  ',',
  ':',
  '[',
  ']',
  '{',
  '}',
  'null',
  '"\\ud800"',
  '\\u0000',
  '"name":',
  '"size":"',
  '1e400',
  '[['.repeat(600),
  '{"a":'.repeat(600),
  '\\ud800',
  '\\udc00',
  '9999999999999999',
  '9007199254740993',
  '"__proto__":{"items":[]},',
  '"items":null,',
  '"prefixes":[1],',
  '"nextPageToken":5,',
]
  .map((text) => Buffer.from(text, 'latin1'))
  .concat([
    Buffer.from('ff', 'hex'),
    Buffer.from('c3', 'hex'),
    Buffer.from('eda080', 'hex'),
    Buffer.from('fffe3c00', 'hex'),
    Buffer.from('efbbbf', 'hex'),
  ]);

/** A written page with so much damage. */
const damaged = fc
  .tuple(fc.constantFrom(...NAMES), page, fc.noShrink(fc.integer()), fc.integer({ min: 1, max: 6 }))
  .map(([name, model, seed, times]) => {
    const text = Buffer.from(/** @type {typeof FORMATS[string]} */ (FORMATS[name]).write(model), 'utf8');
    const bytes = Buffer.alloc(text.length + 64 * 1024);
    text.copy(bytes);
    const dice = new Dice();
    dice.reseed(seed, 0);
    return { name, body: bytes.subarray(0, mutate(dice, bytes, text.length, WORDS, times)) };
  });

const mutated = claim('a damaged page is a whole page or refused, whoever reads it', damaged, ({ body }) => {
  for (const name of NAMES) {
    const { read } = /** @type {typeof FORMATS[string]} */ (FORMATS[name]);
    const got = attempt(() => read(body), REFUSALS);
    const wrong =
      'value' in got
        ? broken(got.value, body)
        : got.refusal.message.length > 400
          ? 'an endless message'
          : null;
    if (wrong !== null) return `${name}: ${wrong}`;
  }
  const uploads = attempt(() => parseUploads(body, {}), REFUSALS);
  if ('value' in uploads && uploads.value.next === '') return 'uploads go on at no place';
  readUploads(body);
  textIn(body, 'ListBucketResult', 'Name');
  return null;
});

const json = claim(
  'any JSON is a page of the JSON API or refused',
  fc.tuple(fc.json({ maxDepth: 4 }), fc.constantFrom('', 'items', 'prefixes', 'nextPageToken')),
  ([text, field]) => {
    const body = Buffer.from(field === '' ? text : `{"${field}":${text}}`);
    const got = attempt(() => jsonPage(body, {}), REFUSALS);
    return 'value' in got ? broken(got.value, body) : null;
  },
);

const upload = fc.record({
  key: fc.string({ unit: 'grapheme', maxLength: 12 }),
  upload: fc.stringMatching(/^[A-Za-z0-9._-]{1,16}$/),
  startedMs: fc.nat(2_000_000_000).map((seconds) => seconds * 1000),
});
const uploads = claim(
  'a page of uploads is read as it was written',
  fc.tuple(fc.array(upload, { maxLength: 4 }), fc.boolean(), fc.boolean()),
  ([list, more, url]) => {
    const text = (/** @type {string} */ key) => (url ? encodeURIComponent(key) : escapeXml(key));
    const rows = list.map(
      (each) =>
        `<Upload><Key>${text(each.key)}</Key><UploadId>${each.upload}</UploadId><Initiated>${new Date(each.startedMs).toISOString()}</Initiated></Upload>`,
    );
    const next = more ? '<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>' : '';
    const got = readUploads(
      Buffer.from(
        `<ListMultipartUploadsResult>${url ? '<EncodingType>url</EncodingType>' : ''}<IsTruncated>${more}</IsTruncated>${next}${rows.join('')}</ListMultipartUploadsResult>`,
      ),
    );
    if (got === null || got.uploads === undefined) return 'it is no page';
    if ((typeof got.next === 'string') !== more) return `next ${String(got.next)}`;
    if (got.uploads.length !== list.length) return `${got.uploads.length} uploads`;
    for (const [at, each] of got.uploads.entries()) {
      const wanted = /** @type {typeof list[number]} */ (list[at]);
      if (
        !same(each.key, Buffer.from(wanted.key)) ||
        each.upload !== wanted.upload ||
        each.startedMs !== wanted.startedMs
      )
        return `upload ${at}`;
    }
    return null;
  },
);

/** @type {import('../lib/claims.mjs').Claim<any>[]} */
export const listings = [whole, cut, behind, surrogates, mutated, json, uploads];
