/**
 * Two listings side by side: each object of the source, with the object of the target that its copy would replace.
 *
 * Invariants:
 * 1. Constant memory: two pages of each listing, whatever their lengths.
 * 2. Both listings are in ascending order of their keys' bytes, as S3, Azure and Google Cloud Storage list; one that goes
 *    backwards ends the walk with an error, because a pair could be missed.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { KeyPage } from '../../protocol/store.js';
import { keyOf, versionOf, type PageWalk } from '../listing.js';

/** One row of a listing. */
export interface ListedObject {
  /** A view of its page. */
  readonly key: Uint8Array;
  readonly size: number;
  readonly version: string | null;
  /** Milliseconds since the epoch, or NaN. */
  readonly modifiedMs: number;
}

/** Rows of a walk, one by one. */
export class Rows {
  readonly #walk: PageWalk;
  #page: KeyPage | null = null;
  #row = 0;

  constructor(walk: PageWalk) {
    this.#walk = walk;
  }

  async next(): Promise<ListedObject | null> {
    while (this.#page === null || this.#row >= this.#page.count) {
      this.#page = await this.#walk.next();
      this.#row = 0;
      if (this.#page === null) return null;
    }
    const page = this.#page;
    const row = this.#row++;
    return {
      key: keyOf(page, row),
      size: page.sizes[row]!,
      version: versionOf(page, row),
      modifiedMs: page.modified[row]!,
    };
  }
}

/** The rows of a walk, and none where there is nothing to walk: a directory that the first copy makes. */
export function orEmpty(rows: Rows): Pick<Rows, 'next'> {
  return {
    next: () =>
      rows.next().catch((thrown: unknown) => {
        if (thrown instanceof MillraceError && thrown.code === ErrorCode.NotFound) return null;
        throw thrown;
      }),
  };
}

/** Finds the rows of a target listing for keys that come in ascending order. */
export class Matcher {
  readonly #rows: Pick<Rows, 'next'>;
  #current: ListedObject | null = null;
  #started = false;
  #lastAsked: Uint8Array | null = null;

  constructor(rows: Pick<Rows, 'next'>) {
    this.#rows = rows;
  }

  /** The row with exactly this key, or null. */
  async find(key: Uint8Array): Promise<ListedObject | null> {
    if (this.#lastAsked !== null && Buffer.compare(key, this.#lastAsked) < 0) throw unordered(key);
    this.#lastAsked = key;
    if (!this.#started) await this.#advance();
    while (this.#current !== null && Buffer.compare(this.#current.key, key) < 0) await this.#advance();
    return this.#current !== null && Buffer.compare(this.#current.key, key) === 0 ? this.#current : null;
  }

  async #advance(): Promise<void> {
    this.#started = true;
    const before = this.#current;
    this.#current = await this.#rows.next();
    if (before !== null && this.#current !== null && Buffer.compare(this.#current.key, before.key) < 0)
      throw unordered(this.#current.key);
  }
}

function unordered(key: Uint8Array): MillraceError {
  return new MillraceError(
    ErrorCode.Unsupported,
    `a listing is not in the order of its keys (at ${Buffer.from(key).toString('utf8')}), so what is equal cannot be found: leave out the option that skips it`,
    { phase: 'list' },
  );
}

/** Whether a copy would change nothing, as far as listings tell: same size, and the same version or a later time. */
export function isEqual(source: ListedObject, target: ListedObject, sameService: boolean): boolean {
  if (source.size < 0 || source.size !== target.size) return false;
  if (sameService && source.version !== null && source.version === target.version) return true;
  return target.modifiedMs >= source.modifiedMs;
}
