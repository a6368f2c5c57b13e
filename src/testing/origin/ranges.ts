/**
 * One range of RFC 9110 against the size of an object, and the ranges of the lies that name another than was asked.
 */

import type { Lie } from './rules.js';

/** Bytes of an object. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/**
 * What is not understood is ignored, as the RFC says.
 * @param text the header
 */
export function parseRange(text: string | undefined, size: number): Span | 'unsatisfiable' | null {
  const m = /^bytes=(\d*)-(\d*)$/.exec(text ?? '');
  if (m === null || (m[1] === '' && m[2] === '')) return null;
  if (m[1] === '') {
    const length = Math.min(Number(m[2]), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, length };
  }
  const start = Number(m[1]);
  const end = m[2] === '' ? size - 1 : Math.min(Number(m[2]), size - 1);
  if (m[2] !== '' && Number(m[2]) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, length: end - start + 1 };
}

/** Another range than asked, for the lies that need one; a request without a range has none to lie about. */
export function bend(range: Span | null, size: number, lie: Lie | undefined): Span | null {
  if (range === null) return null;
  const { start, length } = range;
  if (lie === 'short-range') return { start, length: Math.max(1, Math.floor(length / 2)) };
  if (lie !== 'wrong-range') return range;
  if (start > 0) return { start: start - 1, length };
  if (length < size) return { start: 1, length };
  return size > 1 ? { start: 1, length: size - 1 } : range;
}
