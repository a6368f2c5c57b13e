import { describe, expect, it } from 'vitest';
import { Asks } from '../../../dist/actors/supervisor/asks.js';
import { blame, crashLoopError, type Loss } from '../../../dist/actors/supervisor/blame.js';
import { follow } from '../../../dist/actors/supervisor/follow.js';
import type { FetchJobRecord } from '../../../dist/actors/supervisor/jobs.js';
import type { StreamListRequest, StreamOptions } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { OwnWord } from '../../../dist/protocol/context.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { createKeyPageBuilder } from '../../../dist/protocol/key-page.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { handClock } from '../../protocol/hand-clock.js';
import { isSettled } from '../../protocol/pipe.js';
import { createCrew, createStream, keyOf, MIB, taskOf, uriOf } from './kit.js';

const INFO = { size: 5, version: null, lastModifiedMs: null, contentType: null };
const LIST: StreamListRequest = {
  store: 1,
  prefix: keyOf(0),
  delimiter: null,
  continuation: null,
  limit: 10,
};

function createAsks() {
  const { stream } = createStream(new Arena(MIB), []);
  const crew = createCrew(2);
  const asks = new Asks();
  let id = 0;
  /** Sends the next one to a worker, as the dispatcher does. */
  const send = (index: number): number => {
    id += 1;
    stream.jobsOut += 1;
    asks.sent(id, crew.at(index));
    return id;
  };
  return { asks, stream, crew, send };
}

describe('a question', () => {
  it('waits in order until a worker has it, and ends with its answer', async () => {
    const { asks, stream, crew, send } = createAsks();
    const page = createKeyPageBuilder().finish(['p/'], null);
    const [list, head] = [asks.list(stream, LIST), asks.head(stream, 2, keyOf(7))];
    expect(asks.next?.body).toEqual({ kind: 'list', ...LIST });
    const first = send(0);
    expect(asks.next?.body).toEqual({ kind: 'head', store: 2, key: keyOf(7) });
    const second = send(1);
    expect(asks.next).toBeNull();
    asks.take(second, crew.at(1))!.settle(INFO, null);
    asks.take(first, crew.at(0))!.settle(page, null);
    expect(await head).toEqual(INFO);
    expect(await list).toBe(page);
  });

  it('that ends an upload goes before those that wait', () => {
    const { asks, stream } = createAsks();
    const settled = [
      asks.head(stream, 1, keyOf(0)),
      asks.write(stream, 1, { kind: 'abort', key: keyOf(1), upload: 'u' }),
      asks.head(stream, 1, keyOf(2)),
    ];
    for (const wait of settled) wait.catch(() => {});
    expect(asks.next).toMatchObject({ ends: true, body: { kind: 'write', request: { kind: 'abort' } } });
    asks.turned(stream);
  });

  it('carries its keys alone, not the page that they were cut from, be they views of a Buffer or of an array', () => {
    const { asks, stream, send } = createAsks();
    const page = Buffer.from(new Uint8Array(1000).fill(7).buffer);
    const key = page.subarray(10, 14);
    const settled = [
      asks.list(stream, { ...LIST, prefix: key }),
      asks.head(stream, 1, key),
      asks.write(stream, 1, { kind: 'delete', keys: [key, key], ifVersion: null }),
      asks.write(stream, 1, { kind: 'uploads', prefix: key, continuation: null }),
      asks.write(stream, 1, { kind: 'abort', key, upload: 'u' }),
      asks.write(stream, 1, {
        kind: 'copy',
        key,
        sourceStore: 'x://y',
        sourceKey: key,
        sourceVersion: null,
        ifAbsent: false,
        ifVersion: null,
      }),
    ];
    for (const wait of settled) wait.catch(() => {});
    const buffers: number[] = [];
    for (let ask = asks.next; ask !== null; ask = asks.next) {
      const look = (value: unknown): void => {
        if (value instanceof Uint8Array) buffers.push(value.buffer.byteLength);
        else if (typeof value === 'object' && value !== null) Object.values(value).forEach(look);
      };
      look(ask.body);
      send(0);
    }
    expect(buffers).toEqual([4, 4, 4, 4, 4, 4, 4, 4]);
    stream.token.cancel('enough');
  });

  it('ends with its error, or with that of the token when there is none', async () => {
    const { asks, stream, crew, send } = createAsks();
    const [failed, cancelled] = [asks.head(stream, 1, keyOf(0)), asks.head(stream, 1, keyOf(1))];
    const [first, second] = [send(0), send(0)];
    asks.take(first, crew.at(0))!.settle(null, new MillraceError(ErrorCode.NotFound, 'gone'));
    await expect(failed).rejects.toMatchObject({ code: 'NotFound' });
    stream.token.cancel('enough');
    asks.take(second, crew.at(0))!.settle(null, null);
    await expect(cancelled).rejects.toMatchObject({ code: 'Cancelled', message: 'cancelled: enough' });
  });

  it('is answered once, and only by the worker that has it', async () => {
    const { asks, stream, crew, send } = createAsks();
    const head = asks.head(stream, 1, keyOf(0));
    const id = send(0);
    expect(asks.take(id, crew.at(1))).toBeNull();
    expect(asks.take(id + 1, crew.at(0))).toBeNull();
    asks.take(id, crew.at(0))!.settle(INFO, null);
    expect(asks.take(id, crew.at(0))).toBeNull();
    expect(await head).toEqual(INFO);
  });

  it('goes to another worker, before all that wait, when its own has died', async () => {
    const { asks, stream, crew, send } = createAsks();
    const heads = [0, 1, 2, 3].map((number) => asks.head(stream, 1, keyOf(number)));
    send(0);
    const kept = send(1);
    send(0);
    asks.orphaned(crew.at(0), null);
    expect(stream.jobsOut).toBe(1);
    const order: unknown[] = [];
    while (asks.next !== null) {
      order.push(asks.next.body);
      const id = send(1);
      asks.take(id, crew.at(1))!.settle(INFO, null);
    }
    expect(order).toEqual([0, 2, 3].map((number) => ({ kind: 'head', store: 1, key: keyOf(number) })));
    asks.take(kept, crew.at(1))!.settle(INFO, null);
    expect(await Promise.all(heads)).toHaveLength(4);
  });

  it('is given up when three workers have died with it', async () => {
    const { asks, stream, crew, send } = createAsks();
    const head = asks.head(stream, 1, keyOf(0));
    for (let death = 0; death < 3; death += 1) {
      expect(await isSettled(head)).toBe(false);
      send(0);
      asks.orphaned(crew.at(0), new Error('out of memory'));
    }
    await expect(head).rejects.toMatchObject({ code: 'WorkerCrashed', cause: { message: 'out of memory' } });
    expect([asks.next, stream.jobsOut]).toEqual([null, 0]);
  });

  it('of a stream that turned meanwhile ends when its worker dies: nobody begins it again', async () => {
    const { asks, stream, crew, send } = createAsks();
    const head = asks.head(stream, 1, keyOf(0));
    send(0);
    stream.token.drain('SIGTERM');
    asks.turned(stream);
    asks.orphaned(crew.at(0), null);
    await expect(head).rejects.toMatchObject({ code: 'Draining' });
    expect(asks.next).toBeNull();
  });

  it('of a stream that turns while its worker is buried is not begun again either', async () => {
    const { asks, stream, crew, send } = createAsks();
    const heads = [0, 1].map((number) => asks.head(stream, 1, keyOf(number)));
    send(0);
    send(0);
    const jobEnded = stream.jobEnded.bind(stream);
    // As one whose deadline has passed, which is seen when it is looked at.
    stream.jobEnded = () => {
      jobEnded();
      if (stream.jobsOut > 0) return;
      stream.token.drain('deadline');
      asks.turned(stream);
    };
    asks.orphaned(crew.at(0), null);
    for (const head of heads) await expect(head).rejects.toMatchObject({ code: 'Draining' });
    expect(asks.next).toBeNull();
  });

  it('that waits ends when its stream turns, and those of other streams wait on', async () => {
    const { asks, stream } = createAsks();
    const other = createStream(new Arena(MIB), []).stream;
    const [mine, others] = [asks.list(stream, LIST), asks.list(other, LIST)];
    stream.token.drain('SIGTERM');
    asks.turned(stream);
    await expect(mine).rejects.toMatchObject({ code: 'Draining' });
    expect(asks.next?.stream).toBe(other);
    expect(await isSettled(others)).toBe(false);
  });

  it('is refused at once on a stream that has turned', async () => {
    const { asks, stream } = createAsks();
    stream.token.cancel('enough');
    await expect(asks.list(stream, LIST)).rejects.toMatchObject({ code: 'Cancelled' });
    expect(asks.next).toBeNull();
  });
});

describe('follow', () => {
  it('takes a token where its caller went, with the reason', () => {
    const caller = new CancellationToken({ clock: handClock() });
    const token = new CancellationToken({ clock: handClock() });
    follow(token, caller);
    expect(token.state).toBe(0);
    caller.drain('SIGTERM');
    follow(token, caller);
    expect(token).toMatchObject({ draining: true, reason: 'SIGTERM' });
    caller.cancel();
    follow(token, caller);
    expect(token).toMatchObject({ cancelled: true, reason: 'SIGTERM' });
  });

  it('leaves the deadline of a drain to the caller', () => {
    const clock = handClock();
    const caller = new CancellationToken({ clock });
    const token = new CancellationToken({ clock });
    token.onStop(() => {});
    caller.drain('slow', { deadlineMs: Infinity });
    follow(token, caller);
    expect(clock.timers).toBe(0);
    clock.advance(1e9);
    expect(token.draining).toBe(true);
  });
});

describe('the blame for a lost worker', () => {
  function lose(
    transforming: readonly number[],
    deaths = 1,
    code: Loss['code'] = ErrorCode.WorkerCrashed,
    hedges = 0,
    transform: StreamOptions['transform'] = null,
  ) {
    const { stream } = createStream(new Arena(MIB), [], { transform });
    const worker = createCrew(1).at(0);
    for (const [slot, id] of transforming.entries())
      Atomics.store(worker.link.ownWords, OwnWord.Transforming + slot, id);
    const jobs = (ids: readonly number[], tasks = ids.map((id) => taskOf(id))): FetchJobRecord[] =>
      ids.map((id, i) => ({
        id,
        stream,
        task: tasks[i]!,
        worker,
        part: { from: 0, length: 1, whole: true, copy: null, landed: false },
        weight: 1,
        hedge: null,
      }));
    const loss: Loss = { worker, cause: new Error('segfault'), code, hedges, concurrency: 4 };
    return (ids: readonly number[]) => {
      const records = jobs(ids);
      for (let death = 0; death < deaths; death += 1)
        blame(records, loss, { arena: new Arena(MIB), uri: uriOf });
      return records.map(({ task }) => task);
    };
  }

  it('of a job that was alone but for a hedge is not clear', () => {
    const crashed = ErrorCode.WorkerCrashed;
    expect(lose([], 3, crashed, 1)([11]).map(({ crashes }) => crashes)).toEqual([1]);
    expect(lose([], 3, crashed, 0)([11]).map(({ crashes }) => crashes)).toEqual([3]);
    expect(lose([], 3, crashed, 1)([11, 12]).map(({ crashes }) => crashes)).toEqual([1, 1]);
  });

  it('is with the jobs whose transform was running, and with nobody else', () => {
    expect(lose([0, 12, 0, 14])([11, 12, 13, 14]).map((task) => task.crashes)).toEqual([0, 1, 0, 1]);
  });

  it('is with the only job that there was', () => {
    expect(lose([])([11]).map((task) => task.crashes)).toEqual([1]);
  });

  it('is open where several may have done it: each runs alone, and no death counts', () => {
    const tasks = lose([], 10)([11, 12]);
    expect(tasks.map((task) => [task.crashes, task.error])).toEqual([
      [1, null],
      [1, null],
    ]);
  });

  it('is with the one job whose transform was running, whoever was beside it', () => {
    expect(lose([12], 3)([11, 12]).map((task) => [task.crashes, task.error?.code])).toEqual([
      [0, undefined],
      [3, 'WorkerCrashed'],
    ]);
    // Two transforms: each of them may have done it.
    expect(lose([11, 12], 9)([11, 12]).map((task) => [task.crashes, task.error])).toEqual([
      [1, null],
      [1, null],
    ]);
  });

  it('names what was being done', () => {
    const sink = { store: 1, prefix: new Uint8Array(0), strip: 0, upload: null, ifAbsent: false };
    const steps = [null, { url: 'x:', options: null }, { ...sink, ifVersion: null, contentType: null }];
    const phases = steps.map((step) => lose([], 3, ErrorCode.WorkerCrashed, 0, step)([11])[0]!.error?.phase);
    expect(phases).toEqual(['request', 'transform', 'write']);
  });

  it.each([
    [ErrorCode.WorkerCrashed, 3, 'died'],
    [ErrorCode.WorkerStuck, 2, 'stopped answering'],
  ] as const)('ends an item for good: %s after %i', (code, deaths, verb) => {
    expect(lose([], deaths - 1, code)([11])[0]!.error).toBeNull();
    expect(lose([], deaths, code)([11])[0]!.error).toMatchObject({
      code,
      uri: uriOf(taskOf(11).entry),
      worker: 'worker-0#0',
      message: expect.stringContaining(`${deaths} workers ${verb}`),
      cause: { message: 'segfault' },
    });
  });
});

describe('workers that die before they have done anything', () => {
  it('end every load with how many it were, and what the last one died of', () => {
    const cause = new Error('no such module');
    expect(crashLoopError(7, cause)).toMatchObject({
      code: 'WorkerCrashed',
      message: 'workers died 7 times in a row without a single result: no such module',
      context: { phase: 'request' },
      cause,
    });
    expect(crashLoopError(7, null).message).toMatch(/without a single result$/);
  });
});
