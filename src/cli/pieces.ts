/**
 * Objects of any size as pieces, in order: what `cat` writes out and `get` puts into files.
 *
 * Invariants:
 * 1. A piece is no longer than an eighth of the memory budget, so an object may be larger than the budget.
 * 2. All pieces of an object are pinned to one version: an object that changes ends in VersionChanged.
 * 3. Pieces come in the order of the objects and of their bytes, each byte once; of a source that turns out to be
 *    unwanted, the first of them and no more.
 */
import { type CancellationToken, ObjectDataset, type Runtime } from '../index.js';
import { addTotals, noTotals, type RecordTotals } from './records.js';
import { StopState } from '../protocol/stop.js';

/** An object, or a stretch of it, that is wanted whole. */
export interface Source {
  readonly uri: string;
  readonly key: string;
  /** Of the whole object. */
  readonly size: number;
  readonly version: string | null;
  /** First byte wanted, and how many from there. */
  readonly start: number;
  readonly length: number;
}

/** One stretch of a source that is fetched as one item. */
export interface PieceSpan<S extends Source = Source> {
  readonly source: S;
  /** In the object. */
  readonly start: number;
  readonly length: number;
  readonly last: boolean;
}

export interface Piece<S extends Source = Source> extends PieceSpan<S> {
  /** Valid until the next group of pieces is asked for. */
  readonly bytes: Uint8Array;
}

const MIB = 2 ** 20;
const MAX_PIECE_BYTES = 8 * MIB;
const MIN_PIECE_BYTES = 4096;
/** Shares of the budget: enough pieces are under way while one is written out. */
const PIECES_PER_BUDGET = 8;

/** How long a piece may be under this budget. */
export function pieceBytes(budgetBytes: number): number {
  const share = Math.floor(budgetBytes / PIECES_PER_BUDGET / MIN_PIECE_BYTES) * MIN_PIECE_BYTES;
  return Math.max(MIN_PIECE_BYTES, Math.min(MAX_PIECE_BYTES, share));
}

/** Cuts one source; an empty one is one empty piece. */
export function* cut<S extends Source>(source: S, maxBytes: number): Generator<PieceSpan<S>> {
  const end = source.start + source.length;
  let start = source.start;
  do {
    const length = Math.min(maxBytes, end - start);
    yield { source, start, length, last: start + length >= end };
    start += length;
  } while (start < end);
}

export interface PieceOptions {
  readonly budgetBytes: number;
  /** Pieces that are handed over together. */
  readonly groupSize: number;
  readonly token: CancellationToken;
  /** Asked before each piece: what is left of a source that is not wanted any more is not fetched. */
  readonly isUnwanted?: (source: Source) => boolean;
}

export interface Pieces<S extends Source> extends AsyncIterable<readonly Piece<S>[]> {
  readonly totals: RecordTotals;
  /** Whether all sources were seen to their end; false after a drain. */
  readonly complete: boolean;
}

/** Fetches all sources; ends early, without an error, when the token drains. */
export function fetchPieces<S extends Source>(
  runtime: Runtime,
  sources: AsyncIterable<S> | Iterable<S>,
  { budgetBytes, groupSize, token, isUnwanted }: PieceOptions,
): Pieces<S> {
  const maxBytes = pieceBytes(budgetBytes);
  // What the plan has taken and no batch has brought yet, in order: as long as the loader's window, and no longer.
  const expected: PieceSpan<S>[] = [];
  let totals = noTotals();
  let complete = false;
  async function* plan() {
    for await (const source of sources) {
      for (const span of cut(source, maxBytes)) {
        if (isUnwanted?.(source) === true) break;
        expected.push(span);
        yield entryOf(span);
      }
    }
  }
  async function* groups(): AsyncGenerator<readonly Piece<S>[]> {
    // Not split again: a piece already is what one request should fetch.
    const options = { batchSize: groupSize, order: 'sequence', ranges: false, token } as const;
    const loader = runtime.loader(ObjectDataset.fromUris(plan()), options);
    try {
      for await (const batch of loader) {
        const spans = expected.splice(0, batch.length);
        const group: Piece<S>[] = [];
        for (const item of batch) group.push({ ...spans[group.length]!, bytes: item.bytes });
        yield group;
      }
      complete = token.state === StopState.Live && expected.length === 0;
    } finally {
      if (loader.report !== null) totals = addTotals(totals, loader.report);
    }
  }
  return {
    [Symbol.asyncIterator]: groups,
    get totals() {
      return totals;
    },
    get complete() {
      return complete;
    },
  };
}

function entryOf({ source, start, length }: PieceSpan) {
  const { uri, size, version } = source;
  const known = version === null ? { uri, size } : { uri, size, version };
  return start === 0 && length === size ? known : { ...known, range: { start, length } };
}
