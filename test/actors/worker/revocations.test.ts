import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../dist/actors/worker/backlog.js';
import { Revocable } from '../../../dist/actors/worker/revocable.js';
import { Revocations } from '../../../dist/actors/worker/revocations.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Job, JobFlag, JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';
import { createRuntimeWords, writeToken } from '../../../dist/protocol/words.js';

function messageOf(ids: readonly number[], flags = 0): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const id of ids) {
    const base = table.addRow();
    table.set(base + Job.Id, id);
    table.set(base + Job.Flags, flags);
  }
  return { kind: 'fetch', stream: 1, table: table.take(), open: null, stores: [] };
}

const hedgeOf = (id: number): JobMessage => messageOf([id], JobFlag.Hedge);

function create() {
  const backlog = new Backlog();
  const lanes = [5, 6].map((id) => ({ id, reading: true, revoked: 0, revoke: () => {} }));
  for (const lane of lanes) lane.revoke = () => void (lane.revoked += 1);
  const returned: JobMessage[] = [];
  const revocations = new Revocations(
    backlog,
    () => lanes,
    (message) => void returned.push(message),
  );
  const come = (message: JobMessage): JobMessage => {
    backlog.push(message);
    revocations.came(message);
    return message;
  };
  come(messageOf([5, 6]));
  for (let row = 0; row < 2; row += 1) backlog.begin();
  return { backlog, lanes, returned, revocations, come };
}

describe('a job that is revoked', () => {
  it('is stopped in its lane, and nobody else is', () => {
    const { lanes, revocations, returned } = create();
    revocations.revoke(6);
    expect(lanes.map(({ revoked }) => revoked)).toEqual([0, 1]);
    expect(returned).toEqual([]);
  });

  it('is left alone when its bytes are there, or when it is over', () => {
    const { lanes, revocations, returned, backlog, come } = create();
    lanes[1]!.reading = false;
    come(messageOf([7, 8]));
    for (const job of [6, 1, 7]) revocations.revoke(job);
    expect(lanes.map(({ revoked }) => revoked)).toEqual([0, 0]);
    expect([returned, backlog.rows]).toEqual([[], 2]);
  });

  it('is handed back from the backlog, where hedges stand in front', () => {
    const { revocations, returned, backlog, come } = create();
    const plain = come(messageOf([7, 8]));
    backlog.begin();
    const hedge = come(hedgeOf(9));
    expect(backlog.head!.message).toBe(hedge);
    revocations.revoke(9);
    expect(returned).toEqual([hedge]);
    expect([backlog.rows, backlog.head!.message, backlog.head!.next]).toEqual([1, plain, 1]);
  });

  it('before it comes is handed back when it does, and forgotten', () => {
    const { revocations, returned, come } = create();
    revocations.revoke(20);
    come(messageOf([7, 8]));
    expect(returned).toEqual([]);
    const hedge = come(hedgeOf(20));
    expect(returned).toEqual([hedge]);
    come(hedgeOf(20));
    expect(returned).toEqual([hedge]);
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
});
