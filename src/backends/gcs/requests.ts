/**
 * What the requests of both APIs are made of: paths, headers that all have, signatures. Pure.
 *
 * Invariants:
 * 1. The key is one segment of a path in the JSON API, percent-encoded with its slashes, and stands as it is in the XML API;
 *    either way its bytes are encoded once.
 * 2. Whoever asks with an HMAC key signs the request; nobody else signs anything.
 */
import { HeaderBlock } from '../../protocol/headers.js';
import type { PreparedRequest } from '../../protocol/http.js';
import type { StoreSnapshot } from '../../protocol/store.js';
import { encodeKey, encodeSegment } from '../http/encoding.js';
import { createSigner, GOOG4, type SignedParts, type Signer } from '../http/sigv4.js';
import { signedHeaders, type WriteParts, type WriteSigning } from '../http/sigv4-write.js';
import type { GcsDataConfig } from './config.js';

/** The service looks at no region of a signature; this is what its own documentation writes there. */
const SIGNED_PLACE = { scheme: GOOG4, region: 'auto', service: 'storage' } as const;
/** Objects that are stored as gzip are otherwise decompressed on the way: without a length, and whole for any range. */
const AS_STORED = ['Accept-Encoding', 'gzip'];

/** What a snapshot gives, with everything that stays the same per request worked out. */
export interface Current {
  readonly version: number;
  readonly config: GcsDataConfig;
  readonly signer: Signer | null;
  readonly signing: WriteSigning | null;
  /** Headers of requests for the bytes of objects, and of all others. */
  readonly media: HeaderBlock;
  readonly plain: HeaderBlock;
  /** Before a key of the JSON API: to read, and for all else. */
  readonly downloads: string;
  readonly objects: string;
  readonly uploads: string;
  /** Of the bucket in the XML API, with a slash at its end. */
  readonly xml: string;
}

export function adopt(snapshot: StoreSnapshot): Current {
  const config = snapshot.config as GcsDataConfig;
  const { auth, bucket, hostHeader: host, pathPrefix, userProject, origin } = config;
  const project = userProject === null ? [] : [['x-goog-user-project', userProject] as const];
  const constant = ['User-Agent', 'millrace'];
  let signer: Signer | null = null;
  let signing: WriteSigning | null = null;
  if (auth.kind === 'hmac') {
    const credentials = { accessKeyId: auth.accessId, secretAccessKey: auth.secret };
    signer = createSigner({ ...SIGNED_PLACE, host, credentials, tail: project });
    signing = { ...SIGNED_PLACE, credentials, secure: origin.secure };
    constant.push(...signer.constant);
  } else {
    constant.push('Host', host, ...project.flat());
    if (auth.kind === 'bearer') constant.push('Authorization', `Bearer ${auth.token}`);
  }
  return {
    version: snapshot.version,
    config,
    signer,
    signing,
    media: new HeaderBlock([...constant, ...AS_STORED]),
    plain: new HeaderBlock(constant),
    downloads: `${pathPrefix}/download/storage/v1/b/${bucket}/o/`,
    objects: `${pathPrefix}/storage/v1/b/${bucket}/o/`,
    uploads: `${pathPrefix}/upload/storage/v1/b/${bucket}/o`,
    xml: `${pathPrefix}/${bucket}/`,
  };
}

/** A GET of the JSON API for the bytes of an object; the hot one. */
export function download(
  { config, downloads, media }: Current,
  key: Uint8Array,
  version: string | null,
  range: PreparedRequest['range'],
): PreparedRequest {
  let target = `${downloads}${encodeSegment(key)}?alt=media`;
  if (version !== null) target += `&generation=${version}`;
  const headers = range === null ? [] : ['Range', `bytes=${range.start}-${range.start + range.length - 1}`];
  const { origin, allowContentEncoding: encoded } = config;
  return { origin, method: 'GET', target, constant: media, headers, body: null, range, encoded };
}

/** A GET or HEAD of the XML API, signed where there is a key. */
export function xmlRead(
  { config, signer, media }: Current,
  parts: Pick<SignedParts, 'method' | 'path' | 'query'>,
  range: PreparedRequest['range'],
  nowMs: number,
): PreparedRequest {
  const bytes = range === null ? null : `bytes=${range.start}-${range.start + range.length - 1}`;
  const bare = bytes === null ? [] : ['Range', bytes];
  const headers = signer?.sign({ ...parts, ifMatch: null, range: bytes, checksum: false }, nowMs) ?? bare;
  const { origin, allowContentEncoding: encoded } = config;
  return {
    origin,
    method: parts.method,
    target: targetOf(parts),
    constant: media,
    headers,
    body: null,
    range,
    encoded,
  };
}

/** Any request that is not for bytes; in the XML API alone may it be signed. */
export function request(current: Current, parts: WriteParts, nowMs: number): PreparedRequest {
  const { config, signing, plain } = current;
  const { method, body } = parts;
  const common = { origin: config.origin, method, target: targetOf(parts), body, range: null };
  if (signing === null) return { ...common, constant: plain, headers: parts.headers.flat() };
  const own: (readonly [string, string])[] = [...parts.headers, ['host', config.hostHeader]];
  if (config.userProject !== null) own.push(['x-goog-user-project', config.userProject]);
  const headers = [...signedHeaders(signing, { ...parts, headers: own }, nowMs), 'user-agent', 'millrace'];
  return { ...common, headers };
}

function targetOf({ path, query }: { readonly path: string; readonly query: string }): string {
  return query === '' ? path : `${path}?${query}`;
}

/** Path of an object in the JSON API, other than to read it. */
export function jsonPath({ objects }: Current, key: Uint8Array): string {
  return objects + encodeSegment(key);
}

export function xmlPath({ xml }: Current, key: Uint8Array): string {
  return xml + encodeKey(key);
}
