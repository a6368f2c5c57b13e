/** URIs and keys of every scheme: what is parsed is written back the same, and what is refused tells no secret. */
import * as fc from 'fast-check';
import * as azure from '../../../dist/backends/azure/uri.js';
import * as file from '../../../dist/backends/file/uri.js';
import * as gcs from '../../../dist/backends/gcs/uri.js';
import { encodeKey, encodeQueryBytes, encodeSegment } from '../../../dist/backends/http/encoding.js';
import * as memory from '../../../dist/backends/memory/uri.js';
import * as s3 from '../../../dist/backends/s3/uri.js';
import { placeOf, shownUri } from '../../../dist/protocol/shown-uri.js';
import { attempt, claim, same } from '../lib/claims.mjs';

/** The schemes whose keys are literal text. */
const LITERAL = {
  s3: {
    ...s3,
    stores: [
      's3://logs',
      's3://a.b-c',
      's3://Old_Bucket',
      's3://arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point',
    ],
  },
  az: {
    ...azure,
    stores: ['az://account/logs', 'az://acc0unt/$web', 'az://account.blob.core.usgovcloudapi.net/a-b'],
  },
  gs: { ...gcs, stores: ['gs://logs', 'gs://a.b_c'] },
};
const SCHEMES = /** @type {(keyof typeof LITERAL)[]} */ (Object.keys(LITERAL));
const SECRET = 'hUnTeR2tOpSeCrEt';

const keyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.toWellFormed()),
  fc
    .array(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '//',
        '%',
        '%2F',
        '%41',
        '?',
        '#',
        '+',
        ' ',
        '\0',
        '\n',
        'é',
        '\u{1f600}',
        '&',
        '=',
        'a',
        '\\',
        ':',
        '@',
        'sig',
        'arn:',
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join('')),
);

const literal = claim(
  'a literal key stays what it is',
  fc.tuple(fc.constantFrom(...SCHEMES), fc.nat(3), keyText),
  ([name, nth, key]) => {
    const { stores, parseUri, formatUri } = LITERAL[name];
    const store = stores[nth % stores.length];
    const uri = `${store}/${key}`;
    if (name === 'az' && /\?(?:.*&)?sig=/s.test(key)) return null;
    const first = parseUri(uri);
    // Once more by the short way, and once after another store by the long one.
    const again = parseUri(uri);
    parseUri(`${stores[(nth + 1) % stores.length]}/x`);
    const later = parseUri(uri);
    for (const location of [first, again, later]) {
      if (location.store !== store) return `store ${location.store}`;
      if (!same(location.key, Buffer.from(key, 'utf8')))
        return `key ${Buffer.from(location.key).toString('hex')}`;
    }
    return formatUri(first) === uri ? null : `written as ${formatUri(first)}`;
  },
);

const azureUrl = claim('an https URL of a container is its az URI', keyText, (key) => {
  const bytes = Buffer.from(key, 'utf8');
  const location = azure.parseUri(`https://account.blob.core.windows.net/logs/${encodeKey(bytes)}`);
  if (location.store !== 'az://account/logs') return location.store;
  return same(location.key, bytes) ? null : 'another key';
});

const keyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .array(fc.constantFrom(0, 37, 46, 47, 47, 46, 50, 70, 102, 63, 35, 92, 255, 128, 65, 32, 43), {
      maxLength: 40,
    })
    .map((list) => Uint8Array.from(list)),
);

const memoryKeys = claim('any bytes are a key in memory', keyBytes, (key) => {
  const uri = memory.uriOfKey(key);
  if (!/^memory:\/\/\/[!-~]*$/.test(uri)) return `not plain: ${uri}`;
  return same(memory.keyOfUri(uri), key) ? null : `another key of ${uri}`;
});

const filePaths = claim(
  'a path of any bytes is written and read back the same, and has one spelling',
  fc.tuple(keyBytes, fc.constantFrom(/** @type {const} */ ('file'), /** @type {const} */ ('direct'))),
  ([bytes, own]) => {
    const raw = `/${Buffer.from(bytes).toString('latin1')}`;
    const uri = file.uriFromPath(raw, own);
    if (!/^[!-~]+$/.test(uri)) return `not plain: ${uri}`;
    const read = attempt(() => file.pathFromUri(uri, '/work', own), ['InvalidArgument']);
    const odd = raw.includes('\0') || raw.split('/').includes('..');
    if ('refusal' in read) return odd ? null : `refused: ${read.refusal.message}`;
    if (odd) return 'a NUL or a ".." segment got through';
    if (/\/\/|\/\.\/|\/\.$|\/\.\.(\/|$)/.test(read.value))
      return `not canonical: ${JSON.stringify(read.value)}`;
    const isCanonical = !/\/\.?\/|\/\.$/.test(raw);
    if (isCanonical && read.value !== raw) return `another path: ${JSON.stringify(read.value)}`;
    const twice = file.pathFromUri(file.uriFromPath(read.value, own), '/work', own);
    return twice === read.value ? null : 'its spelling has another spelling';
  },
);

const encodings = claim('percent-encoding of any bytes is undone by decoding', keyBytes, (key) => {
  const plain = Buffer.from(key);
  for (const encode of [encodeKey, encodeQueryBytes, encodeSegment]) {
    const text = encode(key);
    if (!/^[A-Za-z0-9\-._~/%]*$/.test(text)) return `${encode.name} leaves ${text}`;
    if (encode !== encodeKey && text.includes('/')) return `${encode.name} leaves a slash`;
    const back = Buffer.from(
      text.replaceAll(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    );
    if (!back.equals(plain)) return `${encode.name} gives ${text}`;
  }
  return null;
});

const PIECES = [
  's3://',
  'az://',
  'gs://',
  'https://',
  'file://',
  'direct://',
  'memory:///',
  'S3://',
  's3:/',
  's3:',
  'logs',
  'account',
  'account.blob.core.windows.net',
  '/',
  '//',
  '..',
  '.',
  ':',
  '%',
  '%2f',
  '%zz',
  '\0',
  ' ',
  '\ud800',
  '\udc00',
  '\u{1f600}',
  'a'.repeat(300),
  'k'.repeat(1100),
  '[::1]',
  '127.0.0.1',
  ':9000',
  '\\',
  '\t',
  'localhost',
  'arn:aws:s3:eu-west-1:123456789012:accesspoint/',
  'ä',
];
/** Where a secret stands in URIs that people hand over by mistake. */
const SECRETS = [
  `user:${SECRET}@`,
  `${SECRET}@`,
  `?sig=${SECRET}`,
  `?sv=1&sig=${SECRET}`,
  `?X-Amz-Signature=${SECRET}`,
  `#${SECRET}`,
  `?${SECRET}`,
  `key:${SECRET}/x@host/`,
];

const PARSERS = {
  s3: (/** @type {string} */ uri) => s3.formatUri(s3.parseUri(uri)),
  az: (/** @type {string} */ uri) => azure.formatUri(azure.parseUri(uri)),
  gs: (/** @type {string} */ uri) => gcs.formatUri(gcs.parseUri(uri)),
  file: (/** @type {string} */ uri) => file.uriFromPath(file.pathFromUri(uri, '/work', 'file'), 'file'),
  direct: (/** @type {string} */ uri) => file.uriFromPath(file.pathFromUri(uri, '/work', 'direct'), 'direct'),
  memory: (/** @type {string} */ uri) => memory.uriOfKey(memory.keyOfUri(uri)),
};

const hostile = claim(
  'any other text is read to one spelling or refused, and a refusal tells no secret',
  fc.tuple(
    fc.constantFrom(.../** @type {(keyof typeof PARSERS)[]} */ (Object.keys(PARSERS))),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...PIECES) },
        { weight: 2, arbitrary: fc.constantFrom(...SECRETS) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
      ),
      { maxLength: 8 },
    ),
  ),
  ([name, parts]) => {
    const uri = parts.join('');
    const parse = PARSERS[name];
    const read = attempt(() => parse(uri), ['InvalidArgument']);
    if ('value' in read) {
      const again = parse(read.value);
      return again === read.value ? null : `its spelling ${read.value} is read as ${again}`;
    }
    const { message } = read.refusal;
    if (message.length > uri.length * 6 + 600) return 'an endless message';
    return message.includes(SECRET) && !isPath(uri) ? `it tells the secret: ${message}` : null;
  },
);

/** Whether what looks like a secret can only be part of a name: there is no host before it, and no query behind. @param {string} uri */
function isPath(uri) {
  const parts = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#\\\s]*)([^?#]*)/.exec(uri);
  return parts === null || (!/[@:]/.test(parts[1] ?? '') && (parts[2] ?? '').includes(SECRET));
}

const shown = claim(
  'what is shown of a URI has no user, password, query or fragment in it',
  fc.tuple(
    fc.constantFrom('https', 's3', 'gs', 'az', 'x'),
    fc.constantFrom('', 'host', 'host:80', '[::1]:80', 'a.b'),
    fc.constantFrom(...SECRETS),
    fc.constantFrom('', '/', '/a/b', '/a@b:c', '\\', '/%40'),
  ),
  ([scheme, host, secret, path]) => {
    const uri = secret.includes('@')
      ? `${scheme}://${secret}${host}${path}`
      : `${scheme}://${host}${path}${secret}`;
    for (const text of [placeOf(uri), shownUri(uri)]) if (text.includes(SECRET)) return text;
    return null;
  },
);

/** @type {import('../lib/claims.mjs').Claim<any>[]} */
export const uris = [literal, azureUrl, memoryKeys, filePaths, encodings, hostile, shown];
