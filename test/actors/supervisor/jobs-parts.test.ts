/** What the results of parts, and of objects of unknown size, mean for their task. */
import { describe, expect, it } from 'vitest';
import { taskOutput } from '../../../dist/actors/supervisor/jobs.js';
import { TaskState } from '../../../dist/actors/supervisor/types.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { again, createObject, PARTS, TRANSFORM } from './jobs.kit.js';
import { pages, uriOf } from './kit.js';

const { Left, VersionChanged } = DoneStatus;

describe('parts', () => {
  it('of an object without a version are of none: it comes again, by one job', async () => {
    const { task, send, back } = await createObject({ size: 300 }, {}, { ranges: PARTS });
    back(send(), { size: 300 });
    expect(task).toMatchObject(again(300, null, { indivisible: true }));
    const whole = await createObject();
    whole.back(whole.send(), { size: 1000 });
    expect(whole.task).toMatchObject({ indivisible: false, state: TaskState.Settled });
  });

  it('have the version of the first one', async () => {
    const { task, send, back } = await createObject({ size: 300 }, {}, { ranges: PARTS });
    back(send(), { size: 300, version: 'v3' });
    expect(task).toMatchObject({ version: 'v3', size: 300, state: TaskState.Granted, restart: false });
  });

  it('that are shorter than they should be are none', async () => {
    const { task, send, back } = await createObject({ version: 'v' });
    back(send(), { landed: 999, size: 1000, version: 'v' });
    expect(task).toMatchObject(again(1000, null));
  });

  it('of a range end where the object does', async () => {
    const { stream, task, send, back } = await createObject(
      { size: -1, start: 1000, length: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const job = send();
    back(job, { landed: 50, size: 1050, version: 'v' });
    expect(task).toMatchObject({ length: 50, size: 1050, state: TaskState.Settled, restarts: 0 });
    expect(stream.granted).toEqual([]);
  });

  it('of a range that lies within its object go on', async () => {
    const { stream, task, send, back } = await createObject(
      { size: -1, start: 1000, length: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    back(send(), { size: 9000, version: 'v' });
    expect(task).toMatchObject({ length: 300, state: TaskState.Granted });
    expect(stream.granted).toEqual([task]);
  });

  it('of a range that are short begin again where the service says no size', async () => {
    const { task, send, back } = await createObject({ size: -1, start: 1000, length: 300, version: 'v' });
    back(send(), { landed: 50, version: 'v' });
    expect(task).toMatchObject(again(-1, null, { length: 300 }));
  });

  it('have no more use for what landed before they were known, once it is copied', async () => {
    const { arena, task, send, back } = await createObject(
      { size: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const extent = arena.allocate(10)!;
    const prefix = { extent, offset: extent.offset, length: 10, stale: false };
    Object.assign(task, { prefix, nextByte: 10 });
    const [first, second] = [send(), send()];
    expect([first.part.copy, second.part.copy]).toEqual([prefix, null]);
    back(second, { size: 300, version: 'v' });
    expect(prefix.stale).toBe(false);
    back(first, { size: 300, version: 'v' });
    expect(prefix.stale).toBe(true);
  });
});

describe('an object of unknown size', () => {
  it('is as long as what came; the rest of its memory is free again', async () => {
    const { task, send, back, used } = await createObject({ size: -1, start: 7 });
    const capacity = pages(2);
    expect([task.capacity, used()]).toEqual([capacity, capacity]);
    back(send(), { landed: 500, size: -1, version: 'v' });
    expect(task).toMatchObject({ length: 500, size: 507, version: 'v', state: TaskState.Settled });
    expect(used()).toBe(pages(1));
  });

  it('has the size that the service says', async () => {
    const { task, send, back } = await createObject({ size: -1, start: 7 });
    back(send(), { landed: 500, size: 507 });
    expect(task).toMatchObject({ length: 500, size: 507, restarts: 0 });
    const empty = await createObject({ size: -1, start: 700 });
    empty.back(empty.send(), { landed: 0, size: 507 });
    expect(empty.task).toMatchObject({ length: 0, size: 507, restarts: 0, state: TaskState.Settled });
    const none = await createObject({ size: -1 });
    none.back(none.send(), { landed: 0, size: 0 });
    expect(none.task).toMatchObject({ length: 0, size: 0, restarts: 0, state: TaskState.Settled });
  });

  it('keeps as much memory as lies in what its transform made of it', async () => {
    const { arena, task, send, back } = await createObject({ size: -1 }, { transform: TRANSFORM });
    const job = send();
    const extent = task.extent!;
    const lease = (start: number, length: number) => taskOutput(job, { kind: 'lease', start, length }, arena);
    const outputs = [lease(100, 50), lease(10, 5), taskOutput(job, { kind: 'value', value: 1 }, arena)];
    let trimmed = -1;
    arena.trim = (_extent, bytes) => void (trimmed = bytes);
    back(job, { landed: 5000, size: 5000, outputs });
    expect([trimmed, extent.holders]).toEqual([150, 2]);
  });

  it('keeps no memory for what its transform made elsewhere', async () => {
    const { arena, send, back, used } = await createObject({ size: -1 }, { transform: TRANSFORM });
    const job = send();
    const outputs = [taskOutput(job, { kind: 'bytes', bytes: new Uint8Array(9) }, arena)];
    back(job, { landed: 5000, size: 5000, outputs });
    expect([used(), arena.stats().chargedBytes]).toEqual([0, 9]);
  });

  it('that turns out to be longer keeps what landed, and asks for the rest of that version', async () => {
    const { stream, task, send, back, used } = await createObject({ size: -1 });
    const { capacity, offset } = task;
    back(send(), { size: 50_000, version: 'v1' });
    expect(task).toMatchObject(again(50_000, 'v1', { nextByte: capacity, indivisible: false }));
    expect(task.prefix).toMatchObject({ offset, length: capacity, stale: false });
    expect([stream.planned, used()]).toEqual([[task], pages(2)]);
  });

  it.each([
    ['without a version', { version: null }, true],
    ['with nothing of it', { version: 'v1', landed: 0 }, false],
  ])('and comes %s is asked for from its begin', async (_what, row, indivisible) => {
    const { task, send, back, used } = await createObject({ size: -1 });
    back(send(), { size: 50_000, ...row });
    expect(task).toMatchObject(again(50_000, null, { indivisible, prefix: null }));
    expect(used()).toBe(0);
  });

  it('has failed where it fills its room, and the service does not say whether there is more', async () => {
    const { task, send, back, used } = await createObject({ size: -1 });
    back(send(), { version: 'v1' });
    const uri = uriOf(task.entry);
    expect(task.error).toMatchObject({ code: 'ProtocolViolation', phase: 'head', uri });
    expect(task.error!.message).toBe(`${uri}: the service does not say how long the object is`);
    expect([task.state, used()]).toEqual([TaskState.Settled, 0]);
  });

  it('has not failed where it fills its room, and the service says that this is all', async () => {
    const { task, send, back } = await createObject({ size: -1 });
    back(send(), { version: 'v1', size: task.capacity });
    expect(task).toMatchObject({ error: null, state: TaskState.Settled, length: pages(2) });
  });

  it('does away with what landed of it when it begins again', async () => {
    const { stream, task, send, back, used } = await createObject({ size: -1 });
    back(send(), { size: 50_000, version: 'v1' });
    stream.planned.length = 0;
    back(send(), { status: VersionChanged, landed: 0 });
    expect(task).toMatchObject(again(-1, null, { prefix: null, restarts: 2 }));
    expect(used()).toBe(0);
  });
});

describe('a task whose bytes came by several jobs', () => {
  const verified = { verify: 'always' } as const;

  it('goes to a worker once more for its transform, before all others', async () => {
    const { stream, task, send, back } = await createObject(
      { size: 200, version: 'v' },
      { transform: TRANSFORM },
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    back(first, { size: 200, version: 'v' });
    expect(stream.granted).toEqual([]);
    back(second, { size: 200, version: 'v' });
    expect(task).toMatchObject({ assembled: true, state: TaskState.Granted });
    expect(stream.granted).toEqual([task]);
    back(send(), { outputs: [{ kind: 'value', value: 5 }] });
    expect(task).toMatchObject({ state: TaskState.Settled, outputs: [{ value: 5 }] });
  });

  it('does not where its only job has transformed it', async () => {
    const { task, send, back } = await createObject({}, { transform: TRANSFORM });
    back(send(), { size: 1000, outputs: [{ kind: 'value', value: 5 }] });
    expect(task).toMatchObject({ state: TaskState.Settled, outputs: [{ value: 5 }] });
  });

  it('goes to a worker once more for its checksum, where the store has one of the whole', async () => {
    const { task, send, back } = await createObject({ size: 200, version: 'v' }, verified, {
      ranges: PARTS,
      task: { verifiable: true },
    });
    const jobs = [send(), send()];
    for (const job of jobs) back(job, { size: 200, version: 'v' });
    expect(task).toMatchObject({ assembled: true, state: TaskState.Granted, verified: null });
    back(send(), { verified: 'crc32c' });
    expect(task).toMatchObject({ state: TaskState.Settled, verified: 'crc32c' });
  });

  it.each([
    ['each of them was verified', ['md5', 'md5'], 'md5'],
    ['the first one was not verified', [null, 'md5'], null],
    ['the last one was not verified', ['md5', null], null],
  ] as const)('is verified as its parts are: %s', async (_what, checksums, whole) => {
    const { task, send, back } = await createObject({ size: 200, version: 'v' }, {}, { ranges: PARTS });
    const jobs = [send(), send()];
    for (const [i, job] of jobs.entries()) back(job, { size: 200, version: 'v', verified: checksums[i]! });
    expect(task).toMatchObject({ verified: whole, isPartUnverified: whole === null });
  });

  it('keeps the checksum of its parts where the last job only transforms it', async () => {
    const { task, send, back } = await createObject(
      { size: 200, version: 'v' },
      { transform: TRANSFORM },
      { ranges: PARTS },
    );
    const jobs = [send(), send()];
    for (const job of jobs) back(job, { size: 200, version: 'v', verified: 'md5' });
    back(send(), { outputs: [] });
    expect(task).toMatchObject({ state: TaskState.Settled, verified: 'md5' });
  });

  it('has no checksum where its parts had none, and the last job only transforms it', async () => {
    const { task, send, back } = await createObject(
      { size: 200, version: 'v' },
      { transform: TRANSFORM },
      { ranges: PARTS },
    );
    for (const job of [send(), send()]) back(job, { size: 200, version: 'v' });
    back(send(), { outputs: [] });
    expect(task).toMatchObject({ verified: null, isPartUnverified: true });
  });

  it('that is given up is not sent once more', async () => {
    const { stream, task, send, back } = await createObject(
      { size: 200, version: 'v' },
      { transform: TRANSFORM },
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    back(first, { status: Left, landed: 0 });
    back(second, { size: 200, version: 'v' });
    expect([task.state, task.assembled, stream.granted]).toEqual([TaskState.Settled, false, []]);
  });
});
