/** How a stream comes to its end: with its plan, by a failure, a cancel or a drain. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { handClock } from '../../protocol/hand-clock.js';
import { isSettled } from '../../protocol/pipe.js';
import { pages, settle } from './kit.js';
import { fail, GONE, open, sequences, some, turn } from './stream.kit.js';

describe('a plan that fails', () => {
  it('fails its stream, behind what it had brought', async () => {
    const { stream, token, pull } = open([some(1), GONE]);
    const [task] = await pull();
    settle(stream, task!);
    await pull();
    expect(token.reason).toBe('failed');
    expect(sequences(await stream.next())).toEqual([0]);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 1, listed: 'partial' });
  });

  it('after the stream turned is no failure: the stream ends when its answer is there', async () => {
    const { stream, token } = open([GONE]);
    stream.pull(10);
    token.drain('SIGTERM');
    expect(stream.over).toBe(false);
    await turn();
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'SIGTERM', listed: 'partial' });
  });

  it('after its consumer went away is none either', async () => {
    const { stream } = open([GONE]);
    stream.pull(10);
    const finished = stream.finish('break');
    expect(await finished).toMatchObject({ reason: 'break' });
    expect(await stream.next()).toBeNull();
  });

  it('lets the supervisor go on when it answers', async () => {
    const { told, stream } = open([some(1)]);
    stream.pull(10);
    const { pokes } = told;
    await turn();
    expect(told.pokes).toBe(pokes + 1);
  });
});

describe('a stream that is cancelled', () => {
  it('drops what is ready, refuses whoever waits or comes, and ends when its jobs are back', async () => {
    const { stream, token, told, pull, used } = open([some(5)]);
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    tasks[3]!.jobsOut = stream.jobsOut = 1;
    token.cancel('enough');
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
    expect([stream.open, stream.over]).toEqual([false, false]);
    stream.jobEnded();
    expect([stream.over, told.closed, used()]).toEqual([true, 1, 0]);
    expect(await stream.ended).toMatchObject({ reason: 'enough', dropped: 3, left: 2, delivered: 0 });
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('tells its waiting consumer the error of the caller', async () => {
    const { stream, token } = open([some(1)], {}, { deps: { stopError: () => GONE } });
    const next = stream.next();
    token.cancel('enough');
    await expect(next).rejects.toBe(GONE);
  });

  it('waits for its plan to answer, and takes nothing of it', async () => {
    const { stream, token } = open([some(3)]);
    stream.pull(10);
    token.cancel('enough');
    expect(stream.over).toBe(false);
    await turn();
    expect(stream.over).toBe(true);
    expect(await stream.ended).toMatchObject({ planned: 0, listed: 'partial' });
  });

  it('before it is opened is over at once', async () => {
    const token = new CancellationToken({ clock: handClock() });
    token.cancel('too late');
    const { stream, told } = open([some(3)], {}, { token });
    expect([stream.over, told.closed]).toEqual([true, 1]);
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
    expect((await stream.ended).reason).toBe('too late');
  });

  it('when it is over stays as it ended', async () => {
    const token = new CancellationToken({ clock: handClock() });
    const onChange = token.onChange.bind(token);
    let listeners = 0;
    token.onChange = (fn) => {
      const unlink = onChange(fn);
      listeners += 1;
      return () => {
        listeners -= 1;
        unlink();
      };
    };
    const { stream, told, pull } = open([null], {}, { token });
    expect(listeners).toBe(1);
    await pull();
    expect(listeners).toBe(0);
    token.cancel('enough');
    expect(await stream.next()).toBeNull();
    expect([(await stream.ended).reason, told.closed]).toEqual(['completed', 1]);
  });

  it('after it failed hands out nothing that is behind the failure, also while jobs are out', async () => {
    const { stream, pull } = open([some(3)], { onError: 'fail' });
    const tasks = await pull();
    stream.jobsOut = 1;
    settle(stream, tasks[1]!);
    fail(stream, tasks[0]!);
    await expect(stream.next()).rejects.toBe(GONE);
    expect([stream.over, stream.tasks.size]).toEqual([false, 2]);
    stream.jobEnded();
    expect(await stream.ended).toMatchObject({ failed: 1, left: 2, delivered: 0, dropped: 0 });
  });

  it('after it failed stays failed', async () => {
    const { stream, token, pull } = open([some(2)], { onError: 'fail' });
    const tasks = await pull();
    tasks[1]!.jobsOut = stream.jobsOut = 1;
    fail(stream, tasks[0]!);
    token.cancel('enough');
    await expect(stream.next()).rejects.toBe(GONE);
    stream.jobEnded();
    expect((await stream.ended).reason).toBe('failed');
  });
});

describe('a stream that drains', () => {
  it('hands out what is complete up to the first gap, and leaves the rest', async () => {
    const { stream, token, pull, used } = open([some(6), some(3)], { dropLast: true });
    const tasks = await pull();
    for (const sequence of [0, 1, 2, 5]) settle(stream, tasks[sequence]!);
    tasks[3]!.jobsOut = stream.jobsOut = 1;
    token.drain('SIGTERM');
    expect(sequences(await stream.next())).toEqual([0, 1]);
    const next = stream.next();
    expect(await isSettled(next)).toBe(false);
    stream.jobEnded();
    // A short batch is handed out also where one at the end of a plan is dropped.
    expect(sequences(await next)).toEqual([2]);
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'SIGTERM', delivered: 3, left: 3, dropped: 0 });
    expect(used()).toBe(pages(2));
  });

  it('leaves what was handed back, and what is behind it', async () => {
    const { stream, token, pull, used } = open([some(4)]);
    const tasks = await pull();
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    settle(stream, tasks[0]!);
    tasks[1]!.left = true;
    settle(stream, tasks[1]!);
    settle(stream, tasks[2]!);
    expect(stream.tasks.size).toBe(3);
    stream.jobEnded();
    expect(sequences(await stream.next())).toEqual([0]);
    expect(await stream.ended).toMatchObject({ delivered: 1, left: 3 });
    expect(used()).toBe(pages(1));
  });

  it('in order of completion leaves only what was handed back', async () => {
    const { stream, token, pull } = open([some(3)], { order: 'completion' });
    const tasks = await pull();
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    tasks[0]!.left = true;
    settle(stream, tasks[0]!);
    settle(stream, tasks[1]!);
    settle(stream, tasks[2]!);
    expect(sequences(await stream.next())).toEqual([1, 2]);
    stream.jobEnded();
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ delivered: 2, left: 1 });
  });

  it('with nothing on its way is over at once', async () => {
    const { stream, token } = open([some(3)]);
    const next = stream.next();
    token.drain('SIGTERM');
    expect(await next).toBeNull();
    expect([stream.over, (await stream.ended).reason]).toEqual([true, 'SIGTERM']);
  });

  it('before it is opened is over at once', async () => {
    const token = new CancellationToken({ clock: handClock() });
    token.drain('SIGTERM');
    const { stream, told } = open([some(3)], {}, { token });
    expect([stream.over, told.closed]).toEqual([true, 1]);
    expect(await stream.next()).toBeNull();
  });

  it('leaves what begins again, without waiting for memory', async () => {
    const { stream, token, pull, used } = open([some(1)]);
    const [task] = await pull();
    stream.granted.length = 0;
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    stream.jobsOut = 0;
    stream.replan(task!);
    expect([stream.over, used()]).toEqual([true, 0]);
    expect(await stream.ended).toMatchObject({ planned: 1, left: 1 });
  });
});

describe('a stream that the runtime ends with an error', () => {
  it('hands out what is ready first', async () => {
    const { stream, pull } = open([some(4)]);
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    stream.fail(GONE);
    stream.fail(new MillraceError(ErrorCode.Internal, 'another one'));
    expect(sequences(await stream.next())).toEqual([0, 1]);
    expect(sequences(await stream.next())).toEqual([2]);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 3, left: 1 });
  });
});

describe('a last batch that is short', () => {
  it('and dropped waits for those before it: an eviction has them come again as a whole', async () => {
    const { stream, told, pull, used } = open([some(3), null], { dropLast: true, batchSize: 2 });
    for (const task of await pull()) settle(stream, task);
    await pull();
    expect([stream.over, used()]).toEqual([false, pages(1)]);
    const batch = await stream.next();
    expect([stream.over, told.closed]).toEqual([true, 1]);
    stream.release(batch!);
    expect(await stream.ended).toMatchObject({ delivered: 2, dropped: 1, reason: 'completed' });
    expect(used()).toBe(0);
  });
});
