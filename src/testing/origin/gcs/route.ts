// @ts-nocheck
/**
 * Which of the services on the port a request is for, and what it names: the JSON API, its uploads and downloads, the
 * XML API, the token endpoint and the metadata server.
 *
 * A name of the JSON API is one segment, percent-encoded: a slash in it that is not encoded ends it, and the service
 * knows no such path.
 */
import type { Request } from '../request.js';
import type { Operation } from '../records.js';

/**
 * `what` in JSON: buckets, bucket, objects, object, upload, session, compose, copyTo, rewriteTo, unknown; in XML: service, bucket, object.
 */
export interface Route {
  api: 'json' | 'xml' | 'token' | 'metadata';
  what: string;
  bucket: string;
  key: string;
  source?: { bucket: string; key: string };
  media?: boolean;
}

const JSON_PATH = /^(\/download|\/upload|\/resumable\/upload)?\/storage\/v1(\/.*)?$/;

/** Returns may throw URIError */
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

const other = (api: 'token' | 'metadata') => ({ api, what: api, bucket: '', key: '' });

function jsonRoute(host, raw, method, params) {
  const parts = raw.map(decodeURIComponent);
  const [b, bucket = '', o, key = '', verb, b2, bucket2 = '', o2, key2 = ''] = parts;
  const route = (what: string, more = {}) => ({
    api: 'json' as const,
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

export function operationOf(request: Request): Operation {
  const { route, method } = request;
  if (route.api === 'token' || route.api === 'metadata') return 'token';
  return route.api === 'json' ? jsonOperation(request, route, method) : xmlOperation(request, route, method);
}

function jsonOperation(request, { what, media }, method) {
  if (what === 'objects') return method === 'GET' ? 'list' : 'other';
  if (what === 'compose') return 'compose';
  if (what === 'copyTo' || what === 'rewriteTo') return 'copy';
  if (what === 'upload') return request.params.get('uploadType') === 'resumable' ? 'create-upload' : 'put';
  if (what === 'session') return sessionOperation(request, method);
  if (what !== 'object') return 'other';
  if (method === 'GET') return media ? 'get' : 'head';
  return method === 'DELETE' ? 'delete' : 'other';
}

/** A status query asks which bytes are there, as a listing of parts does; the chunk that ends it all completes. */
function sessionOperation({ headers }, method) {
  if (method === 'DELETE') return 'abort-upload';
  const range = headers.get('content-range');
  if (range === undefined) return 'complete-upload';
  if (QUERIES_STATUS.test(range)) return 'list-parts';
  const m = ENDS_UPLOAD.exec(range);
  return m !== null && Number(m[1]) + 1 === Number(m[2]) ? 'complete-upload' : 'put-part';
}

function xmlOperation({ params }, { what }, method) {
  if (what === 'bucket') {
    if (method !== 'GET') return 'other';
    return params.has('uploads') ? 'list-uploads' : params.has('list-type') ? 'list' : 'other';
  }
  if (what !== 'object') return 'other';
  if (params.has('uploads')) return method === 'POST' ? 'create-upload' : 'other';
  if (params.has('uploadId')) {
    const named = { PUT: 'put-part', POST: 'complete-upload', DELETE: 'abort-upload', GET: 'list-parts' };
    return named[method] ?? 'other';
  }
  const plain = { GET: 'get', HEAD: 'head', PUT: 'put', DELETE: 'delete' };
  return plain[method] ?? 'other';
}
