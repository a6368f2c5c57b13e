/**
 * An object of the catalogue as Cloud Storage names it: generation, sums, ETags, and which of its versions there are.
 *
 * What it keeps true:
 * 1. A generation is the time of the write in microseconds plus `generationOffset`, an int64 in decimal, and never used twice for a
 *    key. With an offset of 2^53 a client that makes a number of it reads another one.
 * 2. Sums are of the bytes as stored, whatever is served of them. A composed object and one of an XML multipart upload
 *    have no MD5.
 *
 * Source: "Object metadata" and "Objects" of the Cloud Storage reference.
 */
import { createHash } from 'node:crypto';
import { objectIdOf } from '../../../backends/memory/pattern.js';
import { type Attributes, type Stored, modifiedMs } from '../catalogue.js';
import { base64Of32, crc32c, md5 } from '../checksums.js';
import { objectSource } from '../response.js';

/** What Cloud Storage keeps beside the bytes. */
export interface GcsAttributes extends Attributes {
  contentDisposition?: string | undefined;
  contentLanguage?: string | undefined;
  /** How many objects it was composed of. */
  componentCount?: number | undefined;
  withoutMd5?: boolean | undefined;
}

/** In base64. */
export interface Sums {
  readonly crc32c: string;
  readonly md5: string;
}

const CHUNK_BYTES = 65_536;
const MAX_CACHED_SUMS = 10_000;
const MICROS_OF_A_SECOND = 1_000_000;

export function generationOf(object: Stored, offset: bigint): string {
  const micros = modifiedMs(object.generation) * 1000 + (objectIdOf(object.key) % MICROS_OF_A_SECOND);
  return String(BigInt(micros) + offset);
}

/** Of patterns, by object id and size. */
const sumsOfPatterns = new Map<string, Sums>();
const sumsOfBodies = new WeakMap<Uint8Array, Sums>();

export function sumsOfBytes(bytes: Uint8Array): Sums {
  return { crc32c: base64Of32(crc32c(bytes)), md5: md5(bytes) };
}

function sumsOfPattern(object: Stored): Sums {
  const source = objectSource(object, 0, object.size);
  const hash = createHash('md5');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let crc = 0;
  for (let at = 0; at < object.size; at += CHUNK_BYTES) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, object.size - at));
    source.fill(chunk, at);
    crc = crc32c(chunk, crc);
    hash.update(chunk);
  }
  return { crc32c: base64Of32(crc), md5: hash.digest('base64') };
}

export function sumsOf(object: Stored): Sums {
  const { body } = object;
  if (body !== null) {
    const sums = sumsOfBodies.get(body) ?? sumsOfBytes(body);
    sumsOfBodies.set(body, sums);
    return sums;
  }
  const name = `${object.objectId}/${object.size}`;
  const sums = sumsOfPatterns.get(name) ?? sumsOfPattern(object);
  if (sumsOfPatterns.size >= MAX_CACHED_SUMS) sumsOfPatterns.clear();
  sumsOfPatterns.set(name, sums);
  return sums;
}

export function hasMd5(object: Stored): boolean {
  const { withoutMd5 }: GcsAttributes = object.attributes;
  return withoutMd5 !== true;
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return [...bytes, Number(left)];
}

/** Generation and metageneration as a protocol buffer in base64: the ETag of the JSON API. */
export function opaqueEtag(generation: string): string {
  return Buffer.from([0x08, ...varint(BigInt(generation)), 0x10, 1]).toString('base64');
}

/** The ETag of the XML API: the MD5 in hex where there is one. */
export function quotedEtag(object: Stored, generation: string): string {
  if (!hasMd5(object)) return `"-${opaqueEtag(generation)}"`;
  return `"${Buffer.from(sumsOf(object).md5, 'base64').toString('hex')}"`;
}

export function hashHeader(object: Stored): string {
  const sums = sumsOf(object);
  return hasMd5(object) ? `crc32c=${sums.crc32c},md5=${sums.md5}` : `crc32c=${sums.crc32c}`;
}

/** What versioned buckets keep of objects that were overwritten or deleted. */
export class Archive {
  /** By bucket and key, oldest first. */
  #buckets = new Map<string, Map<string, Stored[]>>();

  add(bucket: string, object: Stored): void {
    const keys = this.#buckets.get(bucket) ?? new Map<string, Stored[]>();
    this.#buckets.set(bucket, keys);
    keys.set(object.key, [...(keys.get(object.key) ?? []), object]);
  }

  of(bucket: string): Map<string, Stored[]> {
    return this.#buckets.get(bucket) ?? new Map<string, Stored[]>();
  }

  /** Forgets one version. */
  drop(bucket: string, object: Stored): void {
    const left = (this.of(bucket).get(object.key) ?? []).filter((one) => one !== object);
    if (left.length === 0) this.of(bucket).delete(object.key);
    else this.of(bucket).set(object.key, left);
  }
}
