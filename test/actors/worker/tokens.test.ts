import { describe, expect, it } from 'vitest';
import { LocalToken, wokenBy } from '../../../dist/actors/worker/tokens.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { createRuntimeWords, TokenSlots, writeToken } from '../../../dist/protocol/words.js';

const SLOT = 3;
const EPOCH = 9;

function createToken(): { token: LocalToken; readonly write: (state: StopState) => void } {
  const words = createRuntimeWords();
  writeToken(words, SLOT, EPOCH, StopState.Live);
  return {
    token: new LocalToken(words, SLOT, EPOCH),
    write: (state) => writeToken(words, SLOT, EPOCH, state),
  };
}

describe('a local token', () => {
  it('has the state of its word at once, before any message', () => {
    const { token, write } = createToken();
    expect(token.state).toBe(StopState.Live);
    for (const state of [StopState.Draining, StopState.Cancelled]) {
      write(state);
      expect(token.state).toBe(state);
    }
  });

  it('is cancelled when its slot has gone to another stream', () => {
    const slots = new TokenSlots(createRuntimeWords());
    const { slot, epoch } = slots.acquire()!;
    const token = new LocalToken(slots.words, slot, epoch);
    slots.release(slot);
    slots.acquire();
    expect(token.state).toBe(StopState.Cancelled);
  });

  it('wakes who waits for a turn at a drain and at a cancel', () => {
    const { token, write } = createToken();
    const seen: StopState[] = [];
    token.onTurn(() => seen.push(token.state));
    write(StopState.Draining);
    token.turned();
    write(StopState.Cancelled);
    token.turned();
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
  });

  it('wakes who waits for a stop at the cancel alone, once', () => {
    const { token, write } = createToken();
    let stops = 0;
    token.onStop(() => {
      stops += 1;
    });
    write(StopState.Draining);
    token.turned();
    expect(stops).toBe(0);
    write(StopState.Cancelled);
    token.turned();
    token.turned();
    expect(stops).toBe(1);
    expect(token.listeners).toBe(0);
  });

  it('calls who comes after the turn at once, and keeps nothing of it', () => {
    const { token, write } = createToken();
    const called: string[] = [];
    write(StopState.Draining);
    token.onTurn(() => called.push('turn'));
    expect(called).toEqual(['turn']);
    write(StopState.Cancelled);
    token.onStop(() => called.push('stop'));
    expect(called).toEqual(['turn', 'stop']);
    expect(token.listeners).toBe(0);
  });

  it('holds nothing of waits that have ended', () => {
    const { token } = createToken();
    const unlinks = [token.onTurn(() => {}), token.onStop(() => {}), token.onTurn(() => {})];
    expect(token.listeners).toBe(3);
    for (const unlink of unlinks) unlink();
    expect(token.listeners).toBe(0);
  });
});

describe('wokenBy', () => {
  it('wakes with the token and with the event, and unlinks from both', () => {
    const { token, write } = createToken();
    const waiters = new Set<() => void>();
    const signal = wokenBy(token, (wake) => {
      waiters.add(wake);
      return () => waiters.delete(wake);
    });
    let woken = 0;
    const unlink = signal.onTurn(() => {
      woken += 1;
    });
    for (const wake of waiters) wake();
    expect(woken).toBe(1);
    write(StopState.Draining);
    token.turned();
    expect([woken, signal.state]).toEqual([2, StopState.Draining]);
    unlink();
    expect([waiters.size, token.listeners]).toEqual([0, 0]);
  });
});
