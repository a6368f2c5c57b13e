/** The supervisor where the bytes per second, the processor or the event loop are limited. */
import { describe, expect, it } from 'vitest';
import { ALONE, createHand, entries, finishAll, keysOf, rest, small } from './hand.kit.js';
import { entryOf, keyOf, MIB, pages } from './kit.js';

const NONE = { maxBandwidth: null, maxCpuShare: null, cores: 2, maxEventLoopDelayMs: 0 };
/** A whole part of unknown size per second. */
const RATE = pages(2);

describe('a supervisor with a limit of bytes per second', () => {
  it('sends as much as it may, takes turns, and goes on when time has passed', async () => {
    const admission = { ...NONE, maxBandwidth: MIB };
    const hand = createHand(1, { options: { admission }, budgetBytes: 16 * MIB });
    const more = { size: MIB };
    const stream = hand.open(entries(2, more));
    hand.open([entryOf(10, more), entryOf(11, more)]);
    await hand.settle();
    expect(keysOf(hand.at(0))).toEqual([0]);
    // No memory is given to what may not go.
    expect([hand.supervisor.stats.admission, hand.used()]).toEqual(['bandwidth', MIB]);
    await hand.pass(1500);
    expect(keysOf(hand.at(0))).toEqual([0, 10]);
    await hand.pass(1500);
    expect(keysOf(hand.at(0))).toEqual([0, 10, 1]);
    void stream.finish('break');
  });

  it('gives back what a row did not need, and tells what came', async () => {
    const hand = createHand(1, { options: { admission: { ...NONE, maxBandwidth: RATE } } });
    const stream = hand.open(entries(3, ALONE));
    await hand.settle();
    finishAll([hand.at(0)]);
    await hand.pass(100);
    expect(hand.at(0).fetched).toHaveLength(1);
    expect(hand.supervisor.stats.bytesPerSecond).toBe(100);
    finishAll([hand.at(0)]);
    await hand.pass(100);
    finishAll([hand.at(0)]);
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0, 1, 2]);
  });

  it('has questions go all the same', async () => {
    const hand = createHand(1, { options: { admission: { ...NONE, maxBandwidth: RATE } } });
    hand.open(entries(2, ALONE));
    await hand.settle();
    const stream = hand.open(null);
    stream.head(1, keyOf(0)).catch(() => {});
    await hand.settle();
    expect(hand.at(0).inbox.map(({ kind }) => kind)).toEqual(['fetch', 'head']);
  });
});

describe('a supervisor that may have little of the processor', () => {
  it('has no question go while that is used up, but what ends an upload', async () => {
    const hand = createHand(1, { options: { admission: { ...NONE, maxCpuShare: 0.5 } }, busyMs: 1e6 });
    hand.open(entries(1, ALONE));
    await hand.settle();
    await hand.pass(600);
    const before = hand.at(0).inbox.length;
    const stream = hand.open(null);
    stream.head(1, keyOf(1)).catch(() => {});
    stream.write(1, { kind: 'abort', key: keyOf(2), upload: 'u' }).catch(() => {});
    await hand.settle();
    expect(hand.supervisor.stats.admission).toBe('cpu');
    expect(hand.at(0).inbox.slice(before)).toMatchObject([{ kind: 'write', request: { kind: 'abort' } }]);
  });
});

describe('a supervisor that watches the event loop', () => {
  it('does while it has streams, and leaves no timer behind when it is closed', async () => {
    const hand = createHand(1, { options: { admission: { ...NONE, maxEventLoopDelayMs: 100 } } });
    expect([hand.turns.watches, hand.supervisor.stats.eventLoopDelayMs]).toEqual([0, 0]);
    const stream = hand.open(entries(1, ALONE));
    expect(hand.turns.watches).toBe(1);
    await hand.pass(300);
    hand.at(0).done(hand.at(0).fetched, small);
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0]);
    const closed = hand.supervisor.close();
    await hand.settle();
    hand.at(0).exit({ clean: true });
    await hand.settle();
    await closed;
    expect([hand.turns.watches, hand.clock.timers]).toEqual([0, 0]);
  });

  it('leaves it at that when no stream is left', async () => {
    const hand = createHand(1, { options: { admission: { ...NONE, maxEventLoopDelayMs: 100 } } });
    hand.open([]);
    await hand.settle();
    expect(hand.turns.watches).toBe(1);
    await hand.pass(100);
    expect(hand.turns.watches).toBe(0);
  });
});
