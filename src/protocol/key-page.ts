/**
 * Builds a packed `KeyPage` row by row.
 *
 * Invariants:
 * 1. Keys and versions lie back to back in one buffer each; `keyEnds[i]` is where row i ends.
 * 2. The arrays of a finished page are exactly as long as its rows, each over a buffer of its own, so that a page
 *    can be transferred or cloned without carrying slack.
 */
import { isUtf8 } from 'node:buffer';
import { ErrorCode, MillraceError } from './errors.js';
import type { KeyPage } from './store.js';

export interface KeyPageBuilder {
  /** Rows so far. */
  readonly count: number;
  /** Adds a row; `version` null for unknown, `modifiedMs` null for unknown, `size` -1 for unknown. */
  add(key: Uint8Array, size: number, version: string | null, modifiedMs: number | null): void;
  /** The page. The builder must not be used afterwards. */
  finish(prefixes: readonly string[], next: string | null): KeyPage;
}

/**
 * A rolled-up prefix as the text that a page holds.
 * @throws MillraceError Unsupported when it is not UTF-8: as text it could not be asked for again
 */
export function prefixText(prefix: Uint8Array): string {
  const bytes = Buffer.from(prefix);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new MillraceError(
    ErrorCode.Unsupported,
    `the prefix ${JSON.stringify(bytes.toString('latin1'))} is not UTF-8; list without a delimiter`,
    { phase: 'list' },
  );
}

/** Bytes that grow by doubling. */
interface Blob {
  bytes: Buffer;
  length: number;
}

const FIRST_BYTES = 4096;

export function createKeyPageBuilder(): KeyPageBuilder {
  const keys: Blob = { bytes: Buffer.allocUnsafeSlow(FIRST_BYTES), length: 0 };
  const versions: Blob = { bytes: Buffer.allocUnsafeSlow(FIRST_BYTES), length: 0 };
  const keyEnds: number[] = [];
  const sizes: number[] = [];
  const versionEnds: number[] = [];
  const modified: number[] = [];
  return {
    get count() {
      return keyEnds.length;
    },
    add(key, size, version, modifiedMs) {
      reserve(keys, key.length);
      keys.bytes.set(key, keys.length);
      keys.length += key.length;
      keyEnds.push(keys.length);
      sizes.push(size);
      if (version !== null) {
        // A UTF-16 code unit is at most three bytes of UTF-8.
        reserve(versions, version.length * 3);
        versions.length += versions.bytes.write(version, versions.length, 'utf8');
      }
      versionEnds.push(versions.length);
      modified.push(modifiedMs ?? Number.NaN);
    },
    finish: (prefixes, next) => ({
      count: keyEnds.length,
      keys: exact(keys),
      keyEnds: Uint32Array.from(keyEnds),
      sizes: Float64Array.from(sizes),
      versions: exact(versions),
      versionEnds: Uint32Array.from(versionEnds),
      modified: Float64Array.from(modified),
      prefixes,
      next,
    }),
  };
}

function reserve(blob: Blob, more: number): void {
  const needed = blob.length + more;
  if (needed <= blob.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, blob.bytes.length * 2));
  grown.set(blob.bytes.subarray(0, blob.length));
  blob.bytes = grown;
}

function exact(blob: Blob): Uint8Array {
  return new Uint8Array(blob.bytes.subarray(0, blob.length));
}
