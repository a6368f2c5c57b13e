import { describe, expect, it } from 'vitest';
import { Arena, type Extent, PAGE_BYTES, pageAlign } from '../../dist/protocol/arena.js';
import { mix32 } from '../../dist/backends/memory/pattern.js';

const PAGES = 96;
const LARGE_PAGES = PAGES / 16;

/** Which page belongs to which generation: the arena as an array, 0 for free. */
class Model {
  readonly owner = new Int32Array(PAGES);

  /** Where two-ended first fit puts so many pages, or -1. */
  place(count: number): number {
    const large = count >= LARGE_PAGES;
    let run = 0;
    for (let step = 0; step < PAGES; step += 1) {
      const page = large ? PAGES - 1 - step : step;
      run = this.owner[page] === 0 ? run + 1 : 0;
      // Only where the gap began to be long enough is the first fit; a large one lies at the high end of its gap.
      if (run === count) return large ? page : page - count + 1;
    }
    return -1;
  }

  fill(extent: Extent, owner: number, fromBytes = 0): void {
    const first = (extent.offset + fromBytes) / PAGE_BYTES;
    this.owner.fill(owner, first, (extent.offset + extent.length) / PAGE_BYTES);
  }

  get used(): number {
    return this.owner.reduce((sum, owner) => sum + (owner === 0 ? 0 : 1), 0);
  }
}

interface Held {
  readonly extent: Extent;
  holders: number;
  quarantined: boolean;
}

class Stress {
  readonly arena = new Arena(PAGES * PAGE_BYTES);
  readonly model = new Model();
  readonly held: Held[] = [];
  readonly #seed: number;
  #drawn = 0;
  refusals = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  below(limit: number): number {
    this.#drawn += 1;
    return (mix32(this.#seed + Math.imul(this.#drawn, 0x9e3779b1)) >>> 0) % limit;
  }

  step(): void {
    const verb = this.held.length === 0 ? 0 : this.below(10);
    if (verb < 4) this.#allocate();
    else if (verb < 7) this.#release();
    else if (verb === 7) this.#trim();
    else if (verb === 8) this.#hold();
    else this.#quarantine();
    this.#check();
  }

  #pick(): number {
    return this.below(this.held.length);
  }

  #allocate(): void {
    const bytes = this.below(this.below(4) === 0 ? 20 * PAGE_BYTES : 3 * PAGE_BYTES);
    const count = pageAlign(bytes) / PAGE_BYTES;
    const at = this.model.place(count);
    const extent = this.arena.allocate(bytes);
    if (extent === null || at < 0) {
      expect(extent).toBeNull();
      expect(at).toBe(-1);
      this.refusals += 1;
      return;
    }
    const first = extent.offset / PAGE_BYTES;
    expect([first, extent.length / PAGE_BYTES]).toEqual([at, count]);
    expect(this.model.owner.subarray(first, first + count).every((owner) => owner === 0)).toBe(true);
    this.model.fill(extent, extent.generation);
    this.held.push({ extent, holders: 1, quarantined: false });
  }

  #release(): void {
    const at = this.#pick();
    const held = this.held[at]!;
    held.holders -= 1;
    // The last holder of a quarantined extent is the thread that may still write.
    if (held.quarantined && held.holders === 0) this.arena.unquarantine(held.extent);
    else this.arena.release(held.extent);
    if (held.holders > 0) return;
    this.held.splice(at, 1);
    this.model.fill(held.extent, 0);
    expect(() => this.arena.release(held.extent)).toThrow(expect.objectContaining({ code: 'Released' }));
  }

  #trim(): void {
    const { extent, quarantined } = this.held[this.#pick()]!;
    if (quarantined) return;
    const bytes = this.below(extent.length + 1);
    const kept = pageAlign(bytes);
    this.model.fill(extent, 0, kept);
    this.arena.trim(extent, bytes);
    expect(extent.length).toBe(kept);
  }

  #hold(): void {
    const held = this.held[this.#pick()]!;
    const more = 1 + this.below(3);
    this.arena.hold(held.extent, more);
    held.holders += more;
  }

  #quarantine(): void {
    const held = this.held[this.#pick()]!;
    if (held.quarantined) return;
    this.arena.quarantine(held.extent);
    held.quarantined = true;
  }

  #check(): void {
    const quarantined = this.held.filter((held) => held.quarantined);
    const quarantinedBytes = quarantined.reduce((sum, { extent }) => sum + extent.length, 0);
    expect(this.arena.stats()).toMatchObject({
      usedBytes: this.model.used * PAGE_BYTES,
      extents: this.held.length,
      quarantinedBytes,
    });
    expect(this.arena.usableBytes).toBe(PAGES * PAGE_BYTES - quarantinedBytes);
  }
}

describe('an arena in any sequence of calls', () => {
  it.each([1, 2, 3, 4])('agrees with a page by page model (seed %i)', (seed) => {
    const stress = new Stress(seed);
    for (let step = 0; step < 3000; step += 1) stress.step();
    // Otherwise the fullness and fragmentation that matter were never met.
    expect(stress.refusals).toBeGreaterThan(50);
    for (const { extent, holders, quarantined } of stress.held) {
      for (let i = 1; i < holders; i += 1) stress.arena.release(extent);
      if (quarantined) stress.arena.unquarantine(extent);
      else stress.arena.release(extent);
    }
    expect(stress.arena.stats()).toMatchObject({ usedBytes: 0, extents: 0, quarantinedBytes: 0 });
    expect(stress.arena.allocate(PAGES * PAGE_BYTES)).not.toBeNull();
  });
});
