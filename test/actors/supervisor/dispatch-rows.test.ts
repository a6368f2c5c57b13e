/** Which rows go into a message, what each of them says, and what keeps a row from going. */
import { describe, expect, it } from 'vitest';
import { JOB_WEIGHT_BYTES, load } from '../../../dist/actors/supervisor/load.js';
import type { PlanEntry, RangePlan } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import type { FetchMessage } from '../../../dist/protocol/messages.js';
import { JobFlag } from '../../../dist/protocol/tables.js';
import { back, createKit, type Kit, type Row, rowsOf } from './dispatch.kit.js';
import { entryOf, keyOf, MIB, WHOLE } from './kit.js';

const { Whole, Transform, Verify, First, Landed, VerifyAlways, Again, Watched, Hedge } = JobFlag;
const PARTS: RangePlan = { splitThreshold: 100, partBytes: 100, maxPerObject: 2 };
const TRANSFORM = { url: 'file:///t.js', options: null };
const SINK = {
  store: 9,
  prefix: new Uint8Array(0),
  strip: 0,
  upload: null,
  ifAbsent: false,
  ifVersion: null,
  contentType: null,
};
const HEDGE = { percentile: 90, maxShare: 1, leastSamples: 7 };

const some = (count: number, more: Partial<PlanEntry> = {}) =>
  Array.from({ length: count }, (_, i) => entryOf(i, more));
/** What each worker got since it was last looked at. */
const received = ({ crew }: Kit): Row[][][] => crew.links.map((link) => link.received().map(rowsOf));
const keys = (rows: readonly Row[] | undefined): number[] | undefined =>
  rows?.map(({ key }) => Number(Buffer.from(key.subarray('?key-'.length)).toString()));
const keysOf = (kit: Kit) => received(kit).map((messages) => messages.map(keys));

/** A gate that lets so many rows go, and writes down those that did. */
function gateOf(limits: boolean, rows: number, questions = true) {
  const began: number[] = [];
  let left = rows;
  return {
    limits,
    admits: () => (left -= 1) >= 0,
    admitsQuestion: () => questions,
    began: (_stream: unknown, _part: unknown, weight: number) => void began.push(weight),
    weights: began,
  };
}

describe('the flags of a row', () => {
  it('say that the size is not known, and that a worker was lost with it', async () => {
    const kit = await createKit(1, [entryOf(0, { size: -1 }), entryOf(1)]);
    kit.stream.granted[1]!.again = true;
    kit.sendAll();
    expect(
      received(kit)[0]!
        .flat()
        .map(({ flags }) => flags),
    ).toEqual([First, Whole | Again]);
  });

  it('have a part checked, and not transformed', async () => {
    const options = { transform: TRANSFORM, verify: 'auto' } as const;
    const kit = await createKit(1, [entryOf(0, { size: 200, version: 'v' })], PARTS, options);
    kit.sendAll();
    expect(
      received(kit)[0]!
        .flat()
        .map(({ flags }) => flags),
    ).toEqual([Verify, Verify]);
  });

  it('have what is not split checked and transformed, also where its size is not known', async () => {
    const options = { transform: TRANSFORM, verify: 'always' } as const;
    const kit = await createKit(1, [entryOf(0, { size: -1 })], PARTS, options);
    kit.sendAll();
    const flags = First | Verify | VerifyAlways | Transform;
    expect(received(kit)[0]!.flat()).toMatchObject([{ flags }]);
  });

  it.each([
    ['transformed', { transform: TRANSFORM }, false, Landed | Transform],
    [
      'transformed, where its parts are verified',
      { transform: TRANSFORM, verify: 'auto' },
      false,
      Landed | Transform,
    ],
    ['checked', { verify: 'auto' }, true, Landed | Verify],
  ] as const)('have what has landed in parts %s as a whole', async (_what, options, verifiable, flags) => {
    const kit = await createKit(1, [entryOf(0, { size: 200, version: 'v' })], PARTS, options);
    kit.sendAll();
    received(kit);
    const [job] = kit.jobs.values();
    for (const each of kit.jobs.values()) back(kit, each);
    Object.assign(job!.task, { verifiable });
    kit.stream.landedNext(job!.task);
    kit.sendAll();
    expect(received(kit)[0]!.flat()).toMatchObject([{ start: 0, length: 200, flags }]);
    expect([job!.task.jobs, job!.task.state, kit.stream.granted]).toEqual([3, 2, []]);
  });
});

describe('a row', () => {
  it('of a part may write to the rest of the memory of its task', async () => {
    const kit = await createKit(2, [entryOf(0, { size: 250, start: 50, version: 'v' })], PARTS);
    const [task] = kit.stream.granted;
    kit.sendAll();
    const rows = received(kit).flat(2);
    expect(rows.map(({ start, length }) => [start, length])).toEqual([
      [50, 100],
      [150, 100],
    ]);
    expect(rows.map(({ offset, capacity }) => [offset - task!.offset, capacity])).toEqual([
      [0, 200],
      [100, 100],
    ]);
    expect([task!.jobs, task!.nextByte]).toEqual([2, 200]);
  });

  it('is kept with its task, its part and its weight', async () => {
    const kit = await createKit(1, [entryOf(0)]);
    const [task] = kit.stream.granted;
    kit.sendAll();
    const [job] = kit.jobs.values();
    expect(job).toMatchObject({ id: 1, weight: 1000 + JOB_WEIGHT_BYTES });
    expect([job!.task, job!.stream, job!.worker]).toEqual([task, kit.stream, kit.crew.at(0)]);
    expect(job!.part).toMatchObject({ from: 0, length: 1000, whole: true });
  });

  it('tells where the bytes before it are to be copied from', async () => {
    const kit = await createKit(1, [entryOf(0, { size: 150, version: 'v' })], PARTS);
    const [task] = kit.stream.granted;
    const extent = new Arena(MIB).allocate(40)!;
    Object.assign(task!, { nextByte: 40, prefix: { extent, offset: 4096, length: 40, stale: false } });
    kit.sendAll();
    expect(received(kit)[0]!.flat()).toMatchObject([
      { start: 40, length: 100, copy: [4096, 40] },
      { start: 140, length: 10, copy: [0, 0] },
    ]);
  });

  it('of a pinned object asks for its version, in parts and as a whole, and any other for none as a whole', async () => {
    const entries = [
      entryOf(0, { version: 'pinned', pinned: true }),
      entryOf(1, { version: 'seen' }),
      entryOf(2, { size: 150, version: 'pinned', pinned: true }),
    ];
    const kit = await createKit(1, entries, { ...PARTS, splitThreshold: 140, partBytes: 140 });
    kit.sendAll();
    const versions = received(kit)[0]!
      .flat()
      .map(({ version }) => version);
    expect(new Set(versions)).toEqual(new Set(['pinned', 'seen']));
    expect(versions[0]).toBe('pinned');
  });

  it('introduces the store that its object is written to', async () => {
    const kit = await createKit(1, [entryOf(0, { store: 3 })], WHOLE, { transform: SINK });
    kit.sendAll();
    const [message] = kit.crew.links[0]!.received() as FetchMessage[];
    expect(message!.stores.map(({ id }) => id)).toEqual([3, 9]);
    expect(rowsOf(message)[0]!.flags).toBe(Whole | Transform);
    const plain = await createKit(1, [entryOf(0, { store: 3 })], WHOLE, { transform: TRANSFORM });
    plain.sendAll();
    const [other] = plain.crew.links[0]!.received() as FetchMessage[];
    expect(other!.stores.map(({ id }) => id)).toEqual([3]);
  });

  it('is watched where it may be hedged, with the figures of its stream', async () => {
    const kit = await createKit(1, [entryOf(0), entryOf(1)], WHOLE, { hedge: HEDGE });
    kit.stream.granted[1]!.crashes = 1;
    kit.sendAll();
    const [message] = kit.crew.links[0]!.received();
    expect(rowsOf(message).map(({ flags }) => flags)).toEqual([Whole | Watched]);
    expect(message!.open!.slow).toEqual({ percentile: 90, leastSamples: 7 });
    const [job] = kit.jobs.values();
    back(kit, job!);
    kit.sendAll();
    // The suspect is not hedged.
    expect(received(kit)[0]!.flat()).toMatchObject([{ flags: Whole }]);
  });

  it('that is written is not hedged', async () => {
    const kit = await createKit(1, [entryOf(0)], WHOLE, { hedge: HEDGE, transform: SINK });
    kit.sendAll();
    expect(received(kit)[0]!.flat()).toMatchObject([{ flags: Whole | Transform }]);
    expect([...kit.jobs.values()].map((job) => job.hedge)).toEqual([null]);
  });
});

describe('a message', () => {
  it('is full with four MiB', async () => {
    const kit = await createKit(1, some(3, { size: 2 * MIB }));
    expect(kit.sendAll()).toBe(2);
    expect(keysOf(kit)).toEqual([[[0, 1], [2]]]);
  });

  it('takes what its worker can go on with, wherever that stands', async () => {
    const entries = [entryOf(0), entryOf(1), entryOf(2, { store: 2 }), entryOf(3), entryOf(4, { store: 2 })];
    const more = { limits: { maxRows: 2 }, closed: new Set([1]) };
    const kit = await createKit(1, entries, WHOLE, {}, more);
    load(kit.crew.at(0), 1, 10);
    load(kit.crew.at(0), 1, 10);
    expect(kit.sendAll()).toBe(1);
    expect(keysOf(kit)).toEqual([[[2, 4]]]);
    expect(kit.stream.granted.map(({ sequence }) => sequence)).toEqual([0, 1, 3]);
  });

  it('leaves out what has no part to send now', async () => {
    const kit = await createKit(1, [entryOf(0, { size: 300 }), entryOf(1)], {
      ...PARTS,
      splitThreshold: 299,
    });
    expect(kit.sendAll()).toBe(1);
    // The version of the first one has to be known before more of it goes.
    const messages = keysOf(kit)[0]!;
    expect(messages.flat()).toContain(1);
    expect(messages.flat().filter((key) => key === 0)).toHaveLength(1);
    expect(kit.stream.granted.map(({ sequence }) => sequence)).toContain(0);
  });

  it('takes further parts of what is out, and nothing new, where as many objects are out as may be', async () => {
    const entries = some(3, { size: 400, version: 'v' });
    const kit = await createKit(1, entries, PARTS, { maxConcurrentObjects: 1 });
    const [first, second] = kit.stream.granted;
    first!.nextByte = 100;
    Object.assign(second!, { nextByte: 100, jobsOut: 1 });
    kit.stream.tasksOut = 1;
    expect(kit.sendAll()).toBe(1);
    expect(keysOf(kit)).toEqual([[[1]]]);
    expect(kit.stream.tasksOut).toBe(1);
    expect(kit.stream.granted.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  });

  it('is none where nothing may begin', async () => {
    const kit = await createKit(1, some(2), WHOLE, { maxConcurrentObjects: 1 });
    expect([kit.sendAll(), kit.sendAll(), kit.crew.at(0).exclusive]).toEqual([1, 0, false]);
    expect(keysOf(kit)).toEqual([[[0]]]);
  });

  it('goes as far as the gate lets it, which was asked for the first row before', async () => {
    const gate = gateOf(true, 2);
    const kit = await createKit(1, some(5), WHOLE, {}, { gate });
    expect(kit.dispatcher.send(kit.stream)).toBe(true);
    expect(keysOf(kit)).toEqual([[[0, 1, 2]]]);
    expect(gate.weights).toEqual([1, 2, 3].map(() => 1000 + JOB_WEIGHT_BYTES));
  });

  it('asks no gate where nothing is limited', async () => {
    const kit = await createKit(1, some(5), WHOLE, {}, { gate: gateOf(false, 0) });
    kit.sendAll();
    expect(keysOf(kit)).toEqual([[[0, 1, 2, 3, 4]]]);
  });

  it('of a suspect has one row, though others wait', async () => {
    const kit = await createKit(1, some(2));
    kit.stream.granted[0]!.crashes = 1;
    expect(kit.dispatcher.send(kit.stream)).toBe(true);
    expect(keysOf(kit)).toEqual([[[0]]]);
    expect(kit.crew.at(0).exclusive).toBe(true);
  });
});

describe('questions', () => {
  const ask = (kit: Kit, key: number): void => void kit.asks.head(kit.stream, 4, keyOf(key)).catch(() => {});
  const asked = (kit: Kit) => kit.crew.links.map((link) => link.received().map(({ kind }) => kind));

  it('go as long as there is room, each with a number of its own', async () => {
    const kit = await createKit(1, some(1));
    kit.sendAll();
    for (let key = 0; key < 5; key += 1) ask(kit, key);
    kit.dispatcher.sendAsks();
    const messages = kit.crew.links[0]!.received();
    // Three messages are under way to one worker at the most.
    expect(messages.map(({ kind }) => kind)).toEqual(['fetch', 'head', 'head']);
    const ids = messages.slice(1).map((message) => (message as { jobId: number }).jobId);
    expect(ids).toEqual([2, 3]);
    expect(messages.map(({ stores }) => stores.map(({ id }) => id))).toEqual([[1], [4], []]);
    expect(messages.map(({ open }) => open?.id)).toEqual([kit.stream.id, undefined, undefined]);
    expect([kit.crew.at(0).rows, kit.crew.at(0).outstanding]).toEqual([3, 1000 + JOB_WEIGHT_BYTES]);
    expect(kit.crew.at(0).byStore[4]).toEqual({ rows: 2, outstanding: 0 });
    kit.dispatcher.sendAsks();
    expect(asked(kit)).toEqual([['head', 'head', 'head']]);
  });

  it('that end an upload wait for no room', async () => {
    const kit = await createKit(1, []);
    Object.assign(kit.crew.at(0), { rows: 1, outstanding: Number.MAX_SAFE_INTEGER });
    ask(kit, 0);
    kit.dispatcher.sendAsks();
    expect(asked(kit)).toEqual([[]]);
    const request = { kind: 'abort', key: keyOf(1), upload: 'u1' } as const;
    kit.asks.write(kit.stream, 4, request).catch(() => {});
    kit.dispatcher.sendAsks();
    expect(asked(kit)).toEqual([['write']]);
  });

  it('wait where the processor is used up, and only there', async () => {
    for (const [limits, questions, sent] of [
      [true, false, 0],
      [true, true, 1],
      [false, false, 1],
    ] as const) {
      const kit = await createKit(1, [], WHOLE, {}, { gate: gateOf(limits, 0, questions) });
      ask(kit, 0);
      kit.dispatcher.sendAsks();
      expect(asked(kit)[0]).toHaveLength(sent);
    }
  });
});

describe('a hedge', () => {
  it('of what has no known size asks for as much, and counts as much', async () => {
    const gate = gateOf(false, 0);
    const options = { hedge: HEDGE, transform: TRANSFORM, verify: 'auto' } as const;
    const kit = await createKit(2, [entryOf(0, { size: -1, store: 6 })], WHOLE, options, { gate });
    kit.stream.granted[0]!.again = true;
    kit.sendAll();
    const [job] = kit.jobs.values();
    const extent = new Arena(16 * MIB).allocate(job!.part.length)!;
    const hedge = kit.dispatcher.sendHedge(job!, kit.crew.at(1), extent);
    const [message] = kit.crew.links[1]!.received() as FetchMessage[];
    const { length } = job!.part;
    expect(rowsOf(message)).toMatchObject([
      { length, capacity: length, offset: extent.offset, flags: First | Verify | Hedge, version: null },
    ]);
    expect([message!.open!.id, message!.stores.map(({ id }) => id)]).toEqual([kit.stream.id, [6]]);
    expect(hedge).toMatchObject({ id: 2, weight: length + JOB_WEIGHT_BYTES });
    expect([hedge.task, hedge.stream, hedge.worker, hedge.part]).toEqual([
      job!.task,
      kit.stream,
      kit.crew.at(1),
      job!.part,
    ]);
    expect(kit.crew.at(1)).toMatchObject({ rows: 1, outstanding: length + JOB_WEIGHT_BYTES });
    expect(gate.weights).toEqual([1, 2].map(() => length + JOB_WEIGHT_BYTES));
  });

  it('of a whole object asks for none of its versions, and of its parts for theirs', async () => {
    for (const [ranges, version] of [
      [WHOLE, null],
      [PARTS, 'v'],
    ] as const) {
      const kit = await createKit(2, [entryOf(0, { size: 150, version: 'v' })], ranges, { hedge: HEDGE });
      kit.sendAll();
      for (const job of kit.jobs.values()) {
        received(kit);
        kit.dispatcher.sendHedge(job, kit.crew.at(1), new Arena(MIB).allocate(job.part.length)!);
        expect(received(kit)[1]!.flat().at(-1)).toMatchObject({ start: job.part.from, version });
      }
    }
  });
});

describe('bytes of the service itself', () => {
  it('are put in their place a MiB in a turn, and sent when they are all there', async () => {
    const filled: [from: number, bytes: number][] = [];
    const fill = (target: Uint8Array, from: number): void => void filled.push([from, target.length]);
    const length = 1.5 * MIB;
    const kit = await createKit(1, [entryOf(0, { size: length, length, fill })], WHOLE, { transform: SINK });
    expect([kit.dispatcher.send(kit.stream), kit.dispatcher.send(kit.stream)]).toEqual([false, false]);
    expect(filled).toEqual([[0, MIB]]);
    kit.dispatcher.beginTurn();
    expect(kit.dispatcher.send(kit.stream)).toBe(true);
    expect(filled).toEqual([
      [0, MIB],
      [MIB, MIB / 2],
    ]);
    expect(received(kit)[0]!.flat()).toMatchObject([{ length, flags: Landed | Transform }]);
  });

  it('that cannot be had are over with, whatever can be sent', async () => {
    const fill = (): void => {
      throw new Error('gone');
    };
    const entries = [entryOf(0, { size: 10, length: 10, fill })];
    const kit = await createKit(1, entries, WHOLE, { transform: SINK, onError: 'skip' });
    expect([kit.dispatcher.send(kit.stream), kit.stream.ledger.failed]).toEqual([true, 1]);
    expect(kit.dispatcher.send(kit.stream)).toBe(false);
  });
});
