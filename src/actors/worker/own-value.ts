/**
 * Pure core: what a transform returned as a value, without views over memory that is not its own. Structured cloning
 * keeps a view over shared memory shared, so that a value which holds a piece of the input would change when that
 * memory is used for another object.
 */
import { ownCopy } from '../../protocol/copy.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

/** The value itself, or, where it holds views over `shared`, a clone in which those are copies. */
export function ownValue(value: unknown, shared: ArrayBufferLike): unknown {
  if (!holdsView(value, shared, new Set())) return value;
  return copyViews(structuredClone(value), new Set());
}

/** What a clone goes through; anything else (dates, errors, numbers) holds no view. */
function childrenOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].flat();
  if (value instanceof Set || Array.isArray(value)) return value as Iterable<unknown>;
  return Object.values(value as Record<string, unknown>);
}

function holdsView(value: unknown, shared: ArrayBufferLike, seen: Set<object>): boolean {
  if (typeof value !== 'object' || value === null || seen.has(value)) return false;
  if (ArrayBuffer.isView(value)) return value.buffer === shared;
  if (value === shared) throw tooMuch();
  seen.add(value);
  for (const child of childrenOf(value)) if (holdsView(child, shared, seen)) return true;
  return false;
}

/** Replaces in place: the value is a clone, and nobody else's. */
function copyViews(value: unknown, seen: Set<object>): unknown {
  if (typeof value !== 'object' || value === null || seen.has(value)) return value;
  if (ArrayBuffer.isView(value)) return isSharedView(value) ? copyOf(value) : value;
  seen.add(value);
  if (value instanceof Map) {
    const entries = [...value];
    value.clear();
    for (const [key, each] of entries) value.set(copyViews(key, seen), copyViews(each, seen));
  } else if (value instanceof Set) {
    const members = [...value];
    value.clear();
    for (const member of members) value.add(copyViews(member, seen));
  } else {
    const own = value as Record<string, unknown>;
    for (const name of Object.keys(own)) own[name] = copyViews(own[name], seen);
  }
  return value;
}

/** A clone of a shared buffer is another object over the same memory: whose it is cannot be told any more. */
function isSharedView(view: ArrayBufferView): boolean {
  return view.buffer instanceof SharedArrayBuffer;
}

function copyOf(view: ArrayBufferView): ArrayBufferView {
  const bytes = ownCopy(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  if (view instanceof DataView) return new DataView(bytes.buffer);
  const View = view.constructor as new (buffer: ArrayBuffer) => ArrayBufferView;
  return new View(bytes.buffer);
}

function tooMuch(): MillraceError {
  return new MillraceError(
    ErrorCode.TransformFailed,
    'the transform returned the buffer that its bytes lie in, which has those of other objects too: return the bytes, or a copy',
    { phase: 'transform' },
  );
}
