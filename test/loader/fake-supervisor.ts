/**
 * A supervisor without workers: fills a real arena with bytes that tell their object and offset, one batch per
 * `next()`, and writes down what it was asked for.
 */
import { Assembler } from '../../dist/actors/supervisor/assembler.js';
import { CursorTrack } from '../../dist/actors/supervisor/cursor.js';
import type {
  BatchRecord,
  Cursor,
  ItemRecord,
  PlanEntry,
  PlanSource,
  StoreDirectory,
  StreamHandle,
  StreamListRequest,
  StreamOptions,
  SupervisorHandle,
  TerminalRecord,
} from '../../dist/actors/supervisor/types.js';
import { Arena } from '../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { StopState } from '../../dist/protocol/stop.js';
import { createKeyPageBuilder } from '../../dist/protocol/key-page.js';
import type { KeyPage } from '../../dist/protocol/store.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';

export const OBJECT_BYTES = 1000;

export interface FakeOptions {
  /** Keys of the one bucket, for listings. */
  readonly keys?: readonly string[];
  readonly pageKeys?: number;
  readonly budgetBytes?: number;
  /** What an object is; the pattern of its key, unless told. */
  readonly payload?: (entry: PlanEntry, key: string) => ItemRecord['payload'] | null;
  /** Keys that cannot be read. */
  readonly broken?: ReadonlySet<string>;
}

export interface FakeStream extends StreamHandle {
  readonly options: StreamOptions;
  readonly acknowledged: BatchRecord[];
  readonly reasons: string[];
  readonly lists: StreamListRequest[];
  readonly open: boolean;
  readonly given: CancellationToken | null;
}

export interface FakeSupervisor extends SupervisorHandle {
  readonly streams: FakeStream[];
  /** Stores that were opened, in order. */
  readonly opened: string[];
}

export const uriOf = (key: string): string => `fake://bucket/${key}`;

export function bytesOf(key: string): Uint8Array {
  return patternBytes(objectIdOf(key), OBJECT_BYTES);
}

export function createFakeSupervisor(options: FakeOptions = {}): FakeSupervisor {
  const arena = new Arena(options.budgetBytes ?? 4 * 1024 * 1024);
  const opened: string[] = [];
  const stores = createStores(opened);
  const streams: FakeStream[] = [];
  return {
    arena,
    stores,
    workers: 2,
    streams,
    opened,
    token: new CancellationToken(),
    openCleanup: () => {
      throw new Error('the fake supervisor writes nothing');
    },
    openStream: (streamOptions, source, token) => {
      const stream = createStream({ arena, stores, options, streamOptions, source, token });
      streams.push(stream);
      return stream;
    },
  };
}

function createStores(opened: string[]): StoreDirectory {
  const idOf = (store: string): number | undefined => {
    const at = opened.indexOf(store);
    return at < 0 ? undefined : at;
  };
  return {
    locate: (uri) => {
      const match = /^(fake:\/\/[a-z0-9]+)\/(.*)$/.exec(uri);
      if (match === null) {
        throw new MillraceError(ErrorCode.InvalidArgument, `"${uri}" is not a fake URI`);
      }
      return { store: match[1]!, key: Buffer.from(match[2]!) };
    },
    idOf,
    open: async (store) => {
      await Promise.resolve();
      if (store === 'fake://closed') throw new MillraceError(ErrorCode.AccessDenied, 'closed to all');
      if (!opened.includes(store)) opened.push(store);
      return idOf(store)!;
    },
    uri: (id, key) => `${opened[id]}/${Buffer.from(key).toString()}`,
    writes: () => null,
    defaults: () => ({
      splitThreshold: Infinity,
      partBytes: 1,
      maxPartsPerObject: 1,
    }),
    schemeOf: () => ({
      name: 'fake',
      defaults: { splitThreshold: Infinity, partBytes: 1, maxPartsPerObject: 1 },
    }),
    spec: () => {
      throw new Error('the loader has no use for it');
    },
  };
}

interface World {
  readonly arena: Arena;
  readonly stores: StoreDirectory;
  readonly options: FakeOptions;
  readonly streamOptions: StreamOptions;
  readonly source: PlanSource;
  readonly token: CancellationToken | null;
}

function createStream(world: World): FakeStream {
  const { arena, options, streamOptions, source } = world;
  const token = world.token?.child() ?? new CancellationToken();
  const assembler = new Assembler(streamOptions);
  const ready: BatchRecord[] = [];
  const acknowledged: BatchRecord[] = [];
  const cursor = new CursorTrack();
  const reasons: string[] = [];
  const lists: StreamListRequest[] = [];
  let sequence = 0;
  let delivered = 0;
  let ended = false;
  let settle: (record: TerminalRecord) => void;
  const over = new Promise<TerminalRecord>((resolve) => {
    settle = resolve;
  });
  const itemOf = (entry: PlanEntry): ItemRecord => {
    const key = Buffer.from(entry.key).toString();
    if (options.broken?.has(key) === true) {
      throw new MillraceError(ErrorCode.NotFound, 'not there', { uri: uriOf(key) });
    }
    const item = {
      entry,
      sequence,
      index: 0,
      last: true,
      version: entry.version,
      size: OBJECT_BYTES,
      verified: null,
    };
    sequence += 1;
    return { ...item, payload: options.payload?.(entry, key) ?? lease(arena, entry, key) };
  };
  const fill = async (): Promise<void> => {
    while (!ended && ready.length === 0) {
      const entries = await source.next(streamOptions.windowObjects);
      if (token.state !== StopState.Live) return;
      if (entries === null) {
        ended = true;
        const last = assembler.flush();
        if (last !== null && !(streamOptions.dropLast && last.items.length < streamOptions.batchSize))
          ready.push(last);
      }
      for (const entry of entries ?? []) ready.push(...assembler.push(itemOf(entry)));
    }
  };
  return {
    token,
    options: streamOptions,
    given: world.token,
    acknowledged,
    reasons,
    lists,
    get open() {
      return reasons.length === 0;
    },
    next: async () => {
      const stopped = (): boolean => {
        if (reasons.length > 0 || token.draining) return true;
        token.throwIfCancelled();
        return false;
      };
      if (stopped()) return null;
      await fill();
      if (stopped()) return null;
      const batch = ready.shift() ?? null;
      delivered += batch?.items.length ?? 0;
      return batch;
    },
    release: (batch) => releaseAll(arena, batch),
    acknowledge: (batch) => {
      acknowledged.push(batch);
      for (const item of batch.items) cursor.acknowledge(item);
    },
    get cursor() {
      return cursor.value;
    },
    finish: (reason) => {
      reasons.push(reason);
      const pending = assembler.flush();
      if (pending !== null) ready.push(pending);
      for (const batch of ready.splice(0)) releaseAll(arena, batch);
      token.cancel(reason);
      settle(recordOf(reasons[0]!, sequence, delivered, ended, cursor.value));
      return over;
    },
    ended: over,
    list: async (request) => {
      lists.push(request);
      await Promise.resolve();
      token.throwIfCancelled();
      return listPage(options, request);
    },
    write: () => Promise.reject(new Error('the fake supervisor writes nothing')),
    head: async (_store, key) => {
      await Promise.resolve();
      const text = Buffer.from(key).toString();
      if (options.broken?.has(text) === true) throw new MillraceError(ErrorCode.NotFound, 'not there');
      return { size: OBJECT_BYTES, version: `v-${text}`, lastModifiedMs: 5, contentType: null };
    },
  };
}

function releaseAll(arena: Arena, batch: BatchRecord): void {
  for (const { payload } of batch.items) if (payload.kind === 'lease') arena.release(payload.extent);
}

function lease(arena: Arena, entry: PlanEntry, key: string): ItemRecord['payload'] {
  const bytes = bytesOf(key);
  const end = entry.length < 0 ? bytes.length : entry.start + entry.length;
  const wanted = bytes.subarray(entry.start, end);
  const extent = arena.allocate(wanted.length);
  if (extent === null) throw new MillraceError(ErrorCode.BudgetTooSmall, 'the fake has no memory left');
  new Uint8Array(arena.buffer, extent.offset, wanted.length).set(wanted);
  return { kind: 'lease', extent, offset: extent.offset, length: wanted.length };
}

function recordOf(
  reason: string,
  planned: number,
  delivered: number,
  ended: boolean,
  cursor: Cursor,
): TerminalRecord {
  return {
    reason,
    planned,
    delivered,
    filtered: 0,
    failed: 0,
    verified: {},
    dropped: planned - delivered,
    left: 0,
    listed: ended ? 'complete' : 'partial',
    items: delivered,
    bytes: 0,
    retries: 0,
    hedged: 0,
    hedgesWon: 0,
    throttled: 0,
    elapsedMs: 0,
    cursor,
    failures: [],
    stuckWorkers: [],
  };
}

function listPage(options: FakeOptions, request: StreamListRequest): KeyPage {
  const { delimiter, continuation } = request;
  const prefix = Buffer.from(request.prefix).toString();
  const builder = createKeyPageBuilder();
  const prefixes = new Set<string>();
  const below = (options.keys ?? []).filter((key) => key.startsWith(prefix));
  const start = Number(continuation ?? 0);
  const end = start + Math.min(options.pageKeys ?? 1000, request.limit);
  for (const key of below.slice(start, end)) {
    const cut = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut >= 0) prefixes.add(key.slice(0, cut + 1));
    else builder.add(Buffer.from(key), OBJECT_BYTES, `v-${key}`, null);
  }
  return builder.finish([...prefixes], end < below.length ? String(end) : null);
}
