import { describe, expect, it } from 'vitest';
import { DEFAULT_HEDGE } from '../../../dist/actors/supervisor/hedge.js';
import { Plans } from '../../../dist/actors/supervisor/plans.js';
import { Quarantine } from '../../../dist/actors/supervisor/quarantine.js';
import type { Worker } from '../../../dist/actors/supervisor/crew.js';
import type { FetchJobRecord } from '../../../dist/actors/supervisor/jobs.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import type { StoreDirectory, StreamOptions } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { entryOf, pages, taskOf, WHOLE } from './kit.js';

const SPLIT = { splitThreshold: 5, partBytes: 2, maxPartsPerObject: 3 };

function createPlans() {
  let asked = 0;
  const defaults = (store: number) => {
    asked += 1;
    return { ...SPLIT, hedge: store === 1 };
  };
  const plans = new Plans({ defaults } as unknown as StoreDirectory);
  return { plans, asked: () => asked };
}

const streamOf = (options: Partial<StreamOptions>): Stream => ({ options }) as unknown as Stream;
const [hedged, plain] = [entryOf(0, { store: 1 }), entryOf(0, { store: 2 })];

describe('the reads of a stream', () => {
  it('go in the ranges that it asks for, else in those of the scheme, which is asked once per store', () => {
    const { plans, asked } = createPlans();
    expect(plans.ranges(streamOf({ ranges: WHOLE }), hedged)).toBe(WHOLE);
    expect(asked()).toBe(0);
    for (let i = 0; i < 3; i += 1) {
      const ranges = plans.ranges(streamOf({ ranges: null }), hedged);
      expect(ranges).toEqual({ splitThreshold: 5, partBytes: 2, maxPerObject: 3 });
    }
    expect(asked()).toBe(1);
  });

  it('are hedged as it asks for, else where its scheme gains by it', () => {
    const { plans, asked } = createPlans();
    const own = { ...DEFAULT_HEDGE, percentile: 90 };
    expect(plans.hedge(streamOf({ hedge: own }), plain)).toBe(own);
    expect(plans.hedge(streamOf({ hedge: false }), hedged)).toBeNull();
    expect(asked()).toBe(0);
    for (let i = 0; i < 3; i += 1) {
      expect(plans.hedge(streamOf({}), hedged)).toBe(DEFAULT_HEDGE);
      expect(plans.hedge(streamOf({}), plain)).toBeNull();
    }
    expect(asked()).toBe(2);
  });
});

describe('the memory of a worker that is stuck', () => {
  it('is out of use until its exit was seen, whoever else gives it back, and then of use again', () => {
    const arena = new Arena(pages(8));
    const quarantine = new Quarantine(arena);
    const [stuck, other] = [{}, {}] as Worker[];
    const [shared, hedge] = [arena.allocate(pages(2))!, arena.allocate(pages(1))!];
    const job = (more = {}): FetchJobRecord =>
      ({ task: taskOf(0, {}, { extent: shared, ...more }) }) as unknown as FetchJobRecord;
    // Two jobs in one pack, and one that has no memory any more.
    quarantine.take(stuck!, [job(), job(), job({ extent: null })], [hedge]);
    expect(arena.stats()).toMatchObject({ quarantinedBytes: pages(3) });
    arena.release(shared);
    expect(arena.stats()).toMatchObject({ quarantinedBytes: pages(3) });
    quarantine.release(other!);
    expect(arena.stats()).toMatchObject({ quarantinedBytes: pages(3) });
    for (let i = 0; i < 2; i += 1) quarantine.release(stuck!);
    expect(arena.stats()).toMatchObject({ quarantinedBytes: 0, usedBytes: 0, extents: 0 });
  });
});
