/** Listing pages as the services write them, from a model of what is in them. */
import * as fc from 'fast-check';

/** @typedef {{ key: string, size: number, version: string, modifiedMs: number }} Row */
/** @typedef {{ rows: Row[], prefixes: string[], next: string | null, noise: number }} Page */

const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(
        'a',
        '/',
        '%',
        '+',
        ' ',
        '&',
        '<',
        '>',
        '"',
        "'",
        '%41',
        '&amp;',
        '\r',
        '\n',
        '\t',
        ';',
        '#',
        '\u{1f600}',
        'é',
        ']]>',
        '<!--',
        '\\',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
);

export const page = fc.record({
  rows: fc.array(
    fc.record({
      key: name,
      size: fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constant(0)),
      version: fc.stringMatching(/^[0-9a-f-]{1,20}$/),
      modifiedMs: fc.nat(2_000_000_000).map((seconds) => seconds * 1000),
    }),
    { maxLength: 6 },
  ),
  prefixes: fc.array(name, { maxLength: 3 }),
  next: fc.option(
    fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }).filter((text) => text.trim() !== ''),
    { nil: null },
  ),
  noise: fc.nat(7),
});

/** Text of an element; of what XML 1.0 can carry. @param {string} text @param {number} noise */
export function escaped(text, noise) {
  return text.replaceAll(/[&<>"'\r\n\t]|[^\0-\x7f]/gu, (char) => {
    const code = /** @type {number} */ (char.codePointAt(0));
    if (char === '&' && noise % 2 === 0) return '&amp;';
    if (char === '<' && noise % 2 === 0) return '&lt;';
    if (code > 0x7f && noise % 3 !== 0) return char;
    return noise % 2 === 0 ? `&#${code};` : `&#x${code.toString(16)};`;
  });
}

/** As a form encodes it. @param {string} text */
function formEncoded(text) {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    out +=
      char === ' '
        ? '+'
        : /[A-Za-z0-9\-._~/]/.test(char)
          ? char
          : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** @param {string} text */
function percentEncoded(text) {
  return formEncoded(text).replaceAll('+', '%20');
}

const NOISE = [
  '',
  '<Owner><ID>x</ID><DisplayName/></Owner>',
  '<!-- a comment -->',
  '\n  ',
  '<X a="b" c=\'>\'/>',
  '<Y><Z><W>1</W></Z></Y>',
  '<StorageClass>STANDARD</StorageClass>',
  ' ',
];

/** ListObjectsV2. @param {Page} model @param {'ETag' | 'Generation'} tag @param {boolean} encoded */
export function bucketXml({ rows, prefixes, next, noise }, tag, encoded) {
  const odd = NOISE[noise];
  const text = (/** @type {string} */ value) => (encoded ? formEncoded(value) : escaped(value, noise));
  const contents = rows.map(
    ({ key, size, version, modifiedMs }) =>
      `<Contents>${odd}<Key>${text(key)}</Key><LastModified>${new Date(modifiedMs).toISOString()}</LastModified><${tag}>${escaped(tag === 'ETag' ? `"${version}"` : version, noise)}</${tag}>${odd}<Size>${size}</Size></Contents>`,
  );
  const common = prefixes.map(
    (prefix) => `<CommonPrefixes><Prefix>${text(prefix)}</Prefix></CommonPrefixes>`,
  );
  const more =
    next === null
      ? '<IsTruncated>false</IsTruncated>'
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${escaped(next, noise)}</NextContinuationToken>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>${odd}${encoded ? '<EncodingType>url</EncodingType>' : ''}${more}${contents.join('')}${common.join('')}</ListBucketResult>`;
}

/** List Blobs. @param {Page} model */
export function containerXml({ rows, prefixes, next, noise }) {
  const odd = NOISE[noise];
  // Names that XML 1.0 cannot carry are encoded, and the service says so at each.
  const named = (/** @type {string} */ value) =>
    noise % 2 === 0
      ? `<Name Encoded="true">${percentEncoded(value)}</Name>`
      : `<Name>${escaped(value, noise)}</Name>`;
  const blobs = rows.map(
    ({ key, size, version, modifiedMs }) =>
      `<Blob>${named(key)}${odd}<Properties><Creation-Time>x</Creation-Time><Last-Modified>${new Date(modifiedMs).toUTCString()}</Last-Modified><Etag>${version}</Etag><Content-Length>${size}</Content-Length>${odd}</Properties></Blob>`,
  );
  const common = prefixes.map((prefix) => `<BlobPrefix>${named(prefix)}</BlobPrefix>`);
  return `\u{feff}<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://x/" ContainerName="c">${odd}<Blobs>${blobs.join('')}${common.join('')}</Blobs>${next === null ? '<NextMarker />' : `<NextMarker>${escaped(next, noise)}</NextMarker>`}</EnumerationResults>`;
}

/** Objects: list. @param {Page} model */
export function bucketJson({ rows, prefixes, next, noise }) {
  const items = rows.map(({ key, size, version, modifiedMs }) => ({
    kind: 'storage#object',
    name: key,
    size: String(size),
    generation: version,
    updated: new Date(modifiedMs).toISOString(),
  }));
  return JSON.stringify(
    {
      ...(noise % 2 === 0 ? { kind: 'storage#objects' } : {}),
      ...(next === null ? {} : { nextPageToken: next }),
      ...(prefixes.length === 0 && noise % 3 === 0 ? {} : { prefixes }),
      ...(items.length === 0 && noise % 3 === 0 ? {} : { items }),
    },
    null,
    noise % 4,
  );
}
