import { describe, expect, it } from 'vitest';
import { createPace } from '../../../dist/backends/file/pace.js';

const SLICE_MS = 4;

describe('the pace of synchronous work', () => {
  it('gives all that wait for one turn one slice between them, and each of them its step', async () => {
    let nowMs = 0;
    const pace = createPace(SLICE_MS, () => nowMs);
    nowMs = SLICE_MS;
    const dueAtStart: boolean[] = [];
    const step = (): Promise<void> =>
      new Promise((resolve) => {
        pace.later(() => {
          dueAtStart.push(pace.due());
          nowMs += SLICE_MS;
          resolve();
        });
      });
    await Promise.all([step(), step(), step()]);
    expect(dueAtStart).toEqual([false, true, true]);
  });

  it('lets the event loop turn before who waits again goes on', async () => {
    const pace = createPace(SLICE_MS, () => 0);
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      pace.later(() => {
        seen.push('first');
        setImmediate(() => seen.push('loop'));
        pace.later(() => {
          seen.push('second');
          resolve();
        });
      });
    });
    expect(seen).toEqual(['first', 'loop', 'second']);
  });
});
