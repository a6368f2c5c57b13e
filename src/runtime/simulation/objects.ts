/**
 * What a simulated service keeps: objects, and uploads that have not ended.
 *
 * Invariant: what was written is what was sent: its bytes are its own, and no memory of a worker.
 */
import { digestOf } from '../../protocol/checksums/digest.js';
import { toBase64 } from '../../protocol/checksums/values.js';

export interface SimObject {
  readonly size: number;
  readonly version: string | null;
  /** Writes the object's bytes from `offset` on; `target` is exactly as long as what is wanted. */
  fill(offset: number, target: Uint8Array): void;
}

/** An upload in parts that has not ended. */
export interface SimUpload {
  readonly id: string;
  readonly key: string;
  /** By index. */
  readonly parts: Map<number, SimPart>;
}

export interface SimPart {
  /** What its answer tells, and `complete` has to give: of its bytes, so that the same part sent again has the same. */
  readonly token: string;
  readonly bytes: Uint8Array;
}

/** An object as it was written. */
export interface SimWritten {
  readonly key: string;
  readonly object: SimObject;
}

/** The kind of checksum that a service of the simulation tells. */
export const CHECKSUM = 'crc32';

const checksums = new WeakMap<SimObject, string>();

/** In base64. */
export function checksumOf(object: SimObject): string {
  const known = checksums.get(object);
  if (known !== undefined) return known;
  const bytes = bytesOfObject(object);
  const value = toBase64(digestOf(CHECKSUM, bytes));
  checksums.set(object, value);
  return value;
}

export function bytesOfObject(object: SimObject): Uint8Array {
  const bytes = new Uint8Array(object.size);
  object.fill(0, bytes);
  return bytes;
}

/** An object of these bytes, which must not change any more. */
export function storedObject(bytes: Uint8Array, version: string): SimObject {
  return {
    size: bytes.length,
    version,
    fill: (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  };
}
