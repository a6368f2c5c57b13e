import { describe, expect, it, vi } from 'vitest';
import { StopState } from '../../dist/protocol/stop.js';
import { CancellationToken, DEFAULT_DRAIN_DEADLINE_MS } from '../../dist/protocol/token.js';
import { handClock } from './hand-clock.js';

/** Counts what is linked to it. */
class CountingToken extends CancellationToken {
  linked = 0;

  override onChange(fn: (state: StopState) => void): () => void {
    this.linked += 1;
    const unlink = super.onChange(fn);
    return () => {
      this.linked -= 1;
      unlink();
    };
  }
}

const states = (token: CancellationToken): StopState[] => {
  const seen: StopState[] = [];
  token.onChange((state) => seen.push(state));
  return seen;
};

describe('the state of a token', () => {
  it('goes from live to draining to cancelled, tells each once, and never goes back', () => {
    const token = new CancellationToken({ clock: handClock() });
    const seen = states(token);
    expect(token).toMatchObject({ state: StopState.Live, draining: false, cancelled: false });
    token.drain('first');
    token.drain('again');
    expect(token).toMatchObject({ state: StopState.Draining, draining: true, reason: 'first' });
    token.cancel('later');
    token.cancel('and again');
    token.drain('too late');
    expect(token).toMatchObject({ state: StopState.Cancelled, cancelled: true, reason: 'first' });
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
  });

  it('is told to every listener, even when one of them throws', () => {
    const token = new CancellationToken();
    const called: string[] = [];
    token.onStop(() => called.push('first'));
    token.onStop(() => {
      called.push('second');
      throw new Error('broken listener');
    });
    token.onStop(() => called.push('third'));
    expect(() => token.cancel()).toThrow('broken listener');
    expect(called).toEqual(['first', 'second', 'third']);
    expect(token.cancelled).toBe(true);
  });

  it('is told once to each listener, also when one of them turns the token further', () => {
    const token = new CancellationToken({ clock: handClock() });
    const seen: string[] = [];
    token.onChange((state) => {
      seen.push(`a${state}`);
      token.cancel();
    });
    token.onChange((state) => seen.push(`b${state}`));
    token.drain();
    expect(seen).toEqual(['a1', 'a2', 'b2']);
  });

  it('is not told to who unlinked', () => {
    const token = new CancellationToken({ clock: handClock() });
    const seen: StopState[] = [];
    const unlink = token.onChange((state) => seen.push(state));
    token.drain();
    unlink();
    token.cancel();
    expect(seen).toEqual([StopState.Draining]);
  });
});

describe('onStop', () => {
  it('is called when the token is cancelled, not when it drains, and once', () => {
    const token = new CancellationToken({ clock: handClock() });
    let called = 0;
    token.onStop(() => {
      called += 1;
    });
    token.drain();
    expect(called).toBe(0);
    token.cancel();
    token.cancel();
    expect(called).toBe(1);
  });

  it('is called at once on a token that is cancelled', () => {
    const token = new CancellationToken();
    token.cancel();
    let called = 0;
    token.onStop(() => {
      called += 1;
    });
    expect(called).toBe(1);
  });
});

describe('a drain', () => {
  it('becomes a cancel at its deadline, for who listens and for who looks', () => {
    const clock = handClock();
    const [listened, looked] = [new CancellationToken({ clock }), new CancellationToken({ clock })];
    const seen = states(listened);
    for (const token of [listened, looked]) token.drain('SIGTERM');
    expect(clock.timers).toBe(1);
    clock.advance(DEFAULT_DRAIN_DEADLINE_MS - 1);
    expect([...seen, looked.state]).toEqual([StopState.Draining, StopState.Draining]);
    clock.advance(1);
    expect([...seen, looked.state]).toEqual([StopState.Draining, StopState.Cancelled, StopState.Cancelled]);
    expect(looked.reason).toBe('SIGTERM');
    expect(looked.error()).toMatchObject({ code: 'Cancelled' });
    expect(clock.timers).toBe(0);
  });

  it.each([
    ['is shortened by a later, earlier one', 10, 60],
    ['is not prolonged by a later one', 1000, 100],
  ])('%s', (_claim, deadlineMs, cancelledAt) => {
    const clock = handClock();
    const token = new CancellationToken({ clock });
    const seen = states(token);
    token.drain('a', { deadlineMs: 100 });
    clock.advance(50);
    token.drain('b', { deadlineMs });
    clock.advance(cancelledAt - 51);
    expect([token.draining, seen.length]).toEqual([true, 1]);
    clock.advance(1);
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
    expect(token.reason).toBe('a');
  });

  it.each([0, -5])('of %i ms is a cancel at once', (deadlineMs) => {
    const token = new CancellationToken({ clock: handClock() });
    token.drain('now', { deadlineMs });
    expect(token).toMatchObject({ state: StopState.Cancelled, reason: 'now' });
  });

  it.each([0, -5])('of %i ms tells who listens in that very turn, and leaves no timer', (deadlineMs) => {
    const clock = handClock();
    const token = new CancellationToken({ clock });
    const seen = states(token);
    token.drain('now', { deadlineMs });
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
    expect(clock.timers).toBe(0);
  });

  it('that a listener turns into a cancel waits for no deadline', () => {
    const clock = handClock();
    const token = new CancellationToken({ clock });
    token.onChange(() => token.cancel());
    token.drain();
    expect([token.cancelled, clock.timers]).toEqual([true, 0]);
  });

  it('without a word has one', () => {
    const [draining, cancelled] = [new CancellationToken({ clock: handClock() }), new CancellationToken()];
    draining.drain();
    cancelled.cancel();
    expect([draining.reason, cancelled.reason]).toEqual(['drain', 'cancelled']);
  });

  it('without an end waits for no clock', () => {
    const clock = handClock();
    const token = new CancellationToken({ clock });
    states(token);
    token.drain('slow', { deadlineMs: Infinity });
    expect(clock.timers).toBe(0);
    clock.advance(1e12);
    expect(token.draining).toBe(true);
  });

  it('longer than one timer can wait is waited for in several', () => {
    const clock = handClock(1000);
    const token = new CancellationToken({ clock });
    const seen = states(token);
    token.drain('slow', { deadlineMs: 3500 });
    clock.advance(3499);
    expect(seen).toEqual([StopState.Draining]);
    clock.advance(1);
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
  });
});

describe('a child', () => {
  it('goes where its parent goes, through any number of generations', () => {
    const root = new CancellationToken({ clock: handClock() });
    const seen = states(root.child().child());
    const looked = root.child().child();
    root.drain('root');
    expect(looked).toMatchObject({ state: StopState.Draining, reason: 'root' });
    root.cancel();
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
    expect(looked.cancelled).toBe(true);
  });

  it('can end before its parent, which notices nothing', () => {
    const root = new CancellationToken();
    const seen = states(root);
    const child = root.child();
    child.cancel('mine');
    expect(child).toMatchObject({ cancelled: true, reason: 'mine' });
    expect(root).toMatchObject({ state: StopState.Live, reason: undefined });
    expect(seen).toEqual([]);
  });

  it('is linked to its parent only while somebody listens to it', () => {
    const root = new CountingToken();
    const child = root.child();
    expect(root.linked).toBe(0);
    const unlinks = [child.onStop(() => {}), child.onChange(() => {})];
    expect(root.linked).toBe(1);
    for (const unlink of unlinks) unlink();
    expect(root.linked).toBe(0);
  });

  it('that came and went by the thousand leaves neither link nor timer', () => {
    const clock = handClock();
    const root = new CountingToken({ clock });
    for (let i = 0; i < 2000; i += 1) {
      const child = root.withDeadline(60_000);
      const unlink = child.onStop(() => {});
      expect([root.linked, clock.timers]).toEqual([1, 1]);
      unlink();
    }
    expect([root.linked, clock.timers]).toEqual([0, 0]);
  });

  it('keeps the reason and the error of the parent that ended it, whatever is called later', () => {
    const clock = handClock();
    const root = new CancellationToken({ clock });
    const [drained, cancelled, late] = [root.child(), root.child(), root.withDeadline(10)];
    root.drain('SIGTERM');
    drained.drain('mine');
    expect(drained.reason).toBe('SIGTERM');
    root.cancel();
    cancelled.cancel('mine');
    expect(cancelled.reason).toBe('SIGTERM');
    clock.advance(20);
    expect(late.error()).toMatchObject({ code: 'Cancelled' });
  });
});

describe('a child that somebody listens to', () => {
  it('hears its parent as long as one of them listens', () => {
    const root = new CancellationToken({ clock: handClock() });
    const child = root.child();
    const unlink = child.onChange(() => {});
    const seen = states(child);
    unlink();
    unlink();
    root.drain();
    root.cancel();
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
  });

  it('is told once of a drain that its parent began and somebody asks of it again', () => {
    const root = new CancellationToken({ clock: handClock() });
    const child = root.child();
    const seen = states(child);
    root.drain();
    child.drain();
    expect(seen).toEqual([StopState.Draining]);
  });

  it('waits for no deadline of a drain when its parent was cancelled before', () => {
    const clock = handClock();
    const root = new CancellationToken({ clock });
    const child = root.child();
    states(child);
    root.cancel();
    child.drain();
    expect([child.cancelled, clock.timers]).toEqual([true, 0]);
  });
});

describe('a token that nobody turned', () => {
  it('has no reason, and nothing to dispose of', () => {
    const token = new CancellationToken();
    token.dispose();
    expect([token.reason, token.state]).toEqual([undefined, StopState.Live]);
  });
});

describe('a deadline', () => {
  it('is told by the error, the reason and the answer of who asks for those first', () => {
    const clock = handClock();
    const [first, second, third, child] = Array.from({ length: 4 }, () =>
      new CancellationToken({ clock }).withDeadline(50),
    );
    clock.advance(50);
    expect(first!.error()).toMatchObject({
      code: 'DeadlineExceeded',
      message: 'the deadline of the token passed',
    });
    expect(second!.reason).toBe('deadline');
    expect(third!.expired).toBe(true);
    expect(child!.child().expired).toBe(true);
  });

  it('of the parent is none of a child that was cancelled before', () => {
    const clock = handClock();
    const parent = new CancellationToken({ clock }).withDeadline(50);
    const child = parent.child();
    child.cancel('mine');
    clock.advance(50);
    child.cancel('again');
    expect([parent.expired, child.expired]).toEqual([true, false]);
    expect(child.error()).toMatchObject({ code: 'Cancelled', message: 'cancelled: mine' });
  });

  it('ends the child with DeadlineExceeded and leaves the parent alone', () => {
    const clock = handClock();
    const root = new CancellationToken({ clock });
    const child = root.withDeadline(50);
    const seen = states(child);
    clock.advance(49);
    expect([seen, child.expired]).toEqual([[], false]);
    child.throwIfCancelled();
    clock.advance(1);
    expect(seen).toEqual([StopState.Cancelled]);
    expect(child.expired).toBe(true);
    expect(() => child.throwIfCancelled()).toThrow(expect.objectContaining({ code: 'DeadlineExceeded' }));
    expect(child.child().error()).toMatchObject({ code: 'DeadlineExceeded' });
    expect(root.state).toBe(StopState.Live);
  });

  it('is seen by who only looks, without a timer', () => {
    const clock = handClock();
    const child = new CancellationToken({ clock }).withDeadline(50);
    expect(clock.timers).toBe(0);
    clock.advance(50);
    expect(child.cancelled).toBe(true);
    expect(child.error()).toMatchObject({ code: 'DeadlineExceeded' });
  });

  it('that has passed before it began is over at once', () => {
    expect(new CancellationToken().withDeadline(0)).toMatchObject({ cancelled: true, expired: true });
  });

  it('is not the reason when the token was cancelled before', () => {
    const clock = handClock();
    const child = new CancellationToken({ clock }).withDeadline(50);
    child.cancel('mine');
    clock.advance(100);
    expect(child.error()).toMatchObject({ code: 'Cancelled', message: 'cancelled: mine' });
    expect(clock.timers).toBe(0);
  });

  it('stays the reason when somebody cancels a child of the expired token', () => {
    const clock = handClock();
    const expired = new CancellationToken({ clock }).withDeadline(50);
    const child = expired.child();
    clock.advance(50);
    child.cancel('finally');
    expect(child.error()).toMatchObject({ code: 'DeadlineExceeded' });
  });

  it('ends a drain that would take longer', () => {
    const clock = handClock();
    const child = new CancellationToken({ clock }).withDeadline(50);
    const seen = states(child);
    child.drain('slow', { deadlineMs: 1000 });
    clock.advance(50);
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
    expect(child.error()).toMatchObject({ code: 'DeadlineExceeded' });
  });
});

describe('error', () => {
  it('says what state the token is in', () => {
    const token = new CancellationToken({ clock: handClock() });
    token.drain('SIGTERM');
    expect(token.error()).toMatchObject({ code: 'Draining', message: expect.stringContaining('SIGTERM') });
    expect(() => token.throwIfCancelled()).not.toThrow();
    token.cancel();
    expect(token.error()).toMatchObject({ code: 'Cancelled', message: 'cancelled: SIGTERM' });
  });
});

describe('a deadline that is no number', () => {
  const given = ['20000', '10s', Number.NaN, null, {}] as unknown as number[];

  it.each(given)('is refused, and nothing is turned: %j', (deadlineMs) => {
    const token = new CancellationToken({ clock: handClock() });
    const refused = expect.objectContaining({
      code: 'InvalidArgument',
      message: expect.stringMatching(
        /^deadlineMs: expected a number of milliseconds, such as 25000; given /,
      ) as string,
    }) as Error;
    expect(() => token.drain('SIGTERM', { deadlineMs })).toThrow(refused);
    expect(() => token.withDeadline(deadlineMs)).toThrow(refused);
    const source = { on: vi.fn(), removeListener: vi.fn() };
    expect(() => CancellationToken.fromSignals(['SIGTERM'], { deadlineMs, source })).toThrow(refused);
    expect([token.state, source.on.mock.calls]).toEqual([StopState.Live, []]);
  });
});
