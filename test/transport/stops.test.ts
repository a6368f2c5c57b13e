import { describe, expect, it, vi } from 'vitest';
import { NEVER, type StopSignal } from '../../dist/protocol/stop.js';
import { StopLinks } from '../../dist/transport/stops.js';
import { CountingStop } from './kit.js';

function createLinks(): { links: StopLinks; stopped: StopSignal[] } {
  const stopped: StopSignal[] = [];
  return { links: new StopLinks((stop) => stopped.push(stop)), stopped };
}

describe('the links of stop signals', () => {
  it('are one for all exchanges of a signal, unlinked with the last of them', () => {
    const { links } = createLinks();
    const stop = new CountingStop();
    const entered = [links.enter(stop), links.enter(stop), links.enter(stop)];
    expect([stop.links, stop.linked.size]).toEqual([1, 1]);
    links.leave(entered[1]!);
    links.leave(entered[0]!);
    expect(stop.linked.size).toBe(1);
    links.leave(entered[2]!);
    expect(stop.linked.size).toBe(0);
  });

  it('are made anew for an exchange that begins after the last one ended', () => {
    const { links, stopped } = createLinks();
    const stop = new CountingStop();
    links.leave(links.enter(stop));
    const link = links.enter(stop);
    expect([stop.links, stop.linked.size]).toEqual([2, 1]);
    stop.cancel();
    expect(stopped).toEqual([stop]);
    links.leave(link);
    expect(stop.linked.size).toBe(0);
  });

  it('of several signals do not touch each other, in whatever order their exchanges come', () => {
    const { links, stopped } = createLinks();
    const stops = [new CountingStop(), new CountingStop(), new CountingStop()];
    const entered = [0, 1, 0, 2, 1, 0].map((i) => links.enter(stops[i]!));
    expect(stops.map((stop) => [stop.links, stop.linked.size])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    stops[1]!.cancel();
    expect(stopped).toEqual([stops[1]]);
    for (const link of entered) links.leave(link);
    expect(stops.map((stop) => stop.linked.size)).toEqual([0, 0, 0]);
  });

  it('never link the signal that never stops anything', () => {
    const { links } = createLinks();
    const linked = vi.spyOn(NEVER, 'onStop');
    links.enter(new CountingStop());
    links.leave(links.enter(NEVER));
    links.leave(links.enter(NEVER));
    expect(linked).not.toHaveBeenCalled();
    linked.mockRestore();
  });

  it('leave nothing on a signal that calls at once, as one does that has stopped', () => {
    const { links, stopped } = createLinks();
    let linked = 0;
    const stop: StopSignal = {
      state: 2,
      onStop: (fn) => {
        linked += 1;
        fn();
        return () => {
          linked -= 1;
        };
      },
    };
    const link = links.enter(stop);
    expect([stopped, linked]).toEqual([[stop], 1]);
    links.leave(link);
    expect(linked).toBe(0);
  });
});
