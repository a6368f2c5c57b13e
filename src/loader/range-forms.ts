/**
 * The forms in which a range is given (bounded, from a byte to the end, the last bytes), and what they mean for an object
 * of a certain size. Pure.
 *
 * Source: RFC 9110, 14.1.2. A range that reaches beyond the end is cut there; a suffix longer than the object is all of
 * it; a range of no bytes, or that begins behind the end, cannot be satisfied. Of an empty object all bytes are none,
 * so what begins at its first byte is its whole: as `get` has it.
 */
import type { ByteRange } from './datasets.js';
import { checkNames, invalidOption, whole } from './schema.js';

/** A checked range. `start` below 0: the last `-start` bytes. `length` below 0: all to the end. */
export interface RangeForm {
  readonly start: number;
  readonly length: number;
}

const RANGE_NAMES = ['start', 'end', 'length', 'suffix'];

/** @throws MillraceError InvalidArgument, for an empty range too, because no request can ask for it */
export function checkRange(given: unknown, name: string): RangeForm {
  checkNames(RANGE_NAMES, given, name);
  const range = given as ByteRange;
  const { end, length, suffix } = range;
  if (suffix !== undefined) {
    if (range.start !== undefined || end !== undefined || length !== undefined) {
      throw invalidOption(name, 'suffix alone, or start with end or length', 'both');
    }
    return { start: -whole(1)(suffix, `${name}.suffix`), length: -1 };
  }
  const start = range.start === undefined ? 0 : whole(0)(range.start, `${name}.start`);
  if (end !== undefined && length !== undefined) throw invalidOption(name, 'end or length', 'both');
  if (end === undefined) {
    return { start, length: length === undefined ? -1 : whole(1)(length, `${name}.length`) };
  }
  const bound = whole(1)(end, `${name}.end`);
  if (bound <= start) throw invalidOption(`${name}.end`, `more than start (${start}); end is exclusive`, end);
  return { start, length: bound - start };
}

/** Whether it takes the object's size to say which bytes are meant. */
export function needsSize({ start, length }: RangeForm): boolean {
  return start < 0 || length < 0;
}

/** First byte and length of a range of an object of `size` bytes. */
export function placeRange({ start, length }: RangeForm, size: number): RangeForm {
  const first = start < 0 ? Math.max(0, size + start) : start;
  const rest = Math.max(0, size - first);
  return { start: first, length: length < 0 ? rest : Math.min(length, rest) };
}

/** Whether a range lies behind the end of an object of `size` bytes. */
export function isOutside(start: number, size: number): boolean {
  return start > 0 && start >= size;
}
