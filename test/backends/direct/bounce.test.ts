import { describe, expect, it } from 'vitest';
import { createBounces } from '../../../dist/backends/file/bounce.js';
import { BOUNCE_BYTES } from '../../../dist/backends/file/direct-plan.js';
import { MAX_MEMORY_BYTES } from '../../../dist/backends/file/direct-probe.js';

describe('bounce memory', () => {
  it('gives each slot to one read at a time, in the order of asking, also after it went to one that waited', () => {
    const bounces = createBounces(2);
    const given: [string, number][] = [];
    const take = (name: string): void => bounces.take((offset) => given.push([name, offset]));
    for (const name of ['a', 'b', 'c', 'd']) take(name);
    expect(given.map(([name]) => name)).toEqual(['a', 'b']);
    const [first, second] = given.map(([, offset]) => offset) as [number, number];
    expect(Math.abs(first - second)).toBeGreaterThanOrEqual(BOUNCE_BYTES + MAX_MEMORY_BYTES);
    bounces.giveBack(second);
    expect(given.slice(2)).toEqual([['c', second]]);
    take('e');
    expect(given).toHaveLength(3);
    bounces.giveBack(first);
    expect(given.slice(3)).toEqual([['d', first]]);
    bounces.giveBack(first);
    expect(given.slice(4)).toEqual([['e', first]]);
    bounces.giveBack(first);
    take('f');
    expect(given.slice(5)).toEqual([['f', first]]);
  });

  it('keeps probes apart from all slots', () => {
    const bounces = createBounces(3);
    const offsets: number[] = [];
    for (let slot = 0; slot < 3; slot += 1) bounces.take((offset) => offsets.push(offset));
    expect(Math.max(...offsets) + BOUNCE_BYTES + MAX_MEMORY_BYTES).toBeLessThanOrEqual(bounces.probeOffset);
    expect(bounces.probeOffset % MAX_MEMORY_BYTES).toBe(0);
    expect(bounces.memory.length).toBeGreaterThan(bounces.probeOffset);
  });
});
