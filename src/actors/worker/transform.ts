/**
 * What a transform returned, made into outputs: bytes stay in, or are packed into, the job's own lease where they fit.
 */
import { copyBytes, ownCopy } from '../../protocol/copy.js';
import { ErrorCode, messageOf, MillraceError } from '../../protocol/errors.js';
import { isSink, type Output, type StreamSpec } from '../../protocol/messages.js';
import { ownValue } from './own-value.js';

/** So that a typed array of any element type can be laid over an item. */
const ALIGN_BYTES = 8;

export interface LeaseView {
  /** The whole lease, `capacity` bytes. */
  readonly bytes: Uint8Array;
  /** How many of them the object took. */
  readonly landed: number;
}

/**
 * Undefined, null and an empty array are nothing; an array is several items; a view or an ArrayBuffer is bytes;
 * everything else is a value, in which pieces of the lease are copied. Bytes that already lie in the lease (a subarray of what the transform was given) stay
 * where they are; others are copied behind them, or travel as a buffer of their own when there is no room.
 */
export function toOutputs(returned: unknown, lease: LeaseView): Output[] {
  if (returned === undefined || returned === null) return [];
  const several = Array.isArray(returned) ? (returned as unknown[]) : [returned];
  // All of them before anything is copied: a value may hold a piece of the very bytes that others take the place of.
  const settled = several.map((item) => settledOf(item, lease));
  let free = freeBehind(settled, lease);
  return several.map((item, i) => {
    const output = settled[i];
    if (output !== null && output !== undefined) return output;
    const bytes = bytesOf(item)!;
    if (free + bytes.length > lease.bytes.length) return { kind: 'bytes', bytes: ownCopy(bytes) };
    copyBytes(bytes, lease.bytes, free);
    const copied: Output = { kind: 'lease', start: free, length: bytes.length };
    free = align(free + bytes.length);
    return copied;
  });
}

/** What needs no room in the lease: a value, which then owns its bytes, and bytes that are there already. Null for other bytes. */
function settledOf(item: unknown, lease: LeaseView): Output | null {
  const bytes = bytesOf(item);
  if (bytes === null) return { kind: 'value', value: ownValue(item, lease.bytes.buffer) };
  return placeOf(bytes, lease);
}

/** Where nothing lies that an output is made of. A transform may have put something behind the object, too. */
function freeBehind(settled: readonly (Output | null)[], { landed }: LeaseView): number {
  let free = 0;
  for (const output of settled)
    if (output?.kind === 'lease') free = Math.max(free, landed, output.start + output.length);
  return align(free);
}

function placeOf(bytes: Uint8Array, lease: LeaseView): Output | null {
  if (bytes.buffer !== lease.bytes.buffer) return null;
  const start = bytes.byteOffset - lease.bytes.byteOffset;
  if (start < 0 || start + bytes.length > lease.bytes.length) {
    throw new MillraceError(
      ErrorCode.TransformFailed,
      'the transform returned bytes of another item: return bytes of the item it was given, or a copy',
      { phase: 'transform' },
    );
  }
  return { kind: 'lease', start, length: bytes.length };
}

function bytesOf(item: unknown): Uint8Array | null {
  if (ArrayBuffer.isView(item)) return new Uint8Array(item.buffer, item.byteOffset, item.byteLength);
  if (item instanceof ArrayBuffer || item instanceof SharedArrayBuffer) return new Uint8Array(item);
  return null;
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}

export function transformFailed(thrown: unknown): MillraceError {
  const why = messageOf(thrown);
  return new MillraceError(ErrorCode.TransformFailed, `the transform threw: ${why}`, {
    phase: 'transform',
    cause: thrown,
  });
}

/** What the user gave along with the transform. */
export function optionsOf({ transform }: StreamSpec): unknown {
  return transform === null || isSink(transform) ? undefined : transform.options;
}
