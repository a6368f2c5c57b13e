/**
 * Walks a listing page by page.
 *
 * Invariants:
 * 1. At most two pages are held: the one in hand, and the next, asked for as soon as the first is handed out, so that
 *    the service answers while the page in hand is gone through.
 * 2. A failure of the page asked for ahead is thrown where that page is wanted, and nowhere else.
 * 3. A service that sends the walk in a circle is found out, in constant memory, before it has seen each page four times.
 * 4. A page that begins with a key that the page before has already is an error: its objects would come twice.
 */
import type { StreamListRequest } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { KeyPage } from '../protocol/store.js';

/** The most that S3 puts on one page; other stores take it as well. */
const PAGE_KEYS = 1000;

export interface Pages<P> {
  /** The next page, or null behind the last. */
  next(): Promise<P | null>;
}

export type PageWalk = Pages<KeyPage>;

export function createPageWalk(
  list: (request: StreamListRequest) => Promise<KeyPage>,
  target: Pick<StreamListRequest, 'store' | 'prefix' | 'delimiter'>,
): PageWalk {
  const pages = createPages((continuation) => list({ ...target, continuation, limit: PAGE_KEYS }));
  let before: KeyPage | null = null;
  return {
    next: async () => {
      const page = await pages.next();
      if (before !== null && page !== null && repeats(before, page)) throw repeated(page);
      // Whoever goes through the pages holds this one as well.
      before = page;
      return page;
    },
  };
}

/** Whether a page begins within the page before; that page may be in any order, which not every store has. */
function repeats(before: KeyPage, page: KeyPage): boolean {
  if (page.count === 0) return false;
  const first = page.keys.subarray(0, page.keyEnds[0]);
  let start = 0;
  for (let row = 0; row < before.count; row += 1) {
    const end = before.keyEnds[row]!;
    if (end - start === first.length && isAt(before.keys, start, first)) return true;
    start = end;
  }
  return false;
}

function isAt(bytes: Uint8Array, start: number, wanted: Uint8Array): boolean {
  // Keys of one listing differ at their ends.
  for (let i = wanted.length - 1; i >= 0; i -= 1) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}

function repeated(page: KeyPage): MillraceError {
  return new MillraceError(
    ErrorCode.ProtocolViolation,
    `the listing repeats itself: a page begins with the key ${JSON.stringify(utf8(keyOf(page, 0)))}, which is on the ` +
      `page before already; list it again, and if that does not help, ask whoever runs the service`,
    { phase: 'list' },
  );
}

/** Pages of any kind; `request` asks for the one that begins where the page before said, null for the first. */
export function createPages<P extends { readonly next: string | null }>(
  request: (continuation: string | null) => Promise<P>,
): Pages<P> {
  let ahead: Promise<P> | null = null;
  let ended = false;
  const circle = createCircleWatch();
  const ask = (continuation: string | null): Promise<P> => {
    const page = request(continuation);
    // Looked at when it is wanted; until then nobody else may call it unhandled.
    page.catch(() => {});
    return page;
  };
  return {
    next: async () => {
      if (ended) return null;
      const asked = ahead ?? ask(null);
      ahead = null;
      const page = await asked;
      if (page.next === null) ended = true;
      else if (circle.closes(page.next)) {
        ended = true;
        throw circular();
      } else ahead = ask(page.next);
      return page;
    },
  };
}

/** Brent's cycle detection: one continuation is remembered, and replaced after 1, 2, 4, 8... pages. */
function createCircleWatch(): { closes(next: string): boolean } {
  let remembered: string | null = null;
  let pages = 0;
  let limit = 1;
  return {
    closes(next) {
      if (next === remembered) return true;
      pages += 1;
      if (pages === limit) {
        remembered = next;
        limit *= 2;
        pages = 0;
      }
      return false;
    },
  };
}

function circular(): MillraceError {
  return new MillraceError(
    ErrorCode.ProtocolViolation,
    'the listing goes in a circle: a page says that it is continued where the listing has been already',
    { phase: 'list' },
  );
}

/** The key of a row: a view, which keeps the keys of its page in memory. */
export function keyOf(page: KeyPage, row: number): Uint8Array {
  checkRow(page, row);
  return page.keys.subarray(row === 0 ? 0 : page.keyEnds[row - 1]!, page.keyEnds[row]);
}

/** ETag or generation of a row, or null where the listing did not say. */
export function versionOf(page: KeyPage, row: number): string | null {
  checkRow(page, row);
  const start = row === 0 ? 0 : page.versionEnds[row - 1]!;
  const end = page.versionEnds[row]!;
  return start === end ? null : utf8(page.versions.subarray(start, end));
}

/** Bytes as text; what is not UTF-8 shows as U+FFFD. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function checkRow(page: KeyPage, row: number): void {
  if (row >= 0 && row < page.count) return;
  throw new MillraceError(ErrorCode.Internal, `row ${row} of a page of ${page.count}`, { phase: 'list' });
}
