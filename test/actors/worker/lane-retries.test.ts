/** What a lane does between two attempts: it waits, asks for credentials, or ends. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import { complete, laneOf, scriptedStore, settled, STORE, transient } from './lane.kit.js';

const problem = new MillraceError(ErrorCode.ServiceUnavailable, 'not now');

describe('between two attempts', () => {
  it('a job asks for fresher credentials than it had, and goes on at once, or fails where there are none', async () => {
    const stale = { ...transient, outcome: Outcome.StaleCredentials, error: problem };
    const { store, reads } = scriptedStore(stale, complete);
    const { begin, ended, state } = laneOf(() => store);
    begin('a');
    await settled();
    expect([state.refused, reads.length, ended[0]!.status]).toEqual([[[STORE, STORE + 5]], 2, DoneStatus.Ok]);
    const second = laneOf(() => scriptedStore(stale).store);
    second.state.refusal = new MillraceError(ErrorCode.Unauthenticated, 'none');
    second.begin('a');
    await settled();
    expect([second.lane.status, second.lane.error]).toEqual([DoneStatus.Failed, second.state.refusal]);
  });

  it('a job that was told to slow down waits for its time, and goes on when it is let in', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const { store, reads } = scriptedStore(throttled, complete);
    const { begin, ended, lane, state, inFlight } = laneOf(() => store, { throttleTimeoutMs: 9000 });
    state.now = 500;
    begin('a');
    await settled();
    expect(state.waits).toEqual([{ waiter: lane, dueAtMs: 550 }]);
    expect([lane.patienceMs, reads.length, lane.throttled, inFlight()]).toEqual([9000, 1, 1, 0]);
    lane.resume(true, null);
    expect([ended.length, lane.retries, lane.throttled]).toEqual([1, 1, 1]);
  });

  it('a job that waits ends with the error that it is given, or as its token or its worker says', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const waiting = async (answer = throttled) => {
      const { store, reads } = scriptedStore(answer, complete);
      const kit = laneOf(() => store, { throttleTimeoutMs: 9000 });
      kit.begin('a', 0, { version: '"1"' });
      await settled();
      expect(kit.state.waits).toHaveLength(1);
      return { ...kit, reads };
    };
    const failing = await waiting();
    failing.lane.resume(false, problem);
    expect(failing.ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: '"1"' }]);
    expect(failing.lane.error).toBe(problem);

    const stopping = await waiting();
    stopping.state.stopping = true;
    stopping.lane.resume(false, null);
    expect(stopping.ended).toEqual([{ status: DoneStatus.Left, landed: 0, version: null }]);

    const cancelled = await waiting();
    cancelled.state.stopping = true;
    cancelled.turn(StopState.Cancelled);
    cancelled.lane.resume(false, null);
    expect(cancelled.ended[0]!.status).toBe(DoneStatus.Cancelled);
    for (const { reads } of [failing, stopping, cancelled]) expect(reads).toHaveLength(1);
  });

  it('a hedge waits for nothing: it is told to slow down once, and ends', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const { store, reads } = scriptedStore(throttled, complete);
    const { begin, ended, lane, state } = laneOf(() => store, { throttleTimeoutMs: 9000 });
    begin('a', JobFlag.Hedge);
    await settled();
    expect([lane.patienceMs, state.waits, reads.length, ended[0]!.status]).toEqual([
      0,
      [],
      1,
      DoneStatus.Failed,
    ]);
  });

  it('a job fails when the means of waiting break', async () => {
    const { store } = scriptedStore({ ...transient, outcome: Outcome.StaleCredentials, error: problem });
    const { begin, ended, lane, state, inFlight } = laneOf(() => store);
    state.onRefresh = () => {
      throw new RangeError('no way to ask');
    };
    begin('a');
    await settled();
    expect([ended.length, lane.status, inFlight()]).toEqual([1, DoneStatus.Failed, 0]);
    expect(lane.error!.message).toContain('no way to ask');
  });

  it('a job that has patience waits for an origin that was closed meanwhile, and one that has none does not', async () => {
    for (const [throttleTimeoutMs, attempts] of [
      [9000, 1],
      [0, 2],
    ] as const) {
      const { store, reads } = scriptedStore(transient, complete);
      const { begin, closeOrigin, state } = laneOf(() => store, { throttleTimeoutMs });
      begin('a');
      closeOrigin();
      await settled();
      expect([reads.length, state.waits.length]).toEqual([attempts, 2 - attempts]);
    }
  });

  it('a job gives up its slot where its origin has no place for it', async () => {
    const { store, reads } = scriptedStore(transient, complete);
    const { begin, enter, state, lane, ended } = laneOf(() => store);
    begin('a');
    // Four are what a fresh origin has places for; the job's own is given back by now.
    for (let i = 0; i < 4; i += 1) enter();
    await settled();
    expect([state.waits, reads.length, ended]).toEqual([[{ waiter: lane, dueAtMs: 0 }], 1, []]);
  });
});
