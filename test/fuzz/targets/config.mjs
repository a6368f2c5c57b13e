/**
 * What the environment and refusing services write: shared configuration files, connection strings, endpoints, error
 * documents. What is well-formed is read as it was written; nothing else breaks the reader or gets a secret into an error.
 */
import * as fc from 'fast-check';
import { parseConnectionString } from '../../../dist/backends/azure/connection-string.js';
import { readServiceError } from '../../../dist/backends/azure/error-body.js';
import { checkEndpoint as azureEndpoint, checkKey, checkSas } from '../../../dist/backends/azure/options.js';
import { readError } from '../../../dist/backends/gcs/error-body.js';
import { checkEndpoint as gcsEndpoint } from '../../../dist/backends/gcs/options.js';
import { retryAfter } from '../../../dist/backends/http/answers.js';
import { describe, isRepeatable } from '../../../dist/backends/http/secrets.js';
import { readErrorBody } from '../../../dist/backends/s3/error-body.js';
import { checkEndpoint as s3Endpoint } from '../../../dist/backends/s3/options.js';
import { parseIni } from '../../../dist/backends/s3/profile.js';
import { attempt, claim } from '../lib/claims.mjs';
import { escaped } from '../lib/documents.mjs';

const SECRET = 'hUnTeR2tOpSeCrEtKeY0123456789abcdefghijkl';

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,12}$/);
const value = fc.stringMatching(/^[A-Za-z0-9:/._+-]{1,20}$/);
const blank = fc.constantFrom('', ' ', '  ', '\t');
const section = fc.record({
  name: fc.oneof(
    name,
    name.map((word) => `profile ${word}`),
    fc.constant('services x'),
  ),
  pairs: fc.uniqueArray(fc.tuple(name, value), { maxLength: 4, selector: ([key]) => key }),
  nested: fc.option(
    fc.tuple(
      name,
      fc.uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 3, selector: ([key]) => key }),
    ),
    { nil: null },
  ),
});
const ini = claim(
  'a configuration file is read as it was written',
  fc.tuple(
    fc.uniqueArray(section, { maxLength: 4, selector: (each) => each.name }),
    blank,
    fc.constantFrom('\n', '\r\n'),
    fc.constantFrom('', ' # note', '\t; note'),
  ),
  ([sections, space, end, note]) => {
    let text = `# head${end}`;
    /** @type {[string, string, string][]} */
    const wanted = [];
    for (const each of sections) {
      text += `[${space}${each.name}${space}]${end}`;
      for (const [key, content] of each.pairs) {
        text += `${key}${space}=${space}${content}${note}${end}`;
        wanted.push([each.name, key, content]);
      }
      if (each.nested === null) continue;
      const [parent, pairs] = each.nested;
      text += `${parent} =${end}`;
      for (const [key, content] of pairs) {
        text += `  ${key} = ${content}${end}`;
        wanted.push([each.name, `${parent}.${key}`, content]);
      }
    }
    const got = parseIni(text);
    for (const [in_, key, content] of wanted) {
      // A dotted name can be that of a nested key; then the later one holds.
      const same = wanted.filter(([other, word]) => other === in_ && word === key);
      if (same.length === 1 && got.get(in_)?.get(key) !== content)
        return `[${in_}] ${key} is ${got.get(in_)?.get(key)}`;
    }
    return got.size === sections.length ? null : `${got.size} sections`;
  },
);

const lines = fc.array(
  fc.oneof(
    fc.constantFrom(
      '[',
      ']',
      '[a]',
      '[[b]]',
      '[ profile  x ]',
      '=',
      'a=',
      '=b',
      ' a = b',
      's3 =',
      '  k = v',
      '#',
      ';',
      '__proto__ = x',
      '[__proto__]',
      '\0',
      '\r',
      '[a',
      'a]',
      '"',
      ' '.repeat(40),
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  ),
  { maxLength: 20 },
);
const oddIni = claim(
  'any other file is read as some sections',
  fc.tuple(lines, fc.constantFrom('\n', '\r\n', '\r', '')),
  ([parts, end]) => {
    const text = parts.join(end);
    let size = 0;
    for (const [title, pairs] of parseIni(text)) {
      size += title.length;
      for (const [key, content] of pairs) size += key.length + content.length;
    }
    // Each nested key has its parent's name before it.
    return size <= text.length * 22 + 100 ? null : 'more than there was';
  },
);

const PAIRS = [
  'AccountName=acct',
  `AccountKey=${SECRET}==`,
  `SharedAccessSignature=sv=1&sig=${SECRET}`,
  'BlobEndpoint=https://h/acct',
  `BlobEndpoint=https://u:${SECRET}@h/`,
  'EndpointSuffix=core.x',
  'DefaultEndpointsProtocol=http',
  'UseDevelopmentStorage=true',
  `DevelopmentStorageProxyUri=http://u:${SECRET}@p`,
  SECRET,
  `=${SECRET}`,
  `${SECRET}=`,
  '',
  ' ',
  'accountname = b ',
  `AccountKey\0=${SECRET}`,
  '__proto__=x',
];
const connections = claim(
  'a connection string is read or refused, and never repeated',
  fc.array(fc.oneof(fc.constantFrom(...PAIRS), fc.string({ maxLength: 12 })), { maxLength: 7 }),
  (parts) => {
    const got = attempt(
      () => parseConnectionString(parts.join(';'), 'az option "connectionString"'),
      ['InvalidArgument'],
    );
    if ('refusal' in got)
      return got.refusal.message.includes('hUnTeR2') || got.refusal.message.length > 500
        ? got.refusal.message
        : null;
    const { account, endpoint } = got.value;
    if (account === null && endpoint === null) return 'it names no place';
    const wanted = parts.findLast((part) => /^accountname\s*=/i.test(part.trim()));
    if (
      wanted === undefined ||
      parts.some((part) => /UseDevelopmentStorage|=.*;/i.test(part) || part.includes(';'))
    )
      return null;
    const [, text = ''] = /=(.*)$/s.exec(wanted) ?? [];
    return account === (text.trim() || null) ? null : `account ${account}`;
  },
);

const CHECKS = { s3: s3Endpoint, az: azureEndpoint, gs: gcsEndpoint };
const endpoints = claim(
  'an endpoint is a plain URL or refused, and a refusal tells no secret',
  fc.tuple(
    fc.constantFrom(.../** @type {(keyof typeof CHECKS)[]} */ (Object.keys(CHECKS))),
    fc.array(
      fc.constantFrom(
        'http://',
        'https://',
        'HTTP:',
        'ftp://',
        'javascript:',
        'file:///',
        'h',
        'localhost',
        '127.0.0.1',
        '[::1]',
        '[',
        ':80',
        ':99999',
        '/',
        '/p',
        '//',
        '?',
        '#',
        `u:${SECRET}@`,
        `?sig=${SECRET}`,
        ' ',
        '\0',
        '\n',
        '%',
        '%00',
        'ä',
        '\ud800',
        '..',
        '\\',
      ),
      { maxLength: 6 },
    ),
  ),
  ([scheme, parts]) => {
    const got = attempt(
      () => CHECKS[scheme](parts.join(''), `${scheme} option "endpoint"`),
      ['InvalidArgument'],
    );
    if ('refusal' in got)
      return got.refusal.message.includes('hUnTeR2') || !got.refusal.message.includes(scheme)
        ? got.refusal.message
        : null;
    const { protocol, username, password, search, hash, hostname } = got.value;
    return /^https?:$/.test(protocol) && username + password + search + hash === '' && hostname !== ''
      ? null
      : got.value.href;
  },
);

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(SECRET, `?sig=${SECRET}`, 'sig=', 'a&sig=b', '', 'YWJj', 'YWJj\n', ' YWJj'),
);
const credentials = claim('a key or signature is refused without being told', texts, (text) => {
  for (const check of [checkKey, checkSas]) {
    const got = attempt(() => check(text, 'az option "x"'), ['InvalidArgument']);
    if ('refusal' in got && text.length > 8 && got.refusal.message.includes(text)) return got.refusal.message;
  }
  return null;
});

const field = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constantFrom('NoSuchKey', 'SlowDown', 'a'.repeat(2000), '<b>', '&amp;', ''),
);
const errorParts = fc.array(
  fc.oneof(
    fc.constantFrom(
      '<Error>',
      '</Error>',
      '<Code>',
      '</Code>',
      '<Message>',
      '</Message>',
      '<Region>',
      '<ActualObjectSize>',
      '</ActualObjectSize>',
      '99999999999999999999',
      '{"error":',
      '{"error":{"errors":[null],"message":5}}',
      '{"error":{"message":"x","errors":[{"reason":"r"}]}}',
      '}',
      '[',
      '<html>',
      '<?xml?>',
      '&#xFFFFFF;',
      '&#0;',
      '\0',
      '<'.repeat(3000),
      'x'.repeat(20_000),
    ),
    field,
  ),
  { maxLength: 12 },
);
const errorFields = fc
  .array(
    fc.tuple(fc.constantFrom('Code', 'Message', 'Region', 'RequestId', 'Details', 'ActualObjectSize'), field),
    { maxLength: 4 },
  )
  .map((fields) =>
    Buffer.from(`<Error>${fields.map(([word, text]) => `<${word}>${text}</${word}>`).join('')}</Error>`),
  );
const errorBodies = claim(
  'whatever a refusal says, it is a bounded value',
  fc.oneof(
    errorFields,
    errorParts.map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 200 }),
  ),
  (body) => {
    const exchange = { body, header: () => undefined };
    const values = [
      ...Object.values(readErrorBody(body)),
      ...Object.values(readError(exchange)),
      ...Object.values(readServiceError(/** @type {any} */ (exchange))),
    ];
    for (const each of values)
      if (typeof each === 'string' && (each.length > 256 || /[\0-\x1f\x7f]/.test(each)))
        return `a field of ${each.length} characters: ${JSON.stringify(each.slice(0, 40))}`;
    return null;
  },
);

const said = claim(
  'the code and message of an error document are read as they were written',
  fc.tuple(
    fc.constantFrom('NoSuchKey', 'SlowDown', 'Invalid.Code_1'),
    fc.stringMatching(/^[!-~][ -~]{0,60}[!-~]$/),
    fc.nat(1).map((n) => n * 2),
  ),
  ([code, message, noise]) => {
    const xml = Buffer.from(
      `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${escaped(message, noise).replaceAll('&#34;', '&quot;').replaceAll('&#39;', '&apos;').replaceAll('&#62;', '&gt;')}</Message></Error>`,
    );
    const got = readErrorBody(xml);
    if (got.code !== code || got.message !== message) return JSON.stringify(got);
    const json = readError({
      body: Buffer.from(JSON.stringify({ error: { message, errors: [{ reason: code }] } })),
    });
    return json.code === code && (json.message === message || message.includes('<Error'))
      ? null
      : JSON.stringify(json);
  },
);

const retryHeaders = claim(
  'Retry-After is a number of milliseconds',
  fc.oneof(
    fc.string(),
    fc.constantFrom(
      '3',
      '0',
      '1.5',
      '-1',
      '1e9',
      '9'.repeat(12),
      'Mon, 23 Nov 2026 10:00:00 GMT',
      'Mon, nonsense',
      '١',
      ' 7 ',
      'Infinity',
    ),
  ),
  (text) => {
    const ms = retryAfter(text, Date.UTC(2026, 10, 21));
    return Number.isFinite(ms) && ms >= 0 ? null : String(ms);
  },
);

const repeated = claim(
  'no credential gets into what is repeated of an error',
  fc.tuple(
    fc.string({ maxLength: 30 }),
    fc.string({ maxLength: 30 }),
    fc.integer({ min: 12, max: SECRET.length }),
    fc.boolean(),
  ),
  ([before, after, cut, line]) => {
    const glimpse = SECRET.slice(0, cut);
    if (isRepeatable(`${before}${glimpse}${after}`, [SECRET])) return 'it would be repeated';
    const text = describe(new Error(`${before}${line ? '\n' : ''}${SECRET}${after}`), [SECRET]);
    return text.includes(SECRET) || text.length > 300 ? text : null;
  },
);

/** @type {import('../lib/claims.mjs').Claim<any>[]} */
export const config = [
  ini,
  oddIni,
  connections,
  endpoints,
  credentials,
  errorBodies,
  said,
  retryHeaders,
  repeated,
];
