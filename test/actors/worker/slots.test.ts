import { describe, expect, it } from 'vitest';
import { Slots } from '../../../dist/actors/worker/slots.js';
import { isSettled } from '../../protocol/pipe.js';

function work(): { readonly done: Promise<void>; end(): void } {
  let end!: () => void;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { done, end };
}

describe('slots', () => {
  it('are as many as told, from 0 on, and none twice', () => {
    const slots = new Slots(3);
    expect([slots.tryAcquire(), slots.tryAcquire(), slots.tryAcquire()]).toEqual([0, 1, 2]);
    expect(slots.tryAcquire()).toBeNull();
    expect(slots.busy).toBe(3);
  });

  it('go to who waits, when the work in one ends', async () => {
    const slots = new Slots(2);
    const [first, second] = [work(), work()];
    slots.track(await slots.acquire(), first.done);
    slots.track(await slots.acquire(), second.done);
    const third = slots.acquire();
    expect(await isSettled(third)).toBe(false);
    second.end();
    expect(await third).toBe(1);
    expect(slots.busy).toBe(2);
    first.end();
    await isSettled(first.done);
    expect(slots.busy).toBe(1);
    expect(slots.tryAcquire()).toBe(0);
  });

  it('are idle when the last work has ended, not before', async () => {
    const slots = new Slots(2);
    await slots.idle();
    const [first, second] = [work(), work()];
    slots.track(slots.tryAcquire()!, first.done);
    slots.track(slots.tryAcquire()!, second.done);
    const idle = slots.idle();
    first.end();
    expect(await isSettled(idle)).toBe(false);
    second.end();
    await idle;
    expect(slots.busy).toBe(0);
  });
});
