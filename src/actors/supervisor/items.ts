/**
 * Pure core: the items of a settled task, who holds its extent from now on, and how they give it back.
 *
 * Invariant: the task's one hold on its extent becomes one hold per item that lies in it, and none when there is none.
 */
import type { Arena, Extent } from '../../protocol/arena.js';
import type { BatchRecord, ItemRecord, Task } from './types.js';

/** The one item of a task whose bytes are what was fetched. As `itemsOf`, without its lists: 400 bytes per object. */
export function wholeItem(task: Task): ItemRecord {
  const { entry, sequence, version, size, offset, verified } = task;
  const extent = task.extent!;
  task.extent = null;
  const payload = { kind: 'lease' as const, extent, offset, length: Math.max(0, task.length) };
  return { entry, sequence, index: 0, last: true, version, size, verified, payload };
}

export function itemsOf(task: Task, arena: Arena): ItemRecord[] {
  const all = task.outputs;
  if (all === null) return [wholeItem(task)];
  const extent = task.extent!;
  const payloads = all.slice(task.skipItems);
  // Items that were handed out before an eviction are not handed out again.
  for (const payload of all.slice(0, task.skipItems)) {
    if (payload.kind === 'bytes') arena.uncharge(payload.bytes.length);
  }
  const inLease = payloads.filter((payload) => payload.kind === 'lease').length;
  if (inLease === 0) arena.release(extent);
  else if (inLease > 1) arena.hold(extent, inLease - 1);
  task.extent = null;
  return payloads.map((payload, i) => ({
    entry: task.entry,
    sequence: task.sequence,
    index: task.skipItems + i,
    last: i === payloads.length - 1,
    version: task.version,
    size: task.size,
    verified: task.verified,
    payload,
  }));
}

/** Gives back what the items of a batch hold. */
export function releaseItems(batch: BatchRecord, arena: Arena): void {
  // Items of one pack stand one behind the other: their extent is looked up once for all of them.
  let extent: Extent | null = null;
  let holders = 0;
  for (const { payload } of batch.items) {
    if (payload.kind === 'bytes') arena.uncharge(payload.bytes.length);
    if (payload.kind !== 'lease') continue;
    if (extent !== null && payload.extent !== extent) {
      arena.release(extent, holders);
      holders = 0;
    }
    extent = payload.extent;
    holders += 1;
  }
  if (extent !== null) arena.release(extent, holders);
}
