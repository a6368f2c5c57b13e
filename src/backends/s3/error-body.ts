/**
 * Reads the few fields of S3's error document that decide what happens next.
 *
 * Invariants:
 * 1. Tolerant: whatever the bytes are (HTML of a proxy, half a document, nothing), the result is a value, and the
 *    status decides alone.
 * 2. Bounded, as `errorText` and `errorField` are.
 * 3. Only the fields below are taken. The document of a refused signature also repeats the canonical request, and
 *    with it the session token: that must never reach an error.
 */

import { codeWord, errorField, errorText } from '../http/error-fields.js';

export interface ServiceError {
  readonly code: string | null;
  readonly message: string | null;
  readonly region: string | null;
  readonly requestId: string | null;
  /** The header whose condition does not hold, as `If-None-Match`; AWS names it, others do not. */
  readonly condition: string | null;
  /** Size of the object, in the answer to a range outside of it; -1 where absent. */
  readonly actualObjectSize: number;
}

const NOTHING: ServiceError = {
  code: null,
  message: null,
  region: null,
  requestId: null,
  condition: null,
  actualObjectSize: -1,
};
export function readErrorBody(body: Uint8Array | null): ServiceError {
  const text = errorText(body);
  if (text === null) return NOTHING;
  const size = errorField(text, 'ActualObjectSize');
  return {
    code: codeWord(errorField(text, 'Code')),
    message: errorField(text, 'Message'),
    region: regionName(errorField(text, 'Region')),
    requestId: errorField(text, 'RequestId'),
    condition: errorField(text, 'Condition'),
    actualObjectSize: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : -1,
  };
}

/** The text as a region's name, or null when it cannot be one. */
export function regionName(text: string | null | undefined): string | null {
  return typeof text === 'string' && /^[a-z0-9-]{1,32}$/.test(text) ? text : null;
}
