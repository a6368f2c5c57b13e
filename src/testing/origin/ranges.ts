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

/** Another range than asked, in answer to a ranged or unranged request, for the lies that need one. */
export function bend(range: Span | null, size: number, lie: Lie | undefined): Span | null {
  const asked = range ?? { start: 0, length: size };
  if (lie === 'short-range') return { start: asked.start, length: Math.max(1, asked.length >>> 1) };
  if (lie !== 'wrong-range') return range;
  if (asked.start > 0) return { start: asked.start - 1, length: asked.length };
  if (asked.length < size) return { start: 1, length: asked.length };
  return { start: 1, length: asked.length - 1 };
}
