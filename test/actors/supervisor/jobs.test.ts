/** What a result means for its task: over, begun again, or waiting for more of its jobs. */
import { describe, expect, it } from 'vitest';
import { applyResult, loseJob, unlinkJob } from '../../../dist/actors/supervisor/jobs.js';
import { TaskState } from '../../../dist/actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { again, createObject, failed, PARTS, rowOf } from './jobs.kit.js';
import { pages, uriOf } from './kit.js';

const { Failed, Cancelled, Left, SizeChanged, VersionChanged } = DoneStatus;

describe('a job', () => {
  it('is off its task; with the last one its task is out no more', async () => {
    const { stream, task, send } = await createObject({ size: 250, version: 'v' }, {}, { ranges: PARTS });
    const [first, second] = [send(), send()];
    expect([task.jobsOut, stream.tasksOut]).toEqual([2, 1]);
    unlinkJob(second);
    expect([task.jobsOut, stream.tasksOut]).toEqual([1, 1]);
    unlinkJob(first);
    expect([task.jobsOut, stream.tasksOut]).toEqual([0, 0]);
  });

  it('that brings the whole object ends its task: its item has what the service said', async () => {
    const { stream, task, send, back } = await createObject({ version: 'planned' });
    const next = stream.next();
    back(send(), { size: 1000, version: 'served', retries: 2, throttled: 3, verified: 'md5' });
    stream.handOutPartial();
    expect((await next)!.items).toMatchObject([
      { size: 1000, version: 'served', verified: 'md5', payload: { kind: 'lease', length: 1000 } },
    ]);
    expect([stream.jobsOut, stream.tasksOut, task.state]).toEqual([0, 0, TaskState.Settled]);
    expect([stream.ledger.retries, stream.ledger.throttled]).toEqual([2, 3]);
    expect(stream.ledger.record('x', stream.cursor, 0).verified).toEqual({ md5: 1 });
  });

  it('keeps the version of the plan where the service says none', async () => {
    const { task, send, back } = await createObject({ version: 'planned' });
    back(send(), { size: 1000 });
    expect(task).toMatchObject({ version: 'planned', size: 1000, state: TaskState.Settled });
  });

  it('keeps the size of the plan where the service says none', async () => {
    const { task, send, back } = await createObject({ size: 777 });
    back(send(), { size: -1 });
    expect(task).toMatchObject({ size: 777, length: 777, state: TaskState.Settled });
  });

  it('of several: their retries and refusals are summed up', async () => {
    const { task, send, back } = await createObject({ size: 200, version: 'v' }, {}, { ranges: PARTS });
    const [first, second] = [send(), send()];
    back(first, { size: 200, version: 'v', retries: 2, throttled: 1 });
    expect(task.state).toBe(TaskState.Sent);
    back(second, { size: 200, version: 'v', retries: 3, throttled: 5 });
    expect(task).toMatchObject({ retries: 5, throttled: 6, state: TaskState.Settled });
  });

  it('that is back before further parts were sent leaves its task where those are sent from', async () => {
    const { stream, task, send, back } = await createObject(
      { size: 250, version: 'v' },
      {},
      { ranges: PARTS },
    );
    back(send(), { size: 250, version: 'v' });
    expect([task.state, stream.granted]).toEqual([TaskState.Granted, [task]]);
  });
});

describe('a job that is lost with its worker', () => {
  it('has its task begin again, as one that may have been written already', async () => {
    const { stream, task, deps, send, used } = await createObject();
    loseJob(send(), deps);
    expect(task).toMatchObject(again(1000, null, { again: true, restarts: 0 }));
    expect([stream.planned, stream.jobsOut, stream.tasksOut, used()]).toEqual([[task], 0, 0, 0]);
  });

  it('keeps its task from sending more, and from beginning again while another job of it is out', async () => {
    const { stream, task, deps, send, back, used } = await createObject(
      { size: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    expect(stream.granted).toEqual([task]);
    loseJob(first, deps);
    expect([stream.granted, stream.planned, task.state]).toEqual([[], [], TaskState.Sent]);
    expect(used()).toBe(pages(1));
    back(second, { size: 300, version: 'v' });
    expect([stream.planned, used()]).toEqual([[task], 0]);
  });

  it('is left where its stream has turned meanwhile', async () => {
    const { stream, task, deps, send, used } = await createObject();
    const job = send();
    stream.token.drain('SIGTERM');
    loseJob(job, deps);
    expect([task.left, task.state, stream.planned, used()]).toEqual([true, TaskState.Settled, [], 0]);
    expect(await stream.ended).toMatchObject({ planned: 1, left: 1, reason: 'SIGTERM' });
  });
});

describe('a job that failed', () => {
  it('ends its task with its error, its URI and its worker; the first error counts', async () => {
    const { stream, task, send, back, used } = await createObject(
      { size: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    back(first, failed(ErrorCode.NotFound));
    expect([stream.granted, task.state]).toEqual([[], TaskState.Sent]);
    back(second, failed(ErrorCode.Throttled));
    expect(task.error).toMatchObject({ code: 'NotFound', uri: uriOf(task.entry), worker: 'worker-0#0' });
    expect([stream.ledger.failed, used()]).toEqual([1, 0]);
  });

  it('without an error is one of ours', async () => {
    const { task, send, back } = await createObject();
    back(send(), { status: Failed });
    expect(task.error).toMatchObject({ code: 'Internal', message: 'a job failed without an error' });
  });

  it('with a wrong checksum of the whole begins again twice, and then has failed', async () => {
    const { stream, task, send, back } = await createObject({ version: 'v' });
    for (const mismatches of [1, 2]) {
      back(send(), failed(ErrorCode.ChecksumMismatch));
      expect(task).toMatchObject(again(1000, null, { restarts: 0, mismatches }));
      stream.planned.length = 0;
    }
    back(send(), failed(ErrorCode.ChecksumMismatch));
    expect(task).toMatchObject({ mismatches: 2, error: { code: 'ChecksumMismatch' } });
  });

  it('with a wrong checksum in an attempt was tried again by its worker, and has failed', async () => {
    const { task, send, back } = await createObject();
    back(send(), failed(ErrorCode.ChecksumMismatch, { attempt: 5 }));
    expect(task).toMatchObject({ restarts: 0, mismatches: 0, error: { code: 'ChecksumMismatch' } });
  });

  it('behind the end of a range that reaches beyond its object tells where that ends', async () => {
    const { stream, task, send, back } = await createObject(
      { size: -1, length: 300, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    back(second, failed(ErrorCode.RangeRejected));
    expect(task).toMatchObject({ length: 100, error: null });
    // The third one is not sent any more.
    expect([task.state, stream.granted]).toEqual([TaskState.Sent, []]);
    back(first, { size: 100, version: 'v' });
    expect(task).toMatchObject({ state: TaskState.Settled, error: null, length: 100, size: 100 });
  });

  it('behind that end tells a task that begins again nothing', async () => {
    const { stream, task, deps, send, back } = await createObject(
      { size: -1, length: 200, version: 'v' },
      {},
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    loseJob(first, deps);
    back(second, failed(ErrorCode.RangeRejected));
    expect(task).toMatchObject({ length: 200, error: null });
    expect(stream.planned).toEqual([task]);
  });

  it.each([
    ['its first part', { size: -1, length: 200, version: 'v' }, 0],
    ['an object and not a range', { size: 200, version: 'v' }, 1],
  ])('with a refused range fails its task where it was %s', async (_what, entry, which) => {
    const { task, send, back } = await createObject(entry, {}, { ranges: PARTS });
    const jobs = [send(), send()];
    back(jobs[which]!, failed(ErrorCode.RangeRejected));
    expect(task).toMatchObject({ length: 200, error: { code: 'RangeRejected' } });
  });

  it('otherwise, behind the begin of a range, fails its task', async () => {
    const { task, send, back } = await createObject(
      { size: -1, length: 200, version: 'v' },
      {},
      { ranges: PARTS },
    );
    send();
    back(send(), failed(ErrorCode.AccessDenied));
    expect(task).toMatchObject({ length: 200, error: { code: 'AccessDenied' } });
  });
});

describe('a job that was handed back', () => {
  it.each([Cancelled, Left])('leaves its task, whose memory is free: status %i', async (status) => {
    const { stream, task, send, back, used } = await createObject();
    back(send(), { status, landed: 0 });
    expect([task.left, task.state, used(), stream.ledger.failed]).toEqual([true, TaskState.Settled, 0, 0]);
  });
});

describe('an object that has another size than its plan', () => {
  it('begins again in that size, whatever version it is', async () => {
    const { stream, task, send, back, used } = await createObject({ version: 'old' });
    back(send(), { status: SizeChanged, landed: 0, size: 2000, version: 'new' });
    expect(task).toMatchObject(again(2000, null));
    expect([stream.planned, used()]).toEqual([[task], 0]);
  });

  it('also where neither plan nor service tell a version', async () => {
    const { task, send, back } = await createObject();
    back(send(), { status: SizeChanged, landed: 0, size: 2000 });
    expect(task).toMatchObject(again(2000, null));
  });

  it('has failed where it is of the very version that the plan has, with both sizes told', async () => {
    const { task, send, back } = await createObject({ version: 'v1' });
    back(send(), { status: SizeChanged, landed: 0, size: 2000, version: 'v1' });
    expect(task).toMatchObject({ state: TaskState.Settled, restarts: 0 });
    const uri = uriOf(task.entry);
    expect(task.error).toMatchObject({ code: 'ProtocolViolation', phase: 'head', uri });
    expect(task.error!.message).toBe(
      `${uri} has 1000 bytes in version v1, and the service sends 2000 bytes as that very version`,
    );
  });

  it('is seen by a part too, that is as long as it should be', async () => {
    const { task, send, back } = await createObject({ size: 300, version: 'v1' }, {}, { ranges: PARTS });
    back(send(), { size: 301, version: 'v2' });
    expect(task).toMatchObject(again(301, null));
  });

  it('is asked for from where it was wanted', async () => {
    const { task, send, back } = await createObject({ start: 900, version: 'v1' });
    back(send(), { status: SizeChanged, landed: 0, size: 950, version: 'v2' });
    expect(task).toMatchObject(again(950, null, { length: 50 }));
    const beyond = await createObject({ start: 900, version: 'v1' });
    beyond.back(beyond.send(), { status: SizeChanged, landed: 0, size: 800, version: 'v2' });
    expect(beyond.task).toMatchObject(again(800, null, { length: 0 }));
  });

  it('of a range that was asked for: the range stays', async () => {
    const { task, send, back } = await createObject({ start: 10, length: 50, version: 'v1' });
    back(send(), { status: SizeChanged, landed: 0, size: 900, version: 'v2' });
    expect(task).toMatchObject(again(900, null, { length: 50 }));
  });

  it('begins again five times, and is then reported as one that changes', async () => {
    const { stream, task, send, back, used } = await createObject();
    for (let restarts = 1; restarts <= 5; restarts += 1) {
      back(send(), { status: SizeChanged, landed: 0, size: 1000 + restarts });
      expect(task).toMatchObject(again(1000 + restarts, null, { restarts }));
      stream.planned.length = 0;
    }
    back(send(), { status: SizeChanged, landed: 0, size: 2000 });
    const uri = uriOf(task.entry);
    expect(task.error).toMatchObject({ code: 'VersionChanged', phase: 'body', uri });
    expect(task.error!.message).toBe(`${uri} changed 6 times while it was read`);
    expect([stream.ledger.failed, stream.planned, used()]).toEqual([1, [], 0]);
  });

  it('counts once for all of the jobs that saw it', async () => {
    const { task, send, back } = await createObject({ size: 200, version: 'v1' }, {}, { ranges: PARTS });
    const [first, second] = [send(), send()];
    back(first, { status: VersionChanged, landed: 0 });
    back(second, { status: VersionChanged, landed: 0 });
    expect(task.restarts).toBe(1);
  });
});

describe('an object that was replaced', () => {
  it('begins again in any version, of a size that is not known', async () => {
    const { stream, task, send, back } = await createObject({ version: 'v1' });
    back(send(), { status: VersionChanged, landed: 0 });
    expect(task).toMatchObject(again(-1, null));
    expect(stream.planned).toEqual([task]);
  });

  it('has failed where the user asked for exactly that version', async () => {
    const { task, send, back } = await createObject({ version: 'v1', pinned: true });
    back(send(), { status: VersionChanged, landed: 0 });
    const uri = uriOf(task.entry);
    expect(task).toMatchObject({ state: TaskState.Settled, restarts: 0 });
    expect(task.error).toMatchObject({ code: 'VersionChanged', phase: 'head', uri });
    expect(task.error!.message).toBe(`${uri} is no longer version v1`);
  });

  it('has failed with what the worker says of it, where it says something; the first one counts', async () => {
    const { task, send, back } = await createObject(
      { size: 200, version: 'v1', pinned: true },
      {},
      { ranges: PARTS },
    );
    const [first, second] = [send(), send()];
    const error = new MillraceError(ErrorCode.NotFound, 'that version is gone');
    back(first, { status: VersionChanged, landed: 0, error });
    back(second, { status: VersionChanged, landed: 0 });
    expect(task.error).toMatchObject({ code: 'NotFound', phase: 'head', uri: uriOf(task.entry) });
  });

  it('keeps the version that was asked for where it begins again for another reason', async () => {
    const { task, send, back } = await createObject({ version: 'v1', pinned: true });
    back(send(), failed(ErrorCode.ChecksumMismatch));
    expect(task).toMatchObject(again(1000, 'v1', { restarts: 0, mismatches: 1 }));
  });

  it('is not taken for the one that the late parts of the old one are of', async () => {
    const { task, deps, send } = await createObject({ size: 200, version: 'v1' }, {}, { ranges: PARTS });
    const [first, second] = [send(), send()];
    unlinkJob(first);
    applyResult(first, rowOf(0, { status: SizeChanged, size: 500, version: 'v2' }), deps);
    expect(task).toMatchObject({ restart: true, size: 500, length: 500, version: null });
    unlinkJob(second);
    applyResult(second, rowOf(100, { size: 200, version: 'v1' }), deps);
    expect(task).toMatchObject(again(500, null));
  });
});
