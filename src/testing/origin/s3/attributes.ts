/**
 * What S3 keeps beside the bytes of an object: what came with the write, and the checksum that it was told or asked for.
 */
import type { Attributes } from '../catalogue.js';
import type { Sum } from './payload.js';

const META = 'x-amz-meta-';

export interface S3Attributes extends Attributes {
  readonly sum?: Sum | null | undefined;
  /** `FULL_OBJECT` where undefined. */
  readonly sumType?: string | undefined;
}

/** What a write says about the object beside its bytes. */
export function attributesOf(headers: ReadonlyMap<string, string>): S3Attributes {
  const metadata: Record<string, string> = {};
  for (const [name, value] of headers) if (name.startsWith(META)) metadata[name] = value;
  return { contentType: headers.get('content-type'), metadata };
}

/** Names and values in turn. */
export const sumHeaders = (sum: Sum | null, type = 'FULL_OBJECT'): string[] =>
  sum === null ? [] : [`x-amz-checksum-${sum.name}`, sum.value, 'x-amz-checksum-type', type];
