import { describe, expect, it } from 'vitest';
import { Backlog, isHedge } from '../../../dist/actors/worker/backlog.js';
import { Revocable } from '../../../dist/actors/worker/revocable.js';
import { Revocations } from '../../../dist/actors/worker/revocations.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import type { FetchMessage, JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Job, JobFlag, JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';
import { createRuntimeWords, writeToken } from '../../../dist/protocol/words.js';

function messageOf(ids: readonly number[], flags = 0, store = 0): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const id of ids) {
    const base = table.addRow();
    table.set(base + Job.Id, id);
    table.set(base + Job.Flags, flags);
    table.set(base + Job.Store, store);
  }
  return { kind: 'fetch', stream: 1, table: table.take(), open: null, stores: [] };
}

const hedgeOf = (id: number): JobMessage => messageOf([id], JobFlag.Hedge);

function create() {
  const lanes = [5, 6].map((id) => ({ id, reading: true, revoked: 0, revoke: () => {} }));
  for (const lane of lanes) lane.revoke = () => void (lane.revoked += 1);
  const calls: string[] = [];
  const schedule = {
    handBackHedge: (job: number) => void calls.push(`back ${job}`),
    turned: () => void calls.push('turned'),
  };
  const revocations = new Revocations(schedule, lanes);
  revocations.came(messageOf([5, 6]));
  return { lanes, calls, revocations };
}

describe('a job that is revoked', () => {
  it('is stopped in its lane, where it may wait for its origin, and nobody else is', () => {
    const { lanes, revocations, calls } = create();
    revocations.revoke(6);
    expect(lanes.map(({ revoked }) => revoked)).toEqual([0, 1]);
    expect(calls).toEqual(['turned']);
  });

  it('is looked for in the backlog when no lane reads it', () => {
    const { lanes, revocations, calls } = create();
    lanes[1]!.reading = false;
    revocations.came(hedgeOf(9));
    for (const job of [6, 9]) revocations.revoke(job);
    expect(lanes.map(({ revoked }) => revoked)).toEqual([0, 0]);
    expect(calls).toEqual(['back 6', 'back 9']);
  });

  it('is not taken for one to come because of messages without jobs', () => {
    const { lanes, revocations } = create();
    revocations.came(messageOf([]));
    revocations.came({
      kind: 'head',
      jobId: 2,
      stream: 1,
      store: 0,
      key: new Uint8Array(),
      open: null,
      stores: [],
    });
    revocations.revoke(6);
    expect(lanes.map(({ revoked }) => revoked)).toEqual([0, 1]);
  });

  it('before it comes is handed back when it does, and forgotten', () => {
    const { revocations, calls } = create();
    revocations.revoke(20);
    revocations.came(messageOf([7, 8]));
    expect(calls).toEqual([]);
    revocations.came(hedgeOf(20));
    expect(calls).toEqual(['back 20']);
    revocations.came(hedgeOf(20));
    expect(calls).toEqual(['back 20']);
  });
});

describe('hedges in a backlog', () => {
  const always = (): boolean => true;
  const idsOf = (backlog: Backlog): number[] => {
    const ids: number[] = [];
    for (let entry = backlog.next(always); entry !== null; entry = backlog.next(always)) {
      const { cells } = (entry.pending.message as FetchMessage).table;
      ids.push(cells[backlog.begin(entry) * JOB_STRIDE + Job.Id]!);
    }
    return ids;
  };

  it('go before what came earlier, in the middle of a message and to any store', () => {
    const backlog = new Backlog();
    backlog.push(messageOf([1, 2, 3]));
    backlog.begin(backlog.next(always)!);
    backlog.push(hedgeOf(4));
    backlog.push(messageOf([5], JobFlag.Hedge, 9));
    backlog.push(messageOf([6], 0, 9));
    expect(idsOf(backlog)).toEqual([5, 4, 2, 3, 6]);
  });

  it('are told apart', () => {
    expect([hedgeOf(4), messageOf([4])].map((message) => isHedge(message))).toEqual([true, false]);
    expect([isHedge(hedgeOf(4), 4), isHedge(hedgeOf(4), 5)]).toEqual([true, false]);
  });
});

describe('the signal of a lane', () => {
  function tokens() {
    const words = createRuntimeWords();
    writeToken(words, 0, 1, StopState.Live);
    const token = new LocalToken(words, 0, 1);
    return { words, token, mine: new Revocable(token), other: new Revocable(token) };
  }

  it('that is revoked stops its own waits alone, once', () => {
    const { token, mine, other } = tokens();
    const called: string[] = [];
    mine.onStop(() => called.push('mine stops'));
    mine.onTurn(() => called.push('mine turns'));
    other.onStop(() => called.push('other stops'));
    other.onTurn(() => called.push('other turns'));
    token.onTurn(() => called.push('token turns'));
    token.onStop(() => called.push('token stops'));
    mine.revoke();
    expect(called).toEqual(['mine stops', 'mine turns']);
    expect([mine.state, other.state, token.state]).toEqual([
      StopState.Cancelled,
      StopState.Live,
      StopState.Live,
    ]);
    mine.onStop(() => called.push('late'));
    expect(called.at(-1)).toBe('late');
  });

  it('goes by its token, and leaves nothing there', () => {
    const { words, token, mine } = tokens();
    let turns = 0;
    const unlinks = [mine.onTurn(() => (turns += 1)), mine.onStop(() => (turns += 10))];
    expect(mine.listeners).toBe(2);
    writeToken(words, 0, 1, StopState.Draining);
    token.turned();
    expect([turns, mine.state]).toEqual([1, StopState.Draining]);
    writeToken(words, 0, 1, StopState.Cancelled);
    token.turned();
    expect(turns).toBe(12);
    for (const unlink of unlinks) unlink();
    expect(token.listeners).toBe(0);
  });

  it('that was left by its lane costs its token nothing, and one taken back late takes nothing away', () => {
    const { words, token, mine, other } = tokens();
    let stopped = 0;
    const unlink = mine.onStop(() => (stopped += 1));
    unlink();
    mine.onStop(() => (stopped += 10));
    unlink();
    other.onStop(() => (stopped += 100));
    token.leave(other);
    expect(token.listeners).toBe(0);
    writeToken(words, 0, 1, StopState.Cancelled);
    token.turned();
    expect(stopped).toBe(10);
  });
});
