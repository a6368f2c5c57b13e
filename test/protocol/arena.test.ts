import { describe, expect, it } from 'vitest';
import { Arena, type Extent, PAGE_BYTES, pageAlign } from '../../dist/protocol/arena.js';

const PAGES = 64;
/** From this size on an extent is a large one. */
const LARGE_PAGES = PAGES / 16;

const pages = (count: number): number => count * PAGE_BYTES;
const createArena = (): Arena => new Arena(pages(PAGES));

function must(extent: Extent | null): Extent {
  if (extent === null) throw new Error('the arena had no room');
  return extent;
}

describe('pageAlign', () => {
  it.each([
    [0, 1],
    [1, 1],
    [PAGE_BYTES, 1],
    [PAGE_BYTES + 1, 2],
    [5 * 2 ** 40, (5 * 2 ** 40) / PAGE_BYTES],
  ])('makes %d bytes %d pages', (bytes, count) => {
    expect(pageAlign(bytes)).toBe(pages(count));
  });
});

describe('allocate', () => {
  it('gives whole pages, one even for nothing', () => {
    const arena = createArena();
    expect(arena.allocate(0)).toMatchObject({ offset: 0, length: pages(1), holders: 1 });
    expect(arena.allocate(PAGE_BYTES + 1)).toMatchObject({ offset: pages(1), length: pages(2) });
    expect(arena.stats()).toMatchObject({ usedBytes: pages(3), extents: 2 });
  });

  it('cuts small extents from the low end and large ones from the high end', () => {
    const arena = createArena();
    const small = [must(arena.allocate(pages(LARGE_PAGES - 1))), must(arena.allocate(1))];
    const large = [must(arena.allocate(pages(LARGE_PAGES))), must(arena.allocate(pages(8)))];
    expect(small.map(({ offset }) => offset)).toEqual([0, pages(LARGE_PAGES - 1)]);
    expect(large.map(({ offset }) => offset)).toEqual([pages(PAGES - LARGE_PAGES), pages(PAGES - 12)]);
  });

  it('takes the last gap that is long enough for a large extent', () => {
    const arena = createArena();
    const each = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    for (const [page, extent] of each.entries()) if (page % 20 !== 19) arena.release(extent);
    // The runs have 19, 19, 19 and 4 pages.
    expect(must(arena.allocate(pages(LARGE_PAGES + 1))).offset).toBe(pages(59 - LARGE_PAGES - 1));
    expect(must(arena.allocate(pages(LARGE_PAGES - 1))).offset).toBe(0);
  });

  it('takes the first gap that is long enough', () => {
    const arena = createArena();
    const extents = [1, 3, 2, 3, 1].map((count) => must(arena.allocate(pages(count))));
    arena.release(extents[1]!);
    arena.release(extents[3]!);
    expect(must(arena.allocate(pages(2))).offset).toBe(extents[1]!.offset);
    expect(must(arena.allocate(pages(2))).offset).toBe(extents[3]!.offset);
    expect(must(arena.allocate(pages(1))).offset).toBe(extents[1]!.offset + pages(2));
  });

  it('fills to the last page, and then has no room until one is released', () => {
    const arena = createArena();
    const all = must(arena.allocate(pages(PAGES)));
    expect(arena.allocate(0)).toBeNull();
    arena.release(all);
    const each = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    expect(new Set(each.map(({ offset }) => offset)).size).toBe(PAGES);
    expect(arena.allocate(1)).toBeNull();
    arena.release(each[17]!);
    expect(must(arena.allocate(1)).offset).toBe(pages(17));
  });

  it('says no where the free pages are enough but in pieces, and yes once two pieces meet', () => {
    const arena = createArena();
    const each = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    for (let i = 0; i < PAGES; i += 2) arena.release(each[i]!);
    expect(arena.stats().usedBytes).toBe(pages(PAGES / 2));
    expect(arena.allocate(pages(2))).toBeNull();
    arena.release(each[31]!);
    expect(must(arena.allocate(pages(3))).offset).toBe(pages(30));
  });

  it('never gives more than the budget, rounded down to whole pages', () => {
    const arena = new Arena(pages(2) + 100);
    expect(arena.budgetBytes).toBe(pages(2));
    expect(arena.allocate(pages(2) + 1)).toBeNull();
    expect(arena.allocate(pages(2))).not.toBeNull();
  });
});

describe('fits', () => {
  it('says whether an extent can be had now, and takes none', () => {
    const arena = createArena();
    expect([arena.fits(0), arena.fits(pages(PAGES)), arena.fits(pages(PAGES) + 1)]).toEqual([
      true,
      true,
      false,
    ]);
    const each = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    expect(arena.fits(1)).toBe(false);
    for (const page of [0, 1, 5]) arena.release(each[page]!);
    expect([arena.fits(pages(2)), arena.fits(pages(3))]).toEqual([true, false]);
    expect(arena.stats().extents).toBe(PAGES - 3);
  });
});

describe('widen', () => {
  /** Two pages held so that no run is longer than the third of the arena. */
  function split(arena: Arena): Extent[] {
    const all = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    const held = new Set([all[21]!, all[42]!]);
    for (const extent of all) if (!held.has(extent)) arena.release(extent);
    return [...held];
  }

  it('finds a run for what is within the budget and in pieces, above the budget', () => {
    const arena = createArena();
    split(arena);
    expect(arena.allocate(pages(40))).toBeNull();
    expect(arena.widen(pages(40))).toBe(true);
    const extent = must(arena.allocate(pages(40)));
    expect(extent.offset + extent.length).toBeGreaterThan(pages(PAGES));
    expect(extent.offset + extent.length).toBeLessThanOrEqual(arena.buffer.byteLength);
    expect(arena.allocate(pages(PAGES - 2 - 40 + 1))).toBeNull();
    expect(arena.stats().peakBytes).toBeLessThanOrEqual(pages(PAGES));
  });

  it('does nothing for what is over the budget, or has a run already', () => {
    const arena = createArena();
    const held = split(arena);
    expect(arena.widen(pages(PAGES - 1))).toBe(false);
    expect(arena.widen(pages(20))).toBe(false);
    for (const extent of held) arena.release(extent);
    expect(must(arena.allocate(pages(PAGES))).offset).toBe(0);
  });

  it('never gives a place beyond the addresses, nor one twice, and is done once only', () => {
    const arena = createArena();
    // Four pages are held so that no run below the budget has more than 16.
    const all = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    for (const [page, extent] of all.entries()) if (page % 16 !== 15) arena.release(extent);
    expect(arena.widen(pages(20))).toBe(true);
    const first = must(arena.allocate(pages(20)));
    const second = must(arena.allocate(pages(20)));
    expect([first.offset, second.offset]).toEqual([pages(PAGES), pages(PAGES + 20)]);
    arena.release(first);
    // The budget has room for it, but 20 pages lie before the second extent, and 24 behind it.
    expect(arena.fits(pages(25))).toBe(false);
    expect(arena.widen(pages(25))).toBe(false);
    expect(arena.allocate(pages(25))).toBeNull();
    const last = must(arena.allocate(pages(24)));
    expect(last.offset).toBe(pages(PAGES + 40));
    expect(last.offset + last.length).toBeLessThanOrEqual(arena.buffer.byteLength);
  });

  it('stays until the last extent above the budget is released', () => {
    const arena = createArena();
    split(arena);
    expect(arena.widen(pages(30))).toBe(true);
    const [first, second] = [must(arena.allocate(pages(30))), must(arena.allocate(pages(30)))];
    expect(second.offset + second.length).toBeGreaterThan(pages(PAGES));
    arena.release(first);
    expect(must(arena.allocate(pages(30))).offset).toBe(first.offset);
  });

  it('that is refused opens nothing', () => {
    const arena = createArena();
    split(arena);
    expect(arena.widen(pages(PAGES - 1))).toBe(false);
    expect(arena.allocate(pages(40))).toBeNull();
  });

  it('is never possible where twice the addresses cannot be had; the budget alone then does', () => {
    const host = globalThis as { SharedArrayBuffer: SharedArrayBufferConstructor };
    const { SharedArrayBuffer: real } = host;
    host.SharedArrayBuffer = class extends real {
      constructor(bytes: number) {
        if (bytes > pages(PAGES + 1)) throw new RangeError('Array buffer allocation failed');
        super(bytes);
      }
    } as SharedArrayBufferConstructor;
    try {
      const arena = createArena();
      expect(arena.buffer.byteLength).toBe(pages(PAGES + 1));
      const held = split(arena);
      expect(arena.widen(pages(40))).toBe(false);
      expect(arena.allocate(pages(40))).toBeNull();
      for (const extent of held) arena.release(extent);
      expect(must(arena.allocate(pages(PAGES))).offset).toBe(0);
    } finally {
      host.SharedArrayBuffer = real;
    }
  });

  it('ends when nothing lies above the budget any more', () => {
    const arena = createArena();
    const held = split(arena);
    for (let round = 0; round < 3; round += 1) {
      expect(arena.widen(pages(40))).toBe(true);
      // One that is widened already is not widened again.
      expect(arena.widen(pages(40))).toBe(false);
      arena.release(must(arena.allocate(pages(40))));
      expect(arena.allocate(pages(40))).toBeNull();
    }
    for (const extent of held) arena.release(extent);
    expect(must(arena.allocate(pages(PAGES))).offset).toBe(0);
    expect(arena.stats()).toMatchObject({ usedBytes: pages(PAGES), extents: 1 });
  });
});

describe('trim', () => {
  it('gives back the pages behind, and leaves the rest where it is', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(3)));
    const next = must(arena.allocate(1));
    arena.trim(extent, PAGE_BYTES + 1);
    expect(extent).toMatchObject({ offset: 0, length: pages(2) });
    expect(must(arena.allocate(1)).offset).toBe(pages(2));
    expect(next.offset).toBe(pages(3));
    expect(arena.stats().usedBytes).toBe(pages(4));
  });

  it('keeps a page for nothing, and is nothing where it would grow', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(2)));
    arena.trim(extent, 0);
    expect(extent.length).toBe(pages(1));
    arena.trim(extent, pages(2));
    expect(extent.length).toBe(pages(1));
    expect(arena.stats().usedBytes).toBe(pages(1));
  });
});

describe('release', () => {
  it('of several holders takes all of them at once, or none when there are not so many', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(1)));
    arena.hold(extent, 4);
    arena.release(extent, 3);
    expect([extent.holders, arena.isLive(extent)]).toEqual([2, true]);
    expect(() => arena.release(extent, 3)).toThrow(
      expect.objectContaining({ code: 'Released', message: expect.stringMatching(/^release of 3 holders/) }),
    );
    expect([extent.holders, arena.isLive(extent)]).toEqual([2, true]);
    arena.release(extent, 2);
    expect([arena.isLive(extent), arena.stats().usedBytes]).toEqual([false, 0]);
  });

  it('frees with the last holder', () => {
    const arena = createArena();
    const extent = must(arena.allocate(1));
    arena.hold(extent, 2);
    arena.release(extent);
    arena.release(extent);
    expect(arena.isLive(extent)).toBe(true);
    arena.release(extent);
    expect(arena.isLive(extent)).toBe(false);
    expect(arena.stats()).toMatchObject({ usedBytes: 0, extents: 0 });
  });

  it.each([
    ['release', (arena: Arena, extent: Extent) => arena.release(extent)],
    ['hold', (arena: Arena, extent: Extent) => arena.hold(extent)],
    ['trim', (arena: Arena, extent: Extent) => arena.trim(extent, 1)],
    ['quarantine', (arena: Arena, extent: Extent) => arena.quarantine(extent)],
    ['unquarantine', (arena: Arena, extent: Extent) => arena.unquarantine(extent)],
  ])('makes a later %s an error that names the extent, and changes nothing', (verb, use) => {
    const arena = createArena();
    must(arena.allocate(1));
    const extent = must(arena.allocate(pages(2)));
    arena.release(extent);
    const reused = must(arena.allocate(pages(2)));
    expect(reused.offset).toBe(extent.offset);
    const before = arena.stats();
    expect(() => use(arena, extent)).toThrow(
      expect.objectContaining({
        code: 'Released',
        phase: 'deliver',
        message: expect.stringMatching(
          new RegExp(`^${verb} of an extent .*generation 2, 8192 bytes at 4096`),
        ),
      }),
    );
    expect(arena.stats()).toEqual(before);
    expect(reused.holders).toBe(1);
  });
});

describe('quarantine', () => {
  it('shrinks what is usable until the thread has ended, even when every other holder let go', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(8)));
    arena.hold(extent);
    arena.quarantine(extent);
    arena.release(extent);
    expect(arena.usableBytes).toBe(pages(PAGES - 8));
    expect(arena.stats()).toMatchObject({ quarantinedBytes: pages(8), usedBytes: pages(8) });
    expect(arena.allocate(pages(PAGES - 7))).toBeNull();
    const rest = must(arena.allocate(pages(PAGES - 8)));
    arena.release(rest);
    arena.unquarantine(extent);
    expect(arena.usableBytes).toBe(pages(PAGES));
    expect(arena.allocate(pages(PAGES))).not.toBeNull();
  });

  it('counts an extent once, however many threads may still write to it, and until the last of them has ended', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(8)));
    for (let thread = 0; thread < 3; thread += 1) {
      arena.hold(extent);
      arena.quarantine(extent);
    }
    arena.release(extent);
    expect([arena.usableBytes, arena.stats().quarantinedBytes]).toEqual([pages(PAGES - 8), pages(8)]);
    arena.unquarantine(extent);
    arena.trim(extent, pages(3));
    arena.unquarantine(extent);
    expect([arena.usableBytes, arena.stats().quarantinedBytes]).toEqual([pages(PAGES - 3), pages(3)]);
    arena.unquarantine(extent);
    expect(arena.stats()).toMatchObject({ quarantinedBytes: 0, usedBytes: 0 });
  });
});

describe('charge', () => {
  it('counts against the budget without a place in the arena', () => {
    const arena = createArena();
    arena.charge(pages(PAGES - 2));
    expect(arena.allocate(pages(3))).toBeNull();
    const extent = must(arena.allocate(pages(2)));
    arena.charge(1);
    expect(arena.stats()).toMatchObject({ chargedBytes: pages(PAGES - 2) + 1, peakBytes: pages(PAGES) + 1 });
    arena.release(extent);
    expect(arena.allocate(pages(2))).toBeNull();
    arena.uncharge(1);
    expect(arena.allocate(pages(2))).not.toBeNull();
    arena.uncharge(pages(PAGES - 2));
    expect(arena.stats().chargedBytes).toBe(0);
  });
});

describe('the peak', () => {
  it('stays when what made it is gone', () => {
    const arena = createArena();
    const extent = must(arena.allocate(pages(5)));
    arena.trim(extent, 1);
    arena.release(extent);
    must(arena.allocate(1));
    expect(arena.stats()).toMatchObject({ usedBytes: pages(1), peakBytes: pages(5) });
  });
});

describe('a buffer that begins in the middle of a page', () => {
  const PAD = 4080;

  it('has its extents behind the pad, up to the last page of the budget', () => {
    const arena = new Arena(pages(PAGES), () => PAD);
    const each = Array.from({ length: PAGES }, () => must(arena.allocate(1)));
    expect(each.map(({ offset }) => offset)).toEqual(each.map((_, i) => PAD + pages(i)));
    expect(arena.allocate(1)).toBeNull();
    for (const extent of each) arena.release(extent);
    expect(must(arena.allocate(pages(PAGES)))).toMatchObject({ offset: PAD, length: pages(PAGES) });
  });

  it('keeps the pad, the buffer and the budget when its addresses are widened and narrowed again', () => {
    const arena = new Arena(pages(8), () => PAD);
    const held = Array.from({ length: 8 }, () => must(arena.allocate(1)));
    for (const i of [0, 2, 4, 6]) arena.release(held[i]!);
    expect(arena.widen(pages(4))).toBe(true);
    const above = must(arena.allocate(pages(4)));
    expect(above.offset % PAGE_BYTES).toBe(PAD);
    expect(above.offset + above.length).toBeLessThanOrEqual(arena.buffer.byteLength);
    arena.release(above);
    for (const i of [1, 3, 5, 7]) arena.release(held[i]!);
    expect(must(arena.allocate(pages(8)))).toMatchObject({ offset: PAD });
    expect(arena.allocate(1)).toBeNull();
  });
});
