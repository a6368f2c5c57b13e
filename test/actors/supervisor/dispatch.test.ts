import { describe, expect, it } from 'vitest';
import { JOB_WEIGHT_BYTES } from '../../../dist/actors/supervisor/load.js';
import { type RangePlan, TaskState } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import type { FetchMessage } from '../../../dist/protocol/messages.js';
import { JobFlag } from '../../../dist/protocol/tables.js';
import { entryOf, keyOf, MIB, WHOLE } from './kit.js';

import { back, createKit, rowsOf } from './dispatch.kit.js';

describe('many small objects', () => {
  it('travel in one message, each row with its own key, place and length', async () => {
    const sizes = Array.from({ length: 50 }, (_, i) => 10 + i * 7);
    const kit = await createKit(
      2,
      sizes.map((size, i) => entryOf(i, { size })),
    );
    expect(kit.sendAll()).toBe(1);
    const messages = kit.crew.links[0]!.received();
    const rows = rowsOf(messages[0]);
    expect(messages).toHaveLength(1);
    expect(rows.map(({ key }) => key)).toEqual(sizes.map((_, i) => keyOf(i)));
    expect(rows.map(({ length }) => length)).toEqual(sizes);
    expect(rows.every(({ flags }) => flags === JobFlag.Whole)).toBe(true);
    for (const [i, row] of rows.entries()) {
      const job = kit.jobs.get(row.id)!;
      expect([job.task.sequence, job.task.state, job.task.jobsOut]).toEqual([i, TaskState.Sent, 1]);
      expect([row.offset, row.capacity]).toEqual([job.task.offset, job.task.capacity]);
    }
    const outstanding = sizes.reduce((sum, size) => sum + size + JOB_WEIGHT_BYTES, 0);
    expect(kit.crew.at(0)).toMatchObject({ rows: 50, outstanding });
    expect(kit.stream).toMatchObject({ jobsOut: 50, tasksOut: 50 });
  });

  it('never get an id twice', async () => {
    const kit = await createKit(
      1,
      Array.from({ length: 150 }, (_, i) => entryOf(i)),
    );
    expect(kit.sendAll()).toBe(2);
    const ids = kit.crew.links[0]!.received().flatMap((message) => rowsOf(message).map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBe(128);
  });
});

describe('the first message to a worker', () => {
  it('introduces the stream and the stores, and no later one does', async () => {
    const entries = Array.from({ length: 192 }, (_, i) => entryOf(i, { store: 1 + Math.floor(i / 128) }));
    const kit = await createKit(2, entries);
    kit.sendAll();
    const introduced = kit.crew.links.map((link) =>
      (link.received() as FetchMessage[]).map(({ open, stores }) => [
        open?.id ?? null,
        stores.map(({ id }) => id),
      ]),
    );
    const { id } = kit.stream;
    expect(introduced).toEqual([
      [
        [id, [1]],
        [null, [2]],
      ],
      [[id, [1]]],
    ]);
  });

  it('tells the token of the stream', async () => {
    const kit = await createKit(1, [entryOf(0)], WHOLE, { maxAttempts: 7 });
    kit.sendAll();
    const { id, slot, epoch } = kit.stream;
    expect(kit.crew.links[0]!.received()[0]!.open).toEqual({
      id,
      tokenSlot: slot,
      tokenEpoch: epoch,
      transform: null,
      maxAttempts: 7,
      slow: { percentile: 98, leastSamples: 100 },
      throttleTimeoutMs: 0,
    });
  });
});

describe('a large object', () => {
  const RANGES: RangePlan = { splitThreshold: 8 * MIB, partBytes: 4 * MIB, maxPerObject: 3 };

  it('goes in parts to the workers with the least to do, all of one version', async () => {
    const kit = await createKit(3, [entryOf(0, { size: 20 * MIB, version: 'v1' })], RANGES);
    expect(kit.sendAll()).toBe(3);
    const rows = kit.crew.links.flatMap((link) => link.received().flatMap(rowsOf));
    expect(rows.map(({ start }) => start / MIB)).toEqual([0, 4, 8]);
    expect(rows.every(({ version, flags }) => version === 'v1' && flags === 0)).toBe(true);
    const from = kit.stream.granted[0]!.offset;
    expect(rows.map(({ offset }) => offset - from)).toEqual([0, 4 * MIB, 8 * MIB]);
    expect(kit.stream).toMatchObject({ tasksOut: 1, jobsOut: 3 });
    for (const job of kit.jobs.values()) back(kit, job);
    expect(kit.sendAll()).toBe(2);
    expect(kit.stream.granted).toEqual([]);
  });

  it('sends one part, without a version, until the version is known', async () => {
    const kit = await createKit(3, [entryOf(0, { size: 20 * MIB })], RANGES);
    expect(kit.sendAll()).toBe(1);
    const [job] = kit.jobs.values();
    expect(rowsOf(kit.crew.links[0]!.received()[0])[0]).toMatchObject({ start: 0, version: null });
    back(kit, job!);
    job!.task.version = 'v9';
    expect(kit.sendAll()).toBe(3);
    const rows = kit.crew.links.flatMap((link) => link.received().flatMap(rowsOf));
    expect(rows.map(({ version }) => version)).toEqual(['v9', 'v9', 'v9']);
  });
});

describe('what a row asks for', () => {
  it('is the version that the user pinned, and any for a whole object that was only listed with one', async () => {
    const kit = await createKit(1, [
      entryOf(0, { version: 'listed' }),
      entryOf(1, { version: '"é"', pinned: true }),
    ]);
    kit.sendAll();
    expect(rowsOf(kit.crew.links[0]!.received()[0]).map(({ version }) => version)).toEqual([null, '"é"']);
  });

  it('is a check and a transform, where the stream has them', async () => {
    const transform = { url: 'file:///t.js', options: null };
    const kit = await createKit(1, [entryOf(0)], WHOLE, { transform, verify: 'always' });
    kit.sendAll();
    const [row] = rowsOf(kit.crew.links[0]!.received()[0]);
    const { Whole, Transform, Verify, VerifyAlways } = JobFlag;
    expect(row!.flags).toBe(Whole | Transform | Verify | VerifyAlways);
  });

  it('begins where the range of the user begins', async () => {
    const kit = await createKit(1, [entryOf(0, { size: -1, start: 12_345_678_901, length: 500 })]);
    kit.sendAll();
    const [row] = rowsOf(kit.crew.links[0]!.received()[0]);
    expect(row).toMatchObject({ start: 12_345_678_901, length: 500, flags: 0 });
  });
});

describe('work', () => {
  it('goes to the worker with the least outstanding, and nowhere when nobody has a credit', async () => {
    const kit = await createKit(
      2,
      Array.from({ length: 12 }, (_, i) => entryOf(i, { size: 5 * MIB })),
    );
    kit.crew.at(0).outstanding = 11 * MIB;
    expect(kit.sendAll()).toBe(6);
    expect(kit.crew.links.map((link) => link.received().length)).toEqual([3, 3]);
    const order = [...kit.jobs.values()].map((job) => job.worker.index);
    expect(order).toEqual([1, 1, 1, 0, 0, 0]);
    expect(kit.stream.granted).toHaveLength(6);
  });

  it('is of no more objects at a time than the stream may have out', async () => {
    const kit = await createKit(
      2,
      Array.from({ length: 30 }, (_, i) => entryOf(i)),
      WHOLE,
      { maxConcurrentObjects: 7 },
    );
    kit.sendAll();
    expect([kit.stream.tasksOut, kit.jobs.size]).toEqual([7, 7]);
    for (const job of [...kit.jobs.values()].slice(0, 2)) back(kit, job);
    kit.sendAll();
    expect(kit.stream.tasksOut).toBe(7);
  });

  it('of a suspect goes alone to an idle worker, which gets nothing else meanwhile', async () => {
    const kit = await createKit(
      2,
      Array.from({ length: 10 }, (_, i) => entryOf(i)),
    );
    kit.stream.granted[0]!.crashes = 1;
    Object.assign(kit.crew.at(0), { rows: 1, outstanding: 10 * MIB });
    kit.sendAll();
    const [, suspect] = kit.crew.links.map((link) => link.received().flatMap(rowsOf));
    expect(suspect!.map(({ key }) => key)).toEqual([keyOf(0)]);
    expect([...kit.jobs.values()].map((job) => job.worker.index)).toEqual([
      1,
      ...Array.from({ length: 9 }, () => 0),
    ]);
  });

  it('of a suspect waits while nobody is idle, and takes nobody along', async () => {
    const kit = await createKit(1, [entryOf(0), entryOf(1), entryOf(2)]);
    kit.stream.granted[1]!.crashes = 1;
    expect(kit.sendAll()).toBe(1);
    expect(rowsOf(kit.crew.links[0]!.received()[0]).map(({ key }) => key)).toEqual([keyOf(0)]);
    expect(kit.stream.granted.map((task) => task.sequence)).toEqual([1, 2]);
    back(kit, [...kit.jobs.values()][0]!);
    expect(kit.sendAll()).toBe(1);
    expect(kit.crew.at(0)).toMatchObject({ rows: 1, exclusive: true });
  });
});

describe('questions', () => {
  it('go to a worker with what they need to know, and count as its work and the work of the stream', async () => {
    const kit = await createKit(1, []);
    const head = kit.asks.head(kit.stream, 5, keyOf(3));
    kit.dispatcher.sendAsks();
    const [message] = kit.crew.links[0]!.received();
    expect(message).toMatchObject({ kind: 'head', store: 5, key: keyOf(3), stream: kit.stream.id });
    expect(message!.stores.map(({ id }) => id)).toEqual([5]);
    expect(message!.open?.id).toBe(kit.stream.id);
    expect([kit.crew.at(0).rows, kit.stream.jobsOut]).toEqual([1, 1]);
    const info = { size: 9, version: null, lastModifiedMs: null, contentType: null };
    kit.asks.take((message as { jobId: number }).jobId, kit.crew.at(0))!.settle(info, null);
    expect(await head).toEqual(info);
  });
});

describe('a hedge', () => {
  const hedge = { percentile: 98, maxShare: 0.5, leastSamples: 100 };

  it('is thought of where the stream or the scheme wants it: its jobs are watched, and pay for it', async () => {
    for (const [options, watched] of [
      [{ hedge }, JobFlag.Watched],
      [{}, 0],
      [{ hedge: false as const }, 0],
    ] as const) {
      const kit = await createKit(1, [entryOf(0), entryOf(1)], WHOLE, options);
      kit.sendAll();
      const [message] = kit.crew.links[0]!.received();
      expect(rowsOf(message).map(({ flags }) => flags)).toEqual([1, 1].map((whole) => whole | watched));
      const pays = watched === 0 ? null : hedge;
      expect([...kit.jobs.values()].map((job) => job.hedge)).toEqual([pays, pays]);
      expect(message!.open!.slow).toMatchObject({ percentile: 98, leastSamples: 100 });
    }
  });

  it('asks for what its job asks for, in a message and a place of its own, and nothing more', async () => {
    const ranges = { splitThreshold: 100, partBytes: 100, maxPerObject: 4 };
    const entries = [entryOf(0, { size: 300, version: 'v7' })];
    const kit = await createKit(2, entries, ranges, { hedge, transform: { url: 'x', options: null } });
    kit.sendAll();
    const job = [...kit.jobs.values()][1]!;
    const row = rowsOf(kit.crew.links[job.worker.index]!.received()[0]).find(({ id }) => id === job.id);
    const extent = new Arena(MIB).allocate(100)!;
    const worker = kit.crew.crew.pickBeside(job.worker)!;
    expect(worker.index).not.toBe(job.worker.index);
    const before = { rows: worker.rows, out: kit.stream.jobsOut };
    const sent = kit.dispatcher.sendHedge(job, worker, extent);
    const [message] = kit.crew.links[worker.index]!.received().slice(-1);
    const [copy] = rowsOf(message);
    expect((message as FetchMessage).table.count).toBe(1);
    expect(copy).toEqual({
      ...row!,
      id: sent.id,
      offset: extent.offset,
      capacity: 100,
      flags: JobFlag.Hedge | (row!.flags & JobFlag.Verify),
    });
    expect(copy!.version).toBe('v7');
    expect([worker.rows, kit.stream.jobsOut]).toEqual([before.rows + 1, before.out + 1]);
    // The task knows nothing of it.
    expect(job.task.jobsOut).toBe(3);
    expect(kit.jobs.get(sent.id)).toBeUndefined();
  });

  it('goes to the same worker only where there is no other', async () => {
    const one = await createKit(1, []);
    expect(one.crew.crew.pickBeside(one.crew.at(0))).toBe(one.crew.at(0));
    const two = await createKit(2, []);
    expect(two.crew.crew.pickBeside(two.crew.at(0))).toBe(two.crew.at(1));
    two.crew.at(1).rows = 1e6;
    expect(two.crew.crew.pickBeside(two.crew.at(0))).toBeNull();
  });
});
