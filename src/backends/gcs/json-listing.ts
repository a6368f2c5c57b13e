/**
 * A listing of the JSON API: its query, and its answer as a packed page.
 *
 * Invariants:
 * 1. A page is whole or refused: JSON that is cut, or an item without a name or a size, is a `ProtocolViolation`, never a
 *    page with fewer keys.
 * 2. A generation stays the text that it came as: it does not fit into a number.
 * 3. A name is the one that the service sent, or refused: none has U+FFFD for what is not UTF-8.
 *
 * Source of the format: "Objects: list" in the JSON API reference.
 */
import { isUtf8 } from 'node:buffer';
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { createKeyPageBuilder } from '../../protocol/key-page.js';
import type { KeyPage, ListRequest } from '../../protocol/store.js';
import { encodeQuery, encodeQueryBytes } from '../http/encoding.js';

/** The service recommends no more, and gives no more. */
const MAX_RESULTS = 1000;
/** All that a page needs: of the thirty fields of an object, four. */
const FIELDS = encodeQuery('items(name,size,generation,updated),prefixes,nextPageToken');

export function listQuery({ continuation, delimiter, limit, prefix }: ListRequest): string {
  const maxResults = Math.max(1, Math.min(MAX_RESULTS, Math.floor(limit)));
  let query = `fields=${FIELDS}&maxResults=${maxResults}`;
  if (prefix.length > 0) query += `&prefix=${encodeQueryBytes(prefix)}`;
  if (delimiter !== null) query += `&delimiter=${encodeQuery(delimiter)}`;
  return continuation === null ? query : `${query}&pageToken=${encodeQuery(continuation)}`;
}

/** What is read of a page; nothing of it is believed before it is looked at. */
interface RawPage {
  readonly items?: unknown;
  readonly prefixes?: unknown;
  readonly nextPageToken?: unknown;
}

/** Parses a page. Throws `ProtocolViolation` with `context`. */
export function parsePage(body: Uint8Array, context: ErrorContext): KeyPage {
  const violation = (what: string): MillraceError =>
    new MillraceError(ErrorCode.ProtocolViolation, `The listing page is not one of the JSON API: ${what}`, {
      phase: 'list',
      retryable: true,
      ...context,
    });
  const raw = isUtf8(body) ? readJson(body) : null;
  if (raw === null) throw violation('it is no JSON object in UTF-8');
  const { items = [], prefixes = [], nextPageToken = null } = raw as RawPage;
  if (!Array.isArray(items)) throw violation('its items are no array');
  if (!Array.isArray(prefixes) || !prefixes.every(isName)) {
    throw violation('its prefixes are no texts');
  }
  if (nextPageToken !== null && typeof nextPageToken !== 'string') throw violation('its token is no text');
  const page = createKeyPageBuilder();
  for (const item of items as Partial<Record<string, unknown>>[]) {
    const size = typeof item?.size === 'string' && /^\d{1,16}$/.test(item.size) ? Number(item.size) : -1;
    if (!isName(item?.name) || size < 0 || !Number.isSafeInteger(size))
      throw violation('an item has no name or no size');
    const updated = typeof item.updated === 'string' ? Date.parse(item.updated) : Number.NaN;
    const generation = typeof item.generation === 'string' ? item.generation : null;
    page.add(Buffer.from(item.name, 'utf8'), size, generation, updated);
  }
  return page.finish(prefixes, nextPageToken === '' ? null : nextPageToken);
}

/** JSON may hold half a surrogate pair, which has no bytes of its own. */
function isName(given: unknown): given is string {
  return typeof given === 'string' && given.isWellFormed();
}

/** A JSON object, or null. */
export function readJson(body: Uint8Array | null): Partial<Record<string, unknown>> | null {
  if (body === null) return null;
  try {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
