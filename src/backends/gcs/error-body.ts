/**
 * What an answer that is no success says, in whichever of the three forms: a JSON document, one line of text (downloads), an
 * XML document.
 *
 * Invariants:
 * 1. Tolerant: whatever the bytes are, the result is a value, and the status decides alone.
 * 2. Bounded: at most `MAX_SCAN_BYTES` are looked at and a message is cut to `MAX_MESSAGE_CHARS`.
 * 3. Only code and message are taken: the document of a refused signature repeats the request.
 *
 * Sources: "HTTP status and error codes for JSON" and "... for XML" in the Cloud Storage reference.
 */
import type { Exchange } from '../../protocol/http.js';
import { codeWord, errorField, errorText } from '../http/error-fields.js';
import { readJson } from './json-listing.js';

export interface ServiceError {
  /** Reason (JSON) or code (XML), or null. */
  readonly code: string | null;
  readonly message: string | null;
}

const MAX_SCAN_BYTES = 16 * 1024;
const MAX_MESSAGE_CHARS = 256;
const NOTHING: ServiceError = { code: null, message: null };

export function readError({ body }: Pick<Exchange, 'body'>): ServiceError {
  if (body === null || body.length === 0) return NOTHING;
  const xml = errorText(body);
  if (xml !== null) {
    return {
      code: codeWord(errorField(xml, 'Code')),
      message: errorField(xml, 'Details') ?? errorField(xml, 'Message'),
    };
  }
  const bounded = body.subarray(0, MAX_SCAN_BYTES);
  const error = readJson(bounded)?.error;
  if (typeof error === 'object' && error !== null) {
    const { errors, message } = error as { errors?: unknown; message?: unknown };
    const first = (Array.isArray(errors) ? errors[0] : undefined) as { reason?: unknown } | undefined;
    const reason = typeof first?.reason === 'string' ? first.reason : null;
    return { code: codeWord(reason), message: typeof message === 'string' ? line(message) : null };
  }
  const text = Buffer.from(bounded.buffer, bounded.byteOffset, bounded.length).toString('utf8');
  return /^\s*[<{]/.test(text) ? NOTHING : { code: null, message: line(text) };
}

function line(text: string): string {
  return text
    .slice(0, MAX_MESSAGE_CHARS)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}
