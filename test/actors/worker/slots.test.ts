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

/** Frees the slot when the work has ended. */
function track(slots: Slots, slot: number, done: Promise<void>): void {
  void done.finally(() => slots.release(slot));
}

describe('slots', () => {
  it('are as many as told, from 0 on, and none twice', () => {
    const slots = new Slots(3, () => {});
    expect([slots.tryAcquire(), slots.tryAcquire(), slots.tryAcquire()]).toEqual([0, 1, 2]);
    expect(slots.tryAcquire()).toBeNull();
    expect(slots.busy).toBe(3);
  });

  it('are free until all are taken, and again when one is given back', () => {
    const slots = new Slots(1, () => {});
    expect(slots.hasFree).toBe(true);
    const slot = slots.tryAcquire()!;
    expect(slots.hasFree).toBe(false);
    slots.release(slot);
    expect(slots.hasFree).toBe(true);
  });

  it('are told when one is free again, before anybody hears that nothing runs', async () => {
    const told: string[] = [];
    const slots = new Slots(1, () => told.push(`free: ${slots.tryAcquire()}`));
    const [first, second] = [work(), work()];
    track(slots, slots.tryAcquire()!, first.done);
    const idle = slots.idle().then(() => told.push('idle'));
    first.end();
    await isSettled(first.done);
    expect(told).toEqual(['free: 0']);
    track(slots, 0, second.done);
    second.end();
    await isSettled(second.done);
    track(slots, 0, Promise.resolve());
    expect(told).toEqual(['free: 0', 'free: 0']);
    expect(await isSettled(idle)).toBe(false);
  });

  it('count what needs none as running too', async () => {
    const slots = new Slots(1, () => {});
    const answer = work();
    slots.join(answer.done);
    const idle = slots.idle();
    expect(await isSettled(idle)).toBe(false);
    expect(slots.busy).toBe(0);
    answer.end();
    await idle;
  });

  it('are idle when the last work has ended, not before', async () => {
    const slots = new Slots(2, () => {});
    await slots.idle();
    const [first, second] = [work(), work()];
    track(slots, slots.tryAcquire()!, first.done);
    track(slots, slots.tryAcquire()!, second.done);
    const idle = slots.idle();
    first.end();
    expect(await isSettled(idle)).toBe(false);
    second.end();
    await idle;
    expect(slots.busy).toBe(0);
  });
});
