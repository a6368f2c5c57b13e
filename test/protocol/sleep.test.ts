import { describe, expect, it } from 'vitest';
import type { TurnSignal } from '../../dist/protocol/context.js';
import { sleep } from '../../dist/protocol/sleep.js';
import { StopState } from '../../dist/protocol/stop.js';
import { isSettled } from './pipe.js';

/** A signal that turns when told to, and counts who listens. */
function createSignal(turned = false): TurnSignal & { turn(): void; readonly listeners: number } {
  const listeners = new Set<() => void>();
  return {
    state: StopState.Live,
    onStop: () => () => {},
    onTurn: (fn) => {
      listeners.add(fn);
      if (turned) fn();
      return () => listeners.delete(fn);
    },
    turn: () => {
      for (const fn of listeners) fn();
    },
    get listeners() {
      return listeners.size;
    },
  };
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('sleep', () => {
  it('ends when its time is over, and leaves no listener', async () => {
    const signal = createSignal();
    const slept = sleep(5, signal);
    expect(signal.listeners).toBe(1);
    await slept;
    expect(signal.listeners).toBe(0);
  });

  it('ends at once when the signal turns, and leaves neither timer nor listener', async () => {
    const before = timers();
    const signal = createSignal();
    const slept = sleep(60_000, signal);
    expect(timers()).toBe(before + 1);
    signal.turn();
    await slept;
    expect([timers(), signal.listeners]).toEqual([before, 0]);
  });

  it('ends at once under a signal that has turned, and leaves neither timer nor listener', async () => {
    const before = timers();
    const signal = createSignal(true);
    await sleep(60_000, signal);
    expect([timers(), signal.listeners]).toEqual([before, 0]);
  });

  it('of longer than a timer can take does not end at once', async () => {
    const signal = createSignal();
    const slept = sleep(2 ** 40, signal);
    const short = sleep(5, createSignal());
    await short;
    expect(await isSettled(slept)).toBe(false);
    signal.turn();
    await slept;
  });
});
