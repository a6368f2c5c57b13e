import { describe, expect, it } from 'vitest';
import { Alarm } from '../../../dist/actors/worker/alarm.js';
import type { TurnSignal } from '../../../dist/protocol/context.js';

function createAlarm() {
  const world = { nowMs: 0, sleeps: [] as number[], wake: null as (() => void) | null };
  const rings: number[] = [];
  const context = {
    now: () => world.nowMs,
    sleep: (ms: number, stop: TurnSignal) =>
      new Promise<void>((resolve) => {
        world.sleeps.push(ms);
        const off = stop.onTurn(() => end());
        const end = (): void => {
          off();
          world.wake = null;
          resolve();
        };
        world.wake = end;
      }),
  };
  const alarm = new Alarm(context, () => rings.push(world.nowMs));
  const settle = (): Promise<void> => new Promise(setImmediate);
  /** The sleep that is under way ends at that time. */
  const wakeAt = async (nowMs: number): Promise<void> => {
    world.nowMs = nowMs;
    world.wake?.();
    await settle();
  };
  return { world, rings, alarm, settle, wakeAt };
}

describe('an alarm', () => {
  it('rings once, at the earliest time that it was set to', async () => {
    const { world, rings, alarm, settle, wakeAt } = createAlarm();
    alarm.set(100);
    alarm.set(200);
    alarm.set(100);
    expect(world.sleeps).toEqual([100]);
    alarm.set(40);
    await settle();
    expect(world.sleeps).toEqual([100, 40]);
    await wakeAt(39);
    expect([rings, world.sleeps]).toEqual([[], [100, 40, 1]]);
    await wakeAt(40);
    expect([rings, world.wake]).toEqual([[40], null]);
  });

  it('may be set again after it rang, also to what was too late before', async () => {
    const { world, rings, alarm, settle, wakeAt } = createAlarm();
    alarm.set(10);
    await wakeAt(10);
    alarm.set(50);
    await wakeAt(55);
    expect(rings).toEqual([10, 55]);
    alarm.set(5);
    await settle();
    expect([rings, world.sleeps]).toEqual([
      [10, 55, 55],
      [10, 40],
    ]);
  });

  it('never rings once it is off, and its wait is over', async () => {
    const { world, rings, alarm, settle } = createAlarm();
    alarm.set(10);
    world.nowMs = 20;
    alarm.turnOff();
    await settle();
    alarm.set(15);
    await settle();
    expect([rings, world.wake, world.sleeps]).toEqual([[], null, [10]]);
    createAlarm().alarm.turnOff();
  });
});
