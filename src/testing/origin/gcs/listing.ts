/**
 * Listings of both APIs. A page token holds the key where the next page begins, so the service keeps nothing between pages.
 *
 * Sources: "Objects: list" of the JSON API reference; "List objects" of the XML API reference.
 */
import { type Bucket, modifiedMs } from '../catalogue.js';
import { compareKeys, encodePath, escapeXml } from '../encoding.js';
import { type Failure, isFailure } from '../failure.js';
import { type Entry, type Walk, mergedWalk, servedPage, walkOf } from '../pages.js';
import type { Request } from '../request.js';
import { type Response, xmlAnswer } from '../response.js';
import type { Lie } from '../rules.js';
import { fail } from './failures.js';
import { generationOf, quotedEtag } from './objects.js';
import { jsonAnswer, objectResource } from './resource.js';
import type { Service } from './store.js';

/** What a listing asks for. */
interface Page {
  readonly prefix: string;
  readonly delimiter: string;
  readonly from: string;
  readonly end: string;
  readonly max: number;
  readonly versions: boolean;
  readonly trailing: boolean;
}

interface Collected {
  readonly keys: string[];
  readonly prefixes: string[];
  readonly next: string | null;
}

const MAX_RESULTS = 1000;

const later = (a: string, b: string): string => (compareKeys(a, b) < 0 ? b : a);
const encodeToken = (key: string): string => Buffer.from(`\x0a${key}`, 'utf8').toString('base64');

function decodeToken(token: string): string | null {
  const text = /^[A-Za-z0-9+/]+=*$/.test(token) ? Buffer.from(token, 'base64').toString('utf8') : '';
  return text.startsWith('\x0a') ? text.slice(1) : null;
}

/** The keys of a bucket up to the end of the page's range, with those that only the archive still has where versions are asked for. */
function walkFrom(service: Service, bucket: Bucket, page: Page, from: string): Walk {
  const live = bucket.seek(from);
  const kept = page.versions ? service.archive.of(bucket.name).keys() : [];
  const walk = page.versions ? mergedWalk(live, walkOf(kept, from)) : live;
  const next = () => {
    const key = walk.next();
    return key !== null && page.end !== '' && compareKeys(key, page.end) >= 0 ? null : key;
  };
  return { next, seek: (key: string) => walk.seek(key) };
}

/** One page: keys, rolled-up prefixes, and the key where the next page begins (null at the end). */
function collect(service: Service, bucket: Bucket, page: Page, lie: Lie | undefined): Collected {
  const walk = (from: string) => walkFrom(service, bucket, page, from);
  const { entries, next } = servedPage(walk, page, lie);
  const isKey = ({ name, rolled }: Entry) => !rolled || (page.trailing && bucket.find(name) !== null);
  return {
    keys: entries.filter(isKey).map(({ name }) => name),
    prefixes: entries.filter(({ rolled }) => rolled).map(({ name }) => name),
    next,
  };
}

function jsonPage(params: ReadonlyMap<string, string>): Page | Failure {
  const max = params.get('maxResults') ?? String(MAX_RESULTS);
  if (!/^\d+$/.test(max)) return fail('invalid', `Invalid value for: ${max} is not a valid integer`);
  const token = params.get('pageToken');
  const from = token === undefined ? null : decodeToken(token);
  if (token !== undefined && from === null) return fail('invalid', 'Invalid page token.');
  const prefix = params.get('prefix') ?? '';
  return {
    prefix,
    delimiter: params.get('delimiter') ?? '',
    from: from ?? later(prefix, params.get('startOffset') ?? ''),
    end: params.get('endOffset') ?? '',
    max: Number(max) === 0 ? MAX_RESULTS : Math.min(Number(max), MAX_RESULTS),
    versions: params.get('versions') === 'true',
    trailing: params.get('includeTrailingDelimiter') === 'true',
  };
}

export function listJson(
  request: Request,
  service: Service,
  bucket: Bucket,
  base: string,
  lie: Lie | undefined,
): Response | Failure {
  const page = jsonPage(request.params);
  if (isFailure(page)) return page;
  const { keys, prefixes, next } = collect(service, bucket, page, lie);
  const kept = service.archive.of(bucket.name);
  const items = keys
    .flatMap((key) => (page.versions ? (kept.get(key) ?? []) : []).concat(bucket.find(key) ?? []))
    .map((object) => objectResource(service, base, bucket.name, object));
  const value = { kind: 'storage#objects' };
  if (next !== null) Object.assign(value, { nextPageToken: encodeToken(next) });
  if (prefixes.length > 0) Object.assign(value, { prefixes });
  // An empty listing has no items at all, not an empty array.
  if (items.length > 0) Object.assign(value, { items });
  return jsonAnswer(request, value);
}

function xmlPage(params: ReadonlyMap<string, string>): Page | Failure {
  const max = params.get('max-keys') ?? String(MAX_RESULTS);
  if (!/^\d+$/.test(max)) return fail('invalid', `Invalid max-keys: ${max}`);
  const token = params.get('continuation-token');
  const from = token === undefined ? null : decodeToken(token);
  if (token !== undefined && from === null) return fail('invalid', 'Invalid continuation-token.');
  const prefix = params.get('prefix') ?? '';
  const after = params.get('start-after') ?? '';
  const page = {
    prefix,
    delimiter: params.get('delimiter') ?? '',
    end: '',
    versions: false,
    trailing: false,
  };
  return {
    ...page,
    from: from ?? later(prefix, after === '' ? '' : `${after}\0`),
    max: Math.min(Number(max), MAX_RESULTS),
  };
}

export function listXml(
  request: Request,
  service: Service,
  bucket: Bucket,
  lie: Lie | undefined,
): Response | Failure {
  const page = xmlPage(request.params);
  if (isFailure(page)) return page;
  const { keys, prefixes, next } = collect(service, bucket, page, lie);
  const urlEncoded = request.params.get('encoding-type') === 'url';
  const name = (key: string) => (urlEncoded ? encodePath(key) : escapeXml(key));
  const xml = [
    `<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>`,
    `<Name>${bucket.name}</Name><Prefix>${name(page.prefix)}</Prefix>`,
    page.delimiter === '' ? '' : `<Delimiter>${name(page.delimiter)}</Delimiter>`,
    `<KeyCount>${keys.length + prefixes.length}</KeyCount><MaxKeys>${page.max}</MaxKeys>`,
    urlEncoded ? '<EncodingType>url</EncodingType>' : '',
    `<IsTruncated>${next !== null}</IsTruncated>`,
    next === null ? '' : `<NextContinuationToken>${encodeToken(next)}</NextContinuationToken>`,
  ];
  for (const object of keys.map((key) => bucket.find(key)).filter((one) => one !== null)) {
    const generation = generationOf(object, service.generationOffset);
    xml.push(
      `<Contents><Key>${name(object.key)}</Key><Generation>${generation}</Generation><MetaGeneration>1</MetaGeneration>`,
      `<LastModified>${new Date(modifiedMs(object.generation)).toISOString()}</LastModified>`,
      `<ETag>${escapeXml(quotedEtag(object, generation))}</ETag><Size>${object.size}</Size></Contents>`,
    );
  }
  for (const prefix of prefixes)
    xml.push(`<CommonPrefixes><Prefix>${name(prefix)}</Prefix></CommonPrefixes>`);
  xml.push('</ListBucketResult>');
  return xmlAnswer(Buffer.from(xml.join('')));
}
