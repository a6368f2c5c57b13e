import { describe, expect, it } from 'vitest';
import {
  FIRST_LIMIT,
  hasRoom,
  newWindow,
  noteServed,
  noteThrottled,
  restart,
  type WindowState,
} from '../../../dist/actors/worker/window.js';
import { seededRandom } from '../../../dist/protocol/seeded.js';

const options = { max: 64, adaptive: true, latency: true };
const BYTES = 1000;

/** A round: as many attempts as there is room for, all begun together and then all answered. */
function round(state: WindowState, answer: (state: WindowState, epoch: number, i: number) => void): number {
  const epochs: number[] = [];
  while (hasRoom(state)) {
    state.inFlight += 1;
    epochs.push(state.epoch);
  }
  for (const [i, epoch] of epochs.entries()) {
    answer(state, epoch, i);
    state.inFlight -= 1;
  }
  return epochs.length;
}

const served =
  (ms: number) =>
  (state: WindowState, epoch: number): void =>
    noteServed(state, epoch, ms, BYTES);

function at(limit: number, more: Partial<WindowState> = {}): WindowState {
  return Object.assign(newWindow(options), { limit, threshold: limit, ...more });
}

describe('a window', () => {
  it('begins with a few, doubles with each round, and ends at its most', () => {
    const state = newWindow(options);
    const rounds = Array.from({ length: 6 }, () => round(state, served(10)));
    // Half of a round is answered when less than half of the window is in flight: from then on it adds nothing.
    expect(rounds[0]).toBe(FIRST_LIMIT);
    for (const [i, size] of rounds.entries()) {
      if (i > 0) expect(size).toBeGreaterThanOrEqual(Math.min(64, rounds[i - 1]! * 1.3));
      if (i > 0) expect(size).toBeLessThanOrEqual(rounds[i - 1]! * 2);
    }
    for (let i = 0; i < 10; i += 1) round(state, served(10));
    expect(state.limit).toBe(64);
  });

  it('loses three tenths to a round that is told to slow down, however many of it are', () => {
    const state = at(40);
    expect(round(state, noteThrottled)).toBe(40);
    expect(state.limit).toBe(28);
    round(state, noteThrottled);
    expect(state.limit).toBeCloseTo(19.6);
    for (let i = 0; i < 30; i += 1) round(state, noteThrottled);
    expect(state.limit).toBe(1);
    expect(state.inFlight).toBe(0);
  });

  it('adds about one per round after a decrease, and answers from before it add nothing', () => {
    const state = at(20);
    const epoch = state.epoch;
    noteThrottled(state, epoch);
    state.inFlight = 20;
    for (let i = 0; i < 20; i += 1) noteServed(state, epoch, 10, BYTES);
    expect(state.limit).toBe(14);
    state.inFlight = 0;
    for (let i = 0; i < 10; i += 1) round(state, served(10));
    expect(state.limit).toBeGreaterThan(17);
    expect(state.limit).toBeLessThan(25);
  });

  it('does not grow while little is asked of it', () => {
    const state = at(20);
    for (let i = 0; i < 100; i += 1) {
      state.inFlight = 1;
      noteServed(state, state.epoch, 10, BYTES);
    }
    expect(state.limit).toBe(20);
  });

  it('begins anew when its origin was closed', () => {
    const state = at(1);
    restart(state);
    expect([state.limit, state.threshold]).toEqual([FIRST_LIMIT, 64]);
  });

  it('is as large as it can be, and stays so, where nothing is to be found out', () => {
    const state = newWindow({ ...options, adaptive: false });
    for (let i = 0; i < 10; i += 1) expect(round(state, noteThrottled)).toBe(64);
    restart(state);
    expect(round(state, served(10))).toBe(64);
    expect(state.latency).toBeNull();
  });

  it('shrinks gently to a quarter while answers take three times as long, and grows again when they are as before', () => {
    const state = at(64);
    for (let i = 0; i < 10; i += 1) round(state, served(100));
    expect(state.limit).toBe(64);
    for (let i = 0; i < 2; i += 1) round(state, served(300));
    expect(state.limit).toBeLessThan(64);
    for (let i = 0; i < 3; i += 1) round(state, served(2000));
    expect(state.limit).toBeGreaterThanOrEqual(16);
    for (let i = 0; i < 200; i += 1) round(state, served(100));
    expect(state.limit).toBe(64);
  });

  it('gives up holding a service to what it was: one that is slower for good is used in full again', () => {
    const state = at(64);
    for (let i = 0; i < 10; i += 1) round(state, served(100));
    for (let i = 0; i < 300; i += 1) {
      round(state, served(400));
      expect(state.limit).toBeGreaterThanOrEqual(16);
    }
    expect(state.limit).toBe(64);
  });

  it('loses a tenth to a slow round, and to many a quarter of its most is left', () => {
    const state = at(64);
    for (let i = 0; i < 10; i += 1) round(state, served(100));
    let ms = 900;
    round(state, served(ms));
    expect(state.limit).toBeCloseTo(57.6);
    for (let i = 0; i < 60; i += 1) {
      ms *= 3;
      round(state, served(ms));
      expect(state.limit).toBeGreaterThanOrEqual(16);
    }
    expect(state.limit).toBeCloseTo(16, 0);
  });

  /** A slow round of a window that has been used for long; then what is told of its answers. */
  function slowRound(limit: number): WindowState {
    const state = at(limit);
    state.inFlight = limit;
    for (let i = 0; i < 300; i += 1) noteServed(state, state.epoch - 1, 100, BYTES);
    while (!state.slow) noteServed(state, state.epoch - 1, 2000, BYTES);
    return state;
  }

  it.each([4, 16])('gives and takes nothing for slow answers where they may take no more: at %i', (limit) => {
    const state = slowRound(limit);
    expect([state.limit, state.epoch]).toEqual([limit, 0]);
  });

  it('does not grow until a round was not slow', () => {
    const state = slowRound(40);
    const { limit } = state;
    expect(limit).toBeCloseTo(36);
    for (let i = 0; i < 10; i += 1) noteServed(state, state.epoch, 100, BYTES);
    expect(state.limit).toBe(limit);
    restart(state);
    noteServed(state, state.epoch, 100, BYTES);
    expect(state.limit).toBe(FIRST_LIMIT + 1);
  });

  it('grows when it is used by half', () => {
    const state = at(20, { inFlight: 10 });
    noteServed(state, state.epoch, 10, BYTES);
    expect(state.limit).toBeCloseTo(20.05);
  });

  it('is told nothing by what began before it was throttled and its origin was closed', () => {
    const state = at(20, { inFlight: 20 });
    const { epoch } = state;
    noteThrottled(state, epoch);
    restart(state);
    noteServed(state, epoch, 10, BYTES);
    noteThrottled(state, epoch);
    expect(state.limit).toBe(FIRST_LIMIT);
  });

  it('takes no notice of an origin nearby whose few milliseconds become many', () => {
    const state = at(64);
    for (let i = 0; i < 10; i += 1) round(state, served(2));
    for (let i = 0; i < 10; i += 1) round(state, served(40));
    expect(state.limit).toBe(64);
  });

  it('takes no notice of sizes, of noise, or of a few answers that take for ever', () => {
    const random = seededRandom(3, 'noise');
    const sizes = [100, 50_000, 500_000, 3_000_000, 8_000_000];
    const state = at(64);
    for (let i = 0; i < 400; i += 1) {
      round(state, (window, epoch, n) => {
        const bytes = sizes[(i + n) % sizes.length]!;
        // Exponential: the mean of what queues have.
        const ms = (5 + bytes / 100_000) * -Math.log(1 - random());
        noteServed(window, epoch, random() < 0.01 ? ms * 100 : ms, bytes);
      });
      if (i > 20) expect(state.limit).toBe(64);
    }
  });

  it('takes no notice of times where they tell nothing of the service', () => {
    const state = Object.assign(newWindow({ ...options, latency: false }), { limit: 64 });
    for (let i = 0; i < 50; i += 1) round(state, served(i < 10 ? 10 : 1000));
    expect(state.limit).toBe(64);
  });
});

/** A server that serves `capacity` requests at a time and refuses whatever is beyond `most`. */
function share(windows: readonly WindowState[], most: number, rounds: number): number[] {
  const sums = windows.map(() => 0);
  for (let i = 0; i < rounds; i += 1) {
    const begun: [number, number][] = [];
    // In turn, so that whose requests are beyond the most is nobody's privilege.
    for (let went = true; went;) {
      went = false;
      for (const [w, state] of windows.entries()) {
        if (!hasRoom(state)) continue;
        state.inFlight += 1;
        begun.push([w, state.epoch]);
        went = true;
      }
    }
    for (const [n, [w, epoch]] of begun.entries()) {
      const state = windows[w]!;
      if (n >= most) noteThrottled(state, epoch);
      else {
        noteServed(state, epoch, 10, BYTES);
        if (i >= rounds / 2) sums[w]! += 1;
      }
      state.inFlight -= 1;
    }
  }
  return sums.map((sum) => sum / (rounds / 2));
}

describe('windows of several workers at one service that refuses what is too much', () => {
  it.each([1, 2, 4])('find what it bears, and share it (%i workers)', (workers) => {
    const windows = Array.from({ length: workers }, () => newWindow({ ...options, max: 64 }));
    const shares = share(windows, 40, 2000);
    const used = shares.reduce((sum, each) => sum + each, 0);
    expect(used).toBeGreaterThan(40 * 0.7);
    for (const each of shares) expect(each).toBeGreaterThan((used / workers) * 0.6);
  });

  it('are refused little once they know', () => {
    const state = newWindow(options);
    share([state], 40, 100);
    let refused = 0;
    let asked = 0;
    for (let i = 0; i < 500; i += 1) {
      asked += round(state, (window, epoch, n) => {
        if (n < 40) return noteServed(window, epoch, 10, BYTES);
        refused += 1;
        noteThrottled(window, epoch);
      });
    }
    expect(refused / asked).toBeLessThan(0.02);
  });
});
