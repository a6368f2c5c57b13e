/**
 * The JSON form of an object, and partial responses: the `fields` parameter.
 *
 * Sums are computed when they are asked for: a listing of names alone costs no hash of large objects.
 *
 * Sources: "Objects" of the JSON API reference; "Partial response" of the same, for the syntax of `fields`.
 */
import { type Stored, modifiedMs } from '../catalogue.js';
import type { Failure } from '../failure.js';
import type { Request } from '../request.js';
import { type Response, answer, bytesSource } from '../response.js';
import { type JsonRecord, isRecord } from './documents.js';
import { fail } from './failures.js';
import { type GcsAttributes, generationOf, hasMd5, opaqueEtag, sumsOf } from './objects.js';
import type { Service } from './store.js';

const COPIED = [
  'contentEncoding',
  'cacheControl',
  'contentDisposition',
  'contentLanguage',
  'metadata',
  'componentCount',
] as const;

/** @param base of URLs */
export function objectResource(service: Service, base: string, bucket: string, object: Stored): JsonRecord {
  const generation = generationOf(object, service.generationOffset);
  const name = encodeURIComponent(object.key);
  const self = `${base}/storage/v1/b/${bucket}/o/${name}`;
  const written = new Date(modifiedMs(object.generation)).toISOString();
  const resource: Record<string, unknown> = {
    kind: 'storage#object',
    id: `${bucket}/${object.key}/${generation}`,
    selfLink: self,
    mediaLink: `${base}/download/storage/v1/b/${bucket}/o/${name}?generation=${generation}&alt=media`,
    name: object.key,
    bucket,
    generation,
    metageneration: '1',
    storageClass: 'STANDARD',
    size: String(object.size),
    get crc32c() {
      return sumsOf(object).crc32c;
    },
    get md5Hash() {
      return hasMd5(object) ? sumsOf(object).md5 : undefined;
    },
    etag: opaqueEtag(generation),
    timeCreated: written,
    updated: written,
    timeStorageClassUpdated: written,
    contentType: object.attributes.contentType,
  };
  const attributes: GcsAttributes = object.attributes;
  for (const field of COPIED) {
    if (attributes[field] !== undefined) resource[field] = attributes[field];
  }
  return resource;
}

/** Null stands for all below. */
type Selection = ReadonlyMap<string, SelectedBelow>;
type SelectedBelow = Selection | null;

/** Null when it cannot be read. */
function parseFields(text: string): Selection | null {
  let at = 0;
  const list = (): Selection | null => {
    const selection = new Map<string, SelectedBelow>();
    do {
      const m = /^[\w*]+/.exec(text.slice(at));
      if (m === null) return null;
      at += m[0].length;
      const below = tail();
      if (below === undefined) return null;
      selection.set(m[0], below);
    } while (text[at] === ',' && ++at > 0);
    return selection;
  };
  const tail = (): SelectedBelow | undefined => {
    if (text[at] === '/') {
      at += 1;
      const m = /^[\w*]+/.exec(text.slice(at));
      if (m === null) return undefined;
      at += m[0].length;
      const below = tail();
      return below === undefined ? undefined : new Map([[m[0], below]]);
    }
    if (text[at] !== '(') return null;
    at += 1;
    const inner = list();
    if (inner === null || text[at] !== ')') return undefined;
    at += 1;
    return inner;
  };
  const all = list();
  return at === text.length ? all : null;
}

function select(value: unknown, selection: Selection | null): unknown {
  if (selection === null || !isRecord(value)) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => select(one, selection));
  if (selection.has('*')) return value;
  const entries = [...selection].filter(([name]) => name in value);
  return Object.fromEntries(entries.map(([name, below]) => [name, select(value[name], below)]));
}

export function jsonAnswer(request: Request, value: JsonRecord): Response | Failure {
  const fields = request.params.get('fields');
  const selection = fields === undefined ? null : parseFields(fields);
  if (fields !== undefined && selection === null) return fail('invalid', `Invalid field selection ${fields}`);
  const bytes = Buffer.from(JSON.stringify(select(value, selection)));
  return answer(200, ['Content-Type', 'application/json; charset=UTF-8'], bytesSource(bytes));
}
