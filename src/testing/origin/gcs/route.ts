/**
 * Which of the services on the port a request is for, and what it names: the JSON API, its uploads and downloads, the
 * XML API, the token endpoint and the metadata server.
 *
 * A name of the JSON API is one segment, percent-encoded: a slash in it that is not encoded ends it, and the service
 * knows no such path.
 */
import type { Operation } from '../records.js';
import type { Request } from '../request.js';
import { hasOnlyQueries, SHARED_QUERIES } from '../s3/operations.js';

/** Where an object is. */
export interface Place {
  readonly bucket: string;
  readonly key: string;
}

type JsonWhat =
  | 'buckets'
  | 'bucket'
  | 'objects'
  | 'object'
  | 'upload'
  | 'session'
  | 'compose'
  | 'copyTo'
  | 'rewriteTo'
  | 'unknown';
type XmlWhat = 'service' | 'bucket' | 'object';

export interface Route extends Place {
  readonly api: 'json' | 'xml' | 'token' | 'metadata';
  readonly what: JsonWhat | XmlWhat | 'token' | 'metadata';
  /** What a copy or a rewrite is made of. */
  readonly source?: Place;
  /** Whether it is the bytes of an object that are asked for. */
  readonly media?: boolean;
}

/** A request of which it is known where it leads. */
export interface RoutedRequest extends Request {
  readonly route: Route;
}

const JSON_PATH = /^(\/download|\/upload|\/resumable\/upload)?\/storage\/v1(\/.*)?$/;

/** May throw URIError. */
export function routeOf(request: Request): Route {
  const { rawPath, path, method, params } = request;
  if (path === '/token' || path === '/oauth2/v4/token') return other('token');
  if (path.startsWith('/computeMetadata/')) return other('metadata');
  const m = JSON_PATH.exec(rawPath);
  if (m !== null) return jsonRoute(m[1] ?? '', (m[2] ?? '').split('/').slice(1), method, params);
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  return { api: 'xml', what: bucket === '' ? 'service' : key === '' ? 'bucket' : 'object', bucket, key };
}

const other = (api: 'token' | 'metadata'): Route => ({ api, what: api, bucket: '', key: '' });

function jsonRoute(
  host: string,
  raw: readonly string[],
  method: string,
  params: ReadonlyMap<string, string>,
): Route {
  const parts = raw.map(decodeURIComponent);
  const [b, bucket = '', o, key = '', verb, b2, bucket2 = '', o2, key2 = ''] = parts;
  const route = (what: JsonWhat, more: Partial<Route> = {}): Route => ({
    api: 'json',
    what,
    bucket,
    key,
    ...more,
  });
  if (b !== 'b' || (parts.length > 2 && o !== 'o')) return route('unknown', { bucket: '', key: '' });
  if (host.endsWith('/upload')) {
    const what = params.has('upload_id') ? 'session' : 'upload';
    return parts.length === 3 ? route(what, { key: params.get('name') ?? '' }) : route('unknown');
  }
  if (parts.length === 1) return route('buckets');
  if (parts.length === 2) return route('bucket');
  if (parts.length === 3) return route('objects');
  if (parts.length === 4) {
    const media = method === 'GET' && (host === '/download' || params.get('alt') === 'media');
    return route('object', { media });
  }
  if (parts.length === 5 && verb === 'compose') return route('compose');
  if (parts.length === 9 && b2 === 'b' && o2 === 'o' && (verb === 'copyTo' || verb === 'rewriteTo')) {
    return route(verb, { source: { bucket, key }, bucket: bucket2, key: key2 });
  }
  return route('unknown');
}

const QUERIES_STATUS = /^bytes \*\/(\d+|\*)$/;
const ENDS_UPLOAD = /^bytes \d+-(\d+)\/(\d+)$/;
/** By their method, in the XML API. */
const OF_UPLOADS = new Map<string, Operation>([
  ['PUT', 'put-part'],
  ['POST', 'complete-upload'],
  ['DELETE', 'abort-upload'],
  ['GET', 'list-parts'],
]);
const OF_OBJECTS = new Map<string, Operation>([
  ['GET', 'get'],
  ['HEAD', 'head'],
  ['PUT', 'put'],
  ['DELETE', 'delete'],
]);

export function operationOf(request: RoutedRequest): Operation {
  const { api } = request.route;
  if (api === 'token' || api === 'metadata') return 'token';
  return api === 'json' ? jsonOperation(request) : xmlOperation(request);
}

function jsonOperation(request: RoutedRequest): Operation {
  const { route, method } = request;
  const { what, media } = route;
  if (what === 'objects') return method === 'GET' ? 'list' : 'other';
  if (what === 'compose') return 'compose';
  if (what === 'copyTo' || what === 'rewriteTo') return 'copy';
  if (what === 'upload') return request.params.get('uploadType') === 'resumable' ? 'create-upload' : 'put';
  if (what === 'session') return sessionOperation(request);
  if (what !== 'object') return 'other';
  if (method === 'GET') return media === true ? 'get' : 'head';
  return method === 'DELETE' ? 'delete' : 'other';
}

/** A status query asks which bytes are there, as a listing of parts does; the chunk that ends it all completes. */
function sessionOperation({ headers, method }: Request): Operation {
  if (method === 'DELETE') return 'abort-upload';
  const range = headers.get('content-range');
  if (range === undefined) return 'complete-upload';
  if (QUERIES_STATUS.test(range)) return 'list-parts';
  const m = ENDS_UPLOAD.exec(range);
  return m !== null && Number(m[1]) + 1 === Number(m[2]) ? 'complete-upload' : 'put-part';
}

/** What each may have in its query in the XML API; those that are not here may have nothing. */
const XML_QUERIES: Partial<Record<Operation, readonly string[]>> = {
  ...SHARED_QUERIES,
  get: ['generation'],
  head: ['generation'],
  delete: ['generation'],
};
/** Of signed URLs, of SDKs (`x-id`), and who pays. */
const OF_ANY = /^x-|^userProject$/i;

function xmlOperation(request: RoutedRequest): Operation {
  return isServed(request) ? namedXmlOperation(request) : 'other';
}

/**
 * Whether the XML API serves all that the query asks for: a sub-resource (`?acl`) must not be taken for the object or the
 * bucket that it belongs to.
 */
export function isServed(request: RoutedRequest): boolean {
  return hasOnlyQueries(request, XML_QUERIES[namedXmlOperation(request)], OF_ANY);
}

function namedXmlOperation({ params, route, method }: RoutedRequest): Operation {
  const { what } = route;
  if (what === 'bucket') {
    if (method !== 'GET') return 'other';
    return params.has('uploads') ? 'list-uploads' : params.has('list-type') ? 'list' : 'other';
  }
  if (what !== 'object') return 'other';
  if (params.has('uploads')) return method === 'POST' ? 'create-upload' : 'other';
  return (params.has('uploadId') ? OF_UPLOADS : OF_OBJECTS).get(method) ?? 'other';
}
