/**
 * ListObjectsV2 over a bucket of the catalogue. Source: the ListObjectsV2 page of the Amazon S3 API reference.
 *
 * A continuation token holds the key where the next page begins, so the service keeps nothing between pages.
 */
import { modifiedMs, type Bucket } from '../catalogue.js';
import { compareKeys, encodePath, escapeXml } from '../encoding.js';
import { failure, isFailure, type Failure } from '../failure.js';
import { servedPage } from '../pages.js';
import type { Lie } from '../rules.js';

const MAX_KEYS = 1000;
const invalid = (message: string, extra: Record<string, string>): Failure =>
  failure(400, 'InvalidArgument', message, extra);

/** What `encoding-type=url` does to a key: a form encoding that leaves slashes and stars. */
export const encodeListed = (key: string): string =>
  encodePath(key).replaceAll('%20', '+').replaceAll('%2A', '*');

/** What a listing asks for. */
interface Asked {
  readonly prefix: string;
  readonly delimiter: string;
  readonly startAfter: string;
  readonly token: string | undefined;
  readonly maxKeys: number;
  readonly urlEncoded: boolean;
  /** The first key that may be in it. */
  readonly from: string;
}

function parsePage(params: ReadonlyMap<string, string>): Asked | Failure {
  const maxKeys = params.get('max-keys') ?? String(MAX_KEYS);
  if (!/^\d+$/.test(maxKeys))
    return invalid('Provided max-keys not an integer or within integer range', {
      ArgumentName: 'max-keys',
      ArgumentValue: maxKeys,
    });
  const encoding = params.get('encoding-type') ?? '';
  if (encoding !== '' && encoding !== 'url')
    return invalid('Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: encoding,
    });
  const token = params.get('continuation-token');
  const from = token === undefined ? null : decodeToken(token);
  if (token !== undefined && from === null)
    return invalid('The continuation token provided is incorrect', { ArgumentName: 'continuation-token' });
  const prefix = params.get('prefix') ?? '';
  const startAfter = params.get('start-after') ?? '';
  return {
    prefix,
    delimiter: params.get('delimiter') ?? '',
    startAfter,
    token,
    maxKeys: Math.min(Number(maxKeys), MAX_KEYS),
    urlEncoded: encoding === 'url',
    from: from ?? latest(prefix, startAfter === '' ? '' : `${startAfter}\0`),
  };
}

const latest = (a: string, b: string): string => (compareKeys(a, b) < 0 ? b : a);

const encodeToken = (key: string): string => `1${Buffer.from(key, 'utf8').toString('base64')}`;

function decodeToken(token: string): string | null {
  if (!/^1[A-Za-z0-9+/]*=*$/.test(token)) return null;
  return Buffer.from(token.slice(1), 'base64').toString('utf8');
}

/** The document. @param params the query */
export function listObjectsV2(
  bucket: Bucket,
  params: ReadonlyMap<string, string>,
  lie: Lie | undefined,
): Buffer | Failure {
  const page = parsePage(params);
  if (isFailure(page)) return page;
  const { prefix, delimiter, maxKeys: max } = page;
  const { entries, next } = servedPage(
    (from) => bucket.seek(from),
    { from: page.from, prefix, delimiter, max },
    lie,
  );
  const name = (key: string): string => (page.urlEncoded ? encodeListed(key) : escapeXml(key));
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${bucket.name}</Name><Prefix>${name(page.prefix)}</Prefix>`,
    page.startAfter === '' ? '' : `<StartAfter>${name(page.startAfter)}</StartAfter>`,
    page.token === undefined ? '' : `<ContinuationToken>${page.token}</ContinuationToken>`,
    next === null ? '' : `<NextContinuationToken>${encodeToken(next)}</NextContinuationToken>`,
    `<KeyCount>${entries.length}</KeyCount><MaxKeys>${page.maxKeys}</MaxKeys>`,
    page.delimiter === '' ? '' : `<Delimiter>${name(page.delimiter)}</Delimiter>`,
    page.urlEncoded ? '<EncodingType>url</EncodingType>' : '',
    `<IsTruncated>${next !== null}</IsTruncated>`,
  ];
  for (const { name: key, rolled } of entries) {
    if (rolled) continue;
    const found = bucket.find(key);
    if (found === null) continue;
    const modified = new Date(modifiedMs(found.generation)).toISOString();
    xml.push(
      `<Contents><Key>${name(key)}</Key><LastModified>${modified}</LastModified>`,
      `<ETag>&quot;${found.etag.slice(1, -1)}&quot;</ETag><Size>${found.size}</Size>`,
      '<StorageClass>STANDARD</StorageClass></Contents>',
    );
  }
  for (const entry of entries) {
    if (entry.rolled) xml.push(`<CommonPrefixes><Prefix>${name(entry.name)}</Prefix></CommonPrefixes>`);
  }
  xml.push('</ListBucketResult>');
  return Buffer.from(xml.join(''));
}
