/**
 * The facts about one object: a document of the JSON API, headers of the XML API.
 *
 * Invariant: the size is that of the bytes as they are stored.
 *
 * Sources: "Objects: get" of the JSON API; "HEAD Object" of the XML API.
 */
import type { Exchange } from '../../protocol/http.js';
import type { ObjectInfo } from '../../protocol/store.js';
import type { WriteParts } from '../http/sigv4-write.js';
import { readJson } from './json-listing.js';
import { announced, checksumsOf } from './verify.js';

/** A HEAD of the JSON API is documented nowhere, and an emulator answers one without a length. */
export function metadataParts(path: string): WriteParts {
  return {
    method: 'GET',
    path,
    query: 'fields=size,generation,updated,contentType,crc32c,md5Hash',
    headers: [],
    body: null,
  };
}

/** Null where the document is none of an object. */
export function infoInBody({ body }: Exchange): ObjectInfo | null {
  const { size, generation, updated, contentType, crc32c, md5Hash } = readJson(body) ?? {};
  const info = infoOf(size, generation, updated, contentType);
  return info === null ? null : { ...info, checksums: checksumsOf(crc32c, md5Hash) };
}

/** Null where the headers tell no size. */
export function infoInHead(exchange: Exchange): ObjectInfo | null {
  const info = infoOf(
    exchange.header('x-goog-stored-content-length') ?? exchange.header('content-length'),
    exchange.header('x-goog-generation'),
    exchange.header('last-modified'),
    exchange.header('content-type'),
  );
  return info === null ? null : { ...info, checksums: announced(exchange) };
}

function infoOf(size: unknown, version: unknown, modified: unknown, contentType: unknown): ObjectInfo | null {
  if (typeof size !== 'string' || !/^\d{1,15}$/.test(size)) return null;
  const lastModifiedMs = typeof modified === 'string' ? Date.parse(modified) : Number.NaN;
  return {
    size: Number(size),
    version: typeof version === 'string' ? version : null,
    lastModifiedMs: Number.isNaN(lastModifiedMs) ? null : lastModifiedMs,
    contentType: typeof contentType === 'string' ? contentType : null,
  };
}
