/**
 * A directory tree as a flat listing, page by page, in the order and with the words of S3's ListObjectsV2.
 *
 * Invariants:
 * 1. Keys come in the order of their bytes, whatever order the filesystem keeps. The same tree gives the same pages.
 * 2. A page's `next` is the last key (or rolled-up prefix) in base64url, and nothing else is needed to go on: any
 *    worker can, also after a restart. The open walk that is kept between pages saves reading the directories again,
 *    and is dropped without harm.
 * 3. A regular file is listed, also through a symbolic link, with the size of its target. Links to directories are
 *    not followed, so there are no circles and nothing is listed twice; FIFOs, sockets, devices, broken links and
 *    links that leave the root are no objects. A directory that cannot be read fails the listing: to leave it out in
 *    silence would lose items. Names that writes are prepared under are not listed.
 * 4. What comes or goes during a listing may be in it or not; everything that stays is in it exactly once.
 */
import { lstatSync, type Stats, statSync } from 'node:fs';
import { ErrorCode, MillraceError, systemCode } from '../../protocol/errors.js';
import { createKeyPageBuilder, type KeyPageBuilder, prefixText } from '../../protocol/key-page.js';
import { type StopSignal, StopState } from '../../protocol/stop.js';
import { CANCELLED, type Answer, type KeyPage, type ListRequest, Outcome } from '../../protocol/store.js';
import { rankOf, sortedEntries, type Walking } from './directory.js';
import { failureOf } from './failures.js';
import type { Pace } from './pace.js';
import { isReserved } from './reserved.js';
import { checkKey, factsOf, latin1Buffer, type Root } from './root.js';
import type { SavedWalks } from './saved-walks.js';

/** A page holds no more, whatever is asked for: 10,000 keys of 100 bytes are about a megabyte and 30 ms of stat. */
const MAX_PAGE_KEYS = 10_000;

/** One directory on the path to where the walk is. */
export interface Frame {
  /** The key prefix, empty or with a trailing slash. */
  readonly directory: string;
  readonly names: readonly string[];
  /** The next name to look at. */
  at: number;
}

interface Listing extends Walking {
  readonly prefix: string;
  readonly delimited: boolean;
  readonly limit: number;
}

class CancelledWalk extends Error {}

export async function listFiles(
  root: Root,
  pace: Pace,
  saved: SavedWalks,
  request: ListRequest,
  stop: StopSignal,
): Promise<Answer<KeyPage>> {
  const prefix = Buffer.from(request.prefix).toString('latin1');
  const throwIfCancelled = (): void => {
    if (stop.state === StopState.Cancelled) throw new CancelledWalk();
  };
  const turn = async (): Promise<void> => {
    await pace.turn();
    throwIfCancelled();
  };
  try {
    throwIfCancelled();
    const listing = { root, pace, turn, prefix, ...checkRequest(request, prefix) };
    if (pace.due()) await turn();
    const resumed =
      request.continuation === null ? null : saved.take(prefix, listing.delimited, request.continuation);
    const stack = resumed ?? (await openWalk(listing, request.continuation));
    const page = await fillPage(listing, stack);
    if (page.next !== null) saved.keep(prefix, listing.delimited, page.next, stack);
    return { outcome: Outcome.Complete, value: page, error: null, retryAfterMs: 0 };
  } catch (thrown) {
    if (thrown instanceof CancelledWalk) {
      return CANCELLED;
    }
    const { outcome, error } = failureOf(thrown, 'list', { phase: 'list', uri: root.uriOf(prefix) });
    return { outcome, value: null, error, retryAfterMs: 0 };
  }
}

/** The walk at its beginning, or behind the key that the continuation names. */
async function openWalk(listing: Listing, continuation: string | null): Promise<Frame[]> {
  const base = listing.prefix.slice(0, listing.prefix.lastIndexOf('/') + 1);
  const last = continuation === null ? null : lastKeyOf(continuation, listing.prefix);
  const stack = [await openFrame(listing, base, listing.prefix.slice(base.length))];
  for (let frame = stack[0]; frame !== undefined && last !== null; frame = stack[stack.length - 1]) {
    const rest = last.slice(frame.directory.length);
    const slash = rest.indexOf('/');
    const name = slash === -1 ? rest : rest.slice(0, slash + 1);
    frame.at = rankOf(frame.names, name, true);
    // Inside of a directory that is gone, or that was rolled up, there is nothing to go on from.
    const isThere = slash !== -1 && frame.at > 0 && frame.names[frame.at - 1] === name;
    if (listing.delimited || !isThere) break;
    const inner = await openInner(listing, frame.directory + name);
    if (inner === null) break;
    stack.push(inner);
  }
  return stack;
}

async function fillPage(listing: Listing, stack: Frame[]): Promise<KeyPage> {
  const page = createKeyPageBuilder();
  const prefixes: string[] = [];
  let last = '';
  for (let frame = settle(stack); frame !== undefined; frame = settle(stack)) {
    if (page.count + prefixes.length === listing.limit) {
      return page.finish(prefixes, latin1Buffer(last).toString('base64url'));
    }
    const key = frame.directory + (frame.names[frame.at] as string);
    if (!key.endsWith('/')) {
      if (addFile(listing, page, key)) last = key;
    } else if (listing.delimited) {
      prefixes.push(prefixText(latin1Buffer(key)));
      last = key;
    } else {
      const inner = await openInner(listing, key);
      if (inner !== null) stack.push(inner);
    }
    frame.at += 1;
    if (listing.pace.due()) await listing.turn();
  }
  return page.finish(prefixes, null);
}

/** Takes directories that are done off the stack; the innermost that is not, or undefined at the end. */
function settle(stack: Frame[]): Frame | undefined {
  let top = stack[stack.length - 1];
  while (top !== undefined && top.at >= top.names.length) {
    stack.pop();
    top = stack[stack.length - 1];
  }
  return top;
}

async function openFrame(listing: Listing, directory: string, begin: string): Promise<Frame> {
  const path = latin1Buffer(listing.root.path + directory);
  const wanted = (name: string): boolean => name.startsWith(begin) && !isReserved(name);
  const names = await sortedEntries(listing, path, wanted);
  return { directory, names, at: 0 };
}

/** A directory below the first; null when it has gone, or has become something else, since its name was read. */
async function openInner(listing: Listing, directory: string): Promise<Frame | null> {
  try {
    return await openFrame(listing, directory, '');
  } catch (error) {
    const errno = systemCode(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null;
    if (errno === undefined) throw error;
    throw failureOf(error, 'list', { phase: 'list', uri: listing.root.uriOf(directory) }).error;
  }
}

/** Adds the file, unless it is no object (see the third invariant) or has gone. */
function addFile(listing: Listing, page: KeyPageBuilder, key: string): boolean {
  const path = latin1Buffer(listing.root.path + key);
  let stats: Stats | undefined;
  try {
    stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink() === true) {
      stats = statSync(path, { throwIfNoEntry: false });
      if (stats !== undefined && !listing.root.holds(path)) return false;
    }
  } catch (error) {
    const errno = systemCode(error);
    // A link in a circle is a broken link; a path through what is no directory any more has gone.
    if (errno === 'ELOOP' || errno === 'ENOTDIR' || errno === 'ENOENT') return false;
    throw failureOf(error, 'look at', { phase: 'list', uri: listing.root.uriOf(key) }).error;
  }
  if (stats?.isFile() !== true) return false;
  const facts = factsOf(stats);
  page.add(latin1Buffer(key), facts.size, facts.version, facts.modifiedMs);
  return true;
}

function lastKeyOf(continuation: string, prefix: string): string {
  const bytes = Buffer.from(continuation, 'base64url');
  const last = bytes.toString('latin1');
  if (last.startsWith(prefix) && last !== '' && bytes.toString('base64url') === continuation) return last;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not the continuation of this listing: ${JSON.stringify(continuation)}; expected the "next" of a page with the ` +
      'same prefix',
  );
}

function checkRequest(request: ListRequest, prefix: string): { delimited: boolean; limit: number } {
  const { delimiter, limit } = request;
  if (delimiter !== null && delimiter !== '/') {
    throw new MillraceError(
      ErrorCode.Unsupported,
      `delimiter ${JSON.stringify(delimiter)}: directories have only "/" between them; give "/" or null`,
    );
  }
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `limit: expected a whole number from 1 on; given ${limit}`,
    );
  }
  const slash = prefix.lastIndexOf('/');
  // The rest, behind the last slash, is the beginning of a name and may be anything.
  if (slash !== -1 || prefix.includes('\0')) checkKey(prefix.slice(0, Math.max(slash, 0)));
  return { delimited: delimiter === '/', limit: Math.min(limit, MAX_PAGE_KEYS) };
}
