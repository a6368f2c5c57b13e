/** A dispatcher over workers without threads, and what they are sent. */
import { Asks } from '../../../dist/actors/supervisor/asks.js';
import { type CrewLimits, unload } from '../../../dist/actors/supervisor/load.js';
import { Dispatcher } from '../../../dist/actors/supervisor/dispatch.js';
import { Fills } from '../../../dist/actors/supervisor/fills.js';
import { Gate } from '../../../dist/actors/supervisor/gate.js';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { IntMap } from '../../../dist/actors/supervisor/int-map.js';
import { type FetchJobRecord, unlinkJob } from '../../../dist/actors/supervisor/jobs.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import {
  type PlanEntry,
  type RangePlan,
  type StoreDirectory,
  type StreamOptions,
} from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import type { FetchMessage, JobMessage, StoreSpec } from '../../../dist/protocol/messages.js';
import { Job, JOB_STRIDE } from '../../../dist/protocol/tables.js';
import { createCrew, createStream, MIB, WHOLE } from './kit.js';

export const specOf = (id: number): StoreSpec => ({
  id,
  name: `fake://store-${id}`,
  dataModule: 'file:///none.js',
  kind: 'direct',
  snapshot: { version: 1, expiresAtMs: null, config: null },
});

export interface Kit {
  readonly stream: Stream;
  readonly dispatcher: Dispatcher;
  readonly asks: Asks;
  readonly jobs: IntMap<FetchJobRecord>;
  readonly crew: ReturnType<typeof createCrew>;
  /** Sends all that may go now; returns how many messages that were. */
  readonly sendAll: () => number;
}

interface KitMore {
  readonly limits?: Partial<CrewLimits>;
  /** Stores whose origins are. */
  readonly closed?: ReadonlySet<number>;
  readonly gate?: Pick<Gate, 'limits' | 'admits' | 'admitsQuestion' | 'began'> | null;
}

export async function createKit(
  workers: number,
  entries: readonly PlanEntry[],
  ranges: RangePlan = WHOLE,
  options: Partial<StreamOptions> = {},
  { limits = {}, closed = new Set(), gate: own = null }: KitMore = {},
): Promise<Kit> {
  const arena = new Arena(256 * MIB);
  const crew = createCrew(workers, limits, closed);
  const asks = new Asks();
  const jobs = new IntMap<FetchJobRecord>();
  const stores = { spec: specOf } as unknown as StoreDirectory;
  const fills = new Fills({ arena, uri: () => 'fake://x', again: () => {} });
  const gate = new Gate({
    context: crew.context,
    limits: null,
    inFlight: () => crew.crew.inFlight,
    busy: () => true,
    poke: () => {},
  });
  const dispatcher = new Dispatcher({
    crew: crew.crew,
    gate: own === null ? gate : (own as Gate),
    asks,
    fills,
    jobs,
    stores,
    ranges: () => ranges,
    hedgePlan: ({ options: { hedge = false } }) => hedge || null,
  });
  const { stream, pull } = createStream(arena, entries, options);
  const grants = new Grants({ arena, workers: 1, ranges: () => ranges, uri: () => 'fake://x' });
  if (entries.length > 0) await pull();
  while (grants.grantNext(stream));
  const sendAll = (): number => {
    let sent = 0;
    while (dispatcher.send(stream)) sent += 1;
    return sent;
  };
  return { stream, dispatcher, asks, jobs, crew, sendAll };
}

export interface Row {
  readonly id: number;
  readonly key: Uint8Array;
  readonly version: string | null;
  readonly start: number;
  readonly length: number;
  readonly offset: number;
  readonly capacity: number;
  readonly flags: number;
  /** Where bytes are copied from, and how many. */
  readonly copy: readonly [offset: number, length: number];
}

export function rowsOf(message: JobMessage | undefined): Row[] {
  const { table } = message as FetchMessage;
  return Array.from({ length: table.count }, (_, row) => {
    const cell = (column: number): number => table.cells[row * JOB_STRIDE + column]!;
    const keyEnd = cell(Job.BlobStart) + cell(Job.KeyLength);
    const version = Buffer.from(table.blob.subarray(keyEnd, keyEnd + cell(Job.VersionLength))).toString();
    return {
      id: cell(Job.Id),
      key: table.blob.slice(cell(Job.BlobStart), keyEnd),
      version: version === '' ? null : version,
      start: cell(Job.Start),
      length: cell(Job.Length),
      offset: cell(Job.Offset),
      capacity: cell(Job.Capacity),
      flags: cell(Job.Flags),
      copy: [cell(Job.CopyOffset), cell(Job.CopyLength)],
    };
  });
}

/** What the supervisor does with a result, as far as the dispatcher can tell. */
export function back({ jobs, crew }: Kit, job: FetchJobRecord): void {
  jobs.delete(job.id);
  unload(crew.at(job.worker.index), job.task.entry.store, job.weight);
  unlinkJob(job);
}
