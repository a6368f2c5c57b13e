import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import { writeToken } from '../../../dist/protocol/words.js';
import { BYTES, byteOf, fetchOf, STORE, storeSpec, streamSpec, workerOf } from './worker.kit.js';

const stores = [storeSpec()];
const problem = new MillraceError(ErrorCode.ServiceUnavailable, 'not now');
const jobs = (...ids: number[]) => ids.map((id) => ({ id }));

/** A worker with one message of jobs under way, of stream 1. */
async function working(concurrency: number, ...ids: number[]) {
  const kit = workerOf({ concurrency });
  await kit.send(fetchOf(1, jobs(...ids), { open: streamSpec(1), stores }));
  return kit;
}

describe('a worker', () => {
  it('says that it is ready, and answers what it does', async () => {
    const kit = await working(2, 1, 2, 3);
    expect(kit.replies).toEqual([{ kind: 'ready' }]);
    expect(kit.reads.map(({ key }) => key)).toEqual(['k1', 'k2']);
    expect(kit.stats()).toMatchObject({
      busy: 2,
      queued: 1,
      delivered: 0,
      retries: 0,
      bytes: 0,
      doneFull: 0,
      connectionsOpened: 5,
    });
    expect(kit.stats().origins).toMatchObject([{ store: 's3://shelf-3', inFlight: 2 }]);
    for (const key of ['k1', 'k2', 'k3']) kit.read(key).answer();
    await kit.flow();
    expect(kit.stats()).toMatchObject({ busy: 0, queued: 0, delivered: 3, bytes: 3 * BYTES });
    expect(kit.rows().map(({ id, status, landed }) => [id, status, landed])).toEqual([
      [1, DoneStatus.Ok, BYTES],
      [2, DoneStatus.Ok, BYTES],
      [3, DoneStatus.Ok, BYTES],
    ]);
    const bytes = new Uint8Array(kit.arena, 2 * BYTES, BYTES);
    expect([...bytes]).toEqual(Array.from({ length: BYTES }, (_, at) => byteOf('k2', at)));
  });

  it('opens each store once, and gives it fresher snapshots however they come', async () => {
    const kit = await working(4, 1);
    const snapshot = (version: number) => ({ version, expiresAtMs: null, config: null });
    await kit.send(fetchOf(1, jobs(2), { stores: [storeSpec(STORE, { snapshot: snapshot(2) })] }));
    await kit.control({ kind: 'store', id: STORE, snapshot: snapshot(3) });
    expect([kit.opened, kit.updates]).toEqual([
      [STORE],
      [
        [STORE, 2],
        [STORE, 3],
      ],
    ]);
  });

  it('goes to its end with an error when it is sent a job of a stream that it does not know', async () => {
    const kit = workerOf();
    await kit.send(fetchOf(9, jobs(1), { stores }));
    expect(kit.state.over).toBe('no stream 9 in worker-0#0');
    const closed = await working(4, 1);
    closed.read('k1').answer();
    await closed.control({ kind: 'close-stream', stream: 1 });
    await closed.send(fetchOf(1, jobs(2)));
    expect(closed.state.over).toBe('no stream 1 in worker-0#0');
  });

  it('counts the attempts that it made again, and the answers that a full port has kept', async () => {
    const kit = workerOf({ resultsCapacity: 1 });
    await kit.send(fetchOf(1, jobs(1, 2), { open: streamSpec(1), stores }));
    kit.read('k1').answer({ outcome: Outcome.Transient, landed: 0, error: problem });
    await kit.untilQuiet();
    kit.read('k1').answer();
    kit.read('k2').answer();
    await kit.flow();
    expect(kit.rows().map(({ id, retries }) => [id, retries])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(kit.stats()).toMatchObject({ retries: 1, doneFull: 0 });
    await kit.send(fetchOf(1, jobs(3)), fetchOf(1, jobs(4)));
    kit.read('k3').answer();
    kit.read('k4').answer();
    await kit.flow(false);
    expect(kit.stats().doneFull).toBe(1);
    await kit.flow();
    expect(kit.rows()).toHaveLength(4);
  });
});

describe('finished rows', () => {
  it('wait for five milliseconds for those beside them, and go at once with the last', async () => {
    const kit = await working(4, 1, 2, 3);
    kit.read('k2').answer();
    kit.read('k1').answer();
    await kit.flow();
    expect([kit.messages.length, kit.sleeps.map(({ ms }) => ms)]).toEqual([0, [5]]);
    await kit.wake(5);
    expect(kit.rows().map(({ id }) => id)).toEqual([2, 1]);
    kit.read('k3').answer();
    await kit.flow();
    expect([kit.messages.length, kit.sleeps.length]).toEqual([2, 0]);
    // The timer serves the next ones too.
    await kit.send(fetchOf(1, jobs(4, 5)));
    kit.read('k4').answer();
    await kit.flow();
    expect([kit.messages.length, kit.sleeps.map(({ ms }) => ms)]).toEqual([2, [5]]);
  });

  it('wait also while another message has rows that have not begun', async () => {
    const kit = await working(1, 1);
    await kit.send(fetchOf(1, jobs(2)));
    kit.read('k1').answer();
    await kit.flow();
    expect([kit.messages.length, kit.reads.map(({ key }) => key)]).toEqual([0, ['k2']]);
    kit.read('k2').answer();
    await kit.flow();
    expect([kit.messages.length, kit.rows().length]).toEqual([1, 2]);
  });

  it('wait no longer once there are 48 of them', async () => {
    const ids = Array.from({ length: 60 }, (_, i) => i + 1);
    const kit = await working(1, ...ids);
    for (const id of ids.slice(0, 47)) kit.read(`k${id}`).answer();
    await kit.flow();
    expect(kit.messages).toEqual([]);
    kit.read('k48').answer();
    await kit.flow();
    expect([kit.messages.length, kit.rows().length]).toEqual([1, 48]);
  });

  it('do not wait when nobody wants them any more', async () => {
    const kit = await working(4, 1, 2);
    await kit.control({ kind: 'revoke', job: 1 });
    expect(kit.rows().map(({ id, status }) => [id, status])).toEqual([[1, DoneStatus.Cancelled]]);
    expect(kit.reads.map(({ key }) => key)).toEqual(['k2']);
  });
});

describe('a turn of a token', () => {
  it.each([
    [StopState.Cancelled, DoneStatus.Cancelled],
    [StopState.Draining, DoneStatus.Left],
  ])(
    'to %i hands back what has not begun of its stream, at once, and nothing of another one',
    async (to, status) => {
      const kit = await working(2, 1, 2, 3, 4);
      await kit.send(fetchOf(2, jobs(11, 12), { open: streamSpec(2) }));
      await kit.turn(1, to);
      const begun = to === StopState.Cancelled ? [] : [1, 2];
      if (to === StopState.Draining) {
        expect(kit.rows().map((row) => [row.id, row.status])).toEqual([
          [3, status],
          [4, status],
        ]);
        expect(kit.reads.map(({ key }) => key)).toEqual(['k1', 'k2']);
        for (const key of ['k1', 'k2']) kit.read(key).answer();
        await kit.flow();
      }
      expect(kit.reads.map(({ key }) => key)).toEqual(['k11', 'k12']);
      await kit.untilQuiet();
      const byId = kit.rows().sort((a, b) => a.id - b.id);
      expect(byId.map((row) => [row.id, row.status])).toEqual(
        [1, 2, 3, 4].map((id) => [id, begun.includes(id) ? DoneStatus.Ok : status]),
      );
      expect(byId.map(({ landed, error }) => [landed, error])).toEqual(
        [1, 2, 3, 4].map((id) => [begun.includes(id) ? BYTES : 0, null]),
      );
    },
  );

  it('that came before the job did keeps it from being begun', async () => {
    const kit = workerOf();
    await kit.turn(1, StopState.Draining);
    await kit.send(fetchOf(1, jobs(1), { open: streamSpec(1), stores }));
    expect([kit.reads, kit.rows().map(({ status }) => status)]).toEqual([[], [DoneStatus.Left]]);
  });

  it('of an epoch that is over wakes nobody', async () => {
    const kit = await working(2, 1);
    await kit.control({ kind: 'token', slot: 1, epoch: 0, state: StopState.Cancelled });
    await kit.control({ kind: 'token', slot: 2, epoch: 1, state: StopState.Cancelled });
    expect([kit.reads.length, kit.rows()]).toEqual([1, []]);
  });

  it('hands back a question that has not begun, and answers one that is under way', async () => {
    const kit = await working(1, 1);
    const head = (jobId: number, stream: number): JobMessage => ({
      kind: 'head',
      jobId,
      stream,
      store: STORE,
      key: new Uint8Array(1),
      open: stream === 1 ? null : streamSpec(stream),
      stores: [],
    });
    await kit.send(head(50, 2), head(51, 1));
    await kit.turn(2, StopState.Cancelled);
    expect(kit.messages).toEqual([
      { kind: 'info', jobId: 50, status: DoneStatus.Cancelled, info: null, error: null },
    ]);
    await kit.turn(1, StopState.Draining);
    expect(kit.messages[1]).toMatchObject({ jobId: 51, status: DoneStatus.Left });
  });
});

describe('a stop', () => {
  it('hands back what has not begun, lets what is under way come to its end, and is acknowledged last', async () => {
    const kit = await working(2, 1, 2, 3);
    await kit.control({ kind: 'stop' });
    expect(kit.rows().map((row) => [row.id, row.status])).toEqual([[3, DoneStatus.Left]]);
    expect([kit.state.over, kit.closed]).toEqual([null, []]);
    kit.read('k1').answer();
    await kit.flow();
    expect(kit.state.over).toBe(null);
    kit.read('k2').answer();
    await kit.flow();
    await kit.running;
    expect([kit.state.over, kit.closed, kit.rows().length]).toEqual(['over', [STORE], 3]);
    expect(kit.replies.at(-1)).toEqual({ kind: 'stopped', delivered: 2, left: 1, error: null });
  });

  it('hands back as cancelled what belongs to a stream that is cancelled', async () => {
    const kit = await working(1, 1, 2);
    await kit.send(fetchOf(2, jobs(11), { open: streamSpec(2) }));
    await kit.turn(2, StopState.Cancelled);
    await kit.control({ kind: 'stop' });
    const statuses = Object.fromEntries(kit.rows().map(({ id, status }) => [id, status]));
    expect(statuses).toEqual({ 2: DoneStatus.Left, 11: DoneStatus.Cancelled });
  });

  it('hands back as cancelled, too, what is of a stream whose message of a cancel is still on its way', async () => {
    const kit = await working(1, 1, 2);
    writeToken(kit.words, 1, 1, StopState.Cancelled);
    await kit.control({ kind: 'stop' });
    expect(kit.rows().map((row) => [row.id, row.status])).toEqual([[2, DoneStatus.Cancelled]]);
  });

  it('hands back at once what waits for its origin', async () => {
    const kit = workerOf();
    const open = streamSpec(1, { throttleTimeoutMs: 60_000 });
    await kit.send(fetchOf(1, jobs(1), { open, stores }));
    kit.read('k1').answer({ outcome: Outcome.Throttled, landed: 0, error: problem });
    await kit.flow();
    expect([kit.reads, kit.rows(), kit.stats().busy]).toEqual([[], [], 0]);
    await kit.control({ kind: 'stop' });
    await kit.running;
    expect(kit.rows()).toMatchObject([{ id: 1, status: DoneStatus.Left, throttled: 1 }]);
    expect(kit.replies.at(-1)).toMatchObject({ kind: 'stopped', delivered: 0, left: 1 });
  });

  it('takes what was on its way before it, and hands that back', async () => {
    const kit = await working(4, 1);
    const sent = kit.send(fetchOf(1, jobs(2)));
    await kit.control({ kind: 'stop' });
    await sent;
    kit.read('k1').answer();
    await kit.flow();
    await kit.running;
    const statuses = Object.fromEntries(kit.rows().map(({ id, status }) => [id, status]));
    expect(statuses).toEqual({ 1: DoneStatus.Ok, 2: DoneStatus.Left });
    expect(kit.reads).toEqual([]);
  });

  it('ends a worker that has nothing to do, and its watch over slow attempts', async () => {
    const kit = await working(4, 1);
    await kit.send(fetchOf(1, [{ id: 2, flags: JobFlag.Watched }]));
    expect(kit.sleeps.map(({ ms }) => ms)).toEqual([10]);
    for (const key of ['k1', 'k2']) kit.read(key).answer();
    await kit.flow();
    await kit.control({ kind: 'stop' });
    await kit.running;
    expect([kit.state.over, kit.sleeps.filter(({ ms }) => ms === 10)]).toEqual(['over', []]);
    expect(kit.replies.at(-1)).toMatchObject({ kind: 'stopped', delivered: 2 });
  });

  it('waits until every row has found room in the port', async () => {
    const kit = workerOf({ resultsCapacity: 1 });
    await kit.send(fetchOf(1, jobs(1), { open: streamSpec(1), stores }), fetchOf(1, jobs(2)));
    kit.read('k1').answer();
    kit.read('k2').answer();
    await kit.flow(false);
    void kit.control({ kind: 'stop' });
    expect([kit.state.over, kit.replies.length]).toEqual([null, 1]);
    await kit.flow();
    await kit.running;
    expect([kit.rows().length, kit.replies.at(-1)!.kind]).toEqual([2, 'stopped']);
  });
});
