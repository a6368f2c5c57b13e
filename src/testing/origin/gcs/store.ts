/**
 * What the service keeps, and the steps that both APIs take on it: find a version, write, remove.
 *
 * What it keeps true:
 * 1. Conditions are looked at and the write is done in one turn, so of two writers with the same condition one wins.
 * 2. Nothing is written when a condition or a stated sum does not hold.
 */
import type { Stored } from '../catalogue.js';
import type { Common } from '../dialect.js';
import type { Failure } from '../failure.js';
import type { OriginCredentials } from '../options.js';
import { checkConditions, checkSums, type Conditions, type StatedSums } from './conditions.js';
import { fail } from './failures.js';
import { type Archive, type GcsAttributes, generationOf, sumsOfBytes } from './objects.js';
import type { Session } from './resumable.js';
import type { Tokens } from './tokens.js';
import type { Upload } from './xml-uploads.js';

export interface Service extends Readonly<Common> {
  /** HMAC keys of the XML API, by their access id. */
  credentials: Map<string, OriginCredentials>;
  readonly tokens: Tokens;
  readonly archive: Archive;
  readonly sessions: Map<string, Session>;
  readonly uploads: Map<string, Upload>;
  requesterPays: Set<string>;
  versioned: Set<string>;
  generationOffset: bigint;
  minPartBytes: number;
  nextId(): string;
}

interface Write {
  readonly bucket: string;
  readonly key: string;
  readonly body: Buffer;
  readonly attributes: GcsAttributes;
  readonly conditions: Conditions;
  readonly stated: StatedSums;
}

/** What both APIs say of an object, or a generation of it, that is not there. */
export const absent = (bucket: string, key: string): Failure =>
  fail('notFound', `No such object: ${bucket}/${key}`);

/** @param generation the live one when undefined */
export function findVersion(
  service: Service,
  bucketName: string,
  key: string,
  generation: string | undefined,
): Stored | null {
  const bucket = service.buckets.get(bucketName);
  const live = bucket?.find(key) ?? null;
  const isAsked = (one: Stored | null) =>
    one !== null && generationOf(one, service.generationOffset) === generation;
  if (generation === undefined || isAsked(live)) return live;
  const kept = (service.archive.of(bucketName).get(key) ?? []).find(isAsked);
  if (kept !== undefined) return kept;
  if (live === null || live.body !== null || !service.versioned.has(bucketName)) return null;
  // What a bump has overwritten is still to be had: its bytes are a function of its generation.
  for (let back = 1; back <= live.generation; back++) {
    const before = bucket?.find(key, -back) ?? null;
    if (isAsked(before)) return before;
  }
  return null;
}

/** A failure has a `message`. */
export function putObject(
  service: Service,
  { bucket, key, body, attributes, conditions, stated }: Write,
): Stored | Failure {
  const found = service.buckets.get(bucket);
  if (found === undefined) return fail('noBucket');
  const before = found.find(key);
  const failed = checkConditions(conditions, before, service.generationOffset, false);
  if (failed !== null && failed !== 'unchanged') return failed;
  const wrong = checkSums(stated, sumsOfBytes(body));
  if (wrong !== null) return wrong;
  if (before !== null && service.versioned.has(bucket)) service.archive.add(bucket, before);
  found.put(key, body, attributes);
  // What was put is there.
  return found.find(key)!;
}

/** Null when it is gone. */
export function removeObject(
  service: Service,
  bucketName: string,
  key: string,
  generation: string | undefined,
  conditions: Conditions,
): Failure | null {
  const bucket = service.buckets.get(bucketName);
  const object = findVersion(service, bucketName, key, generation);
  if (bucket === undefined || object === null) return absent(bucketName, key);
  const failed = checkConditions(conditions, object, service.generationOffset, false);
  if (failed !== null && failed !== 'unchanged') return failed;
  const kept = service.archive.of(bucketName).get(key) ?? [];
  if (kept.includes(object)) service.archive.drop(bucketName, object);
  else {
    if (service.versioned.has(bucketName) && generation === undefined)
      service.archive.add(bucketName, object);
    bucket.remove(key);
  }
  return null;
}
