import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { exitCodeOf, installSignals } from '../../dist/cli/signals.js';
import { StopState } from '../../dist/protocol/stop.js';

function host() {
  const events = new EventEmitter();
  const raised: string[] = [];
  const said: string[] = [];
  const timers: { ms: number; fn: () => void; live: boolean }[] = [];
  return {
    events,
    raised,
    said,
    timers,
    host: {
      on: (signal: NodeJS.Signals, fn: (signal: NodeJS.Signals) => void) => events.on(signal, fn),
      removeListener: (signal: NodeJS.Signals, fn: (signal: NodeJS.Signals) => void) =>
        events.removeListener(signal, fn),
      raise: (signal: NodeJS.Signals) => void raised.push(signal),
      say: (line: string) => void said.push(line),
      after: (ms: number, fn: () => void) => {
        const timer = { ms, fn, live: true };
        timers.push(timer);
        return () => void (timer.live = false);
      },
    },
  };
}

describe('signals of the command', () => {
  it('drain at the first, and keep its name', () => {
    const world = host();
    const signals = installSignals(world.host);
    expect(signals.received).toBe(null);
    world.events.emit('SIGTERM', 'SIGTERM');
    expect([signals.received, signals.token.state, signals.token.reason]).toEqual([
      'SIGTERM',
      StopState.Draining,
      'SIGTERM',
    ]);
    expect(world.raised).toEqual([]);
    signals.token.cancel();
  });

  it('end the process at the second, by that signal, after what has to be removed is removed', () => {
    const world = host();
    const signals = installSignals(world.host);
    const order: string[] = [];
    signals.beforeDeath(() => {
      throw new Error('cannot be removed');
    });
    signals.beforeDeath(() => order.push(`removed, ${world.raised.length} raised`));
    signals.beforeDeath(() => order.push('taken back'))();
    world.events.emit('SIGTERM', 'SIGTERM');
    expect(order).toEqual([]);
    world.events.emit('SIGINT', 'SIGINT');
    expect(order).toEqual(['removed, 0 raised']);
    expect(world.raised).toEqual(['SIGINT']);
    expect(world.events.eventNames()).toEqual([]);
    signals.token.cancel();
  });

  it('kill the process, with a message, when the drain does not end', () => {
    const world = host();
    const signals = installSignals(world.host);
    expect(world.timers).toEqual([]);
    world.events.emit('SIGINT', 'SIGINT');
    expect(world.timers.map(({ ms }) => ms)).toEqual([30_000]);
    world.timers[0]!.fn();
    expect(world.raised).toEqual(['SIGKILL']);
    expect(world.said.at(-1)).toContain('not over 30 s after SIGINT');
    signals.token.cancel();
  });

  it('leave nothing behind when they are disposed of', () => {
    const world = host();
    const signals = installSignals(world.host);
    world.events.emit('SIGINT', 'SIGINT');
    signals.dispose();
    expect(world.timers.every(({ live }) => !live)).toBe(true);
    expect(world.events.eventNames()).toEqual([]);
    signals.token.cancel();
  });

  it('have the exit codes of shells', () => {
    expect([exitCodeOf('SIGHUP'), exitCodeOf('SIGINT'), exitCodeOf('SIGTERM')]).toEqual([129, 130, 143]);
  });
});
