import { describe, expect, it } from 'vitest';
import {
  findAlignment,
  findPad,
  findPhase,
  type TryRead,
  USUAL_PAD,
} from '../../../dist/backends/file/direct-probe.js';
import { einval } from './kit.js';

/** Takes reads into memory that begins at `base`, where the device that asks for these alignments would. */
function device(base: number, blockBytes: number, memoryBytes: number): TryRead & { reads: number } {
  const tryRead = ((offset, length) => {
    if ((base + offset) % memoryBytes !== 0 || length % blockBytes !== 0) throw einval();
    tryRead.reads += 1;
    return length;
  }) as TryRead & { reads: number };
  tryRead.reads = 0;
  return tryRead;
}

const POWERS = [4, 16, 64, 512, 4096];

describe('the alignment of a device', () => {
  it('is found wherever the memory begins, with a few reads that go through', () => {
    for (const base of [0, 16, 48, 512, 4080, 16 * 77]) {
      for (const blockBytes of [512, 1024, 4096, 65_536]) {
        for (const memoryBytes of POWERS) {
          const tryRead = device(base, blockBytes, memoryBytes);
          const found = findAlignment(tryRead);
          expect(found).toMatchObject({ blockBytes, memoryBytes });
          expect((base + (found?.bouncePad ?? 1)) % memoryBytes).toBe(0);
          expect(tryRead.reads).toBeLessThanOrEqual(2);
        }
      }
    }
  });

  it('is none where every read is refused', () => {
    expect(
      findAlignment(() => {
        throw einval();
      }),
    ).toBeNull();
  });

  it('is not made up from another error', () => {
    const broken = Object.assign(new Error('EIO'), { code: 'EIO' });
    const fail = (): never => {
      throw broken;
    };
    expect(() => findAlignment(fail)).toThrow(broken);
  });
});

describe('the pad of a buffer', () => {
  it('is what the usual allocators leave, where the device does not ask for more than that is aligned to', () => {
    const memory = 16;
    expect(findPad((pad) => (memory + pad) % 512 === 0)).toBe(USUAL_PAD);
    expect((memory + USUAL_PAD) % 4096).toBe(0);
  });

  it('is searched where that is refused, and -1 where everything is', () => {
    expect(findPad((pad) => (64 + pad) % 4096 === 0)).toBe(4096 - 64);
    expect(findPad((pad) => pad % 4096 === 0)).toBe(0);
    expect(findPad(() => false)).toBe(-1);
  });
});

describe('the phase of a target', () => {
  it('is that of its buffer, whatever the view, where there is room to find out', () => {
    for (const base of [0, 16, 4080, 496]) {
      for (const memoryBytes of POWERS) {
        for (const byteOffset of [0, 1, 17, 496, 8192, 12_345]) {
          const alignment = { blockBytes: 512, memoryBytes, bouncePad: 0 };
          const tryRead = device(base + byteOffset, 512, memoryBytes);
          expect(findPhase(tryRead, alignment, byteOffset, 262_144)).toBe(base % memoryBytes);
        }
      }
    }
  });

  it('is not known where there is no room, and nothing is tried beside it', () => {
    const alignment = { blockBytes: 512, memoryBytes: 4096, bouncePad: 0 };
    let furthest = 0;
    const tryRead: TryRead = (offset, length) => {
      furthest = Math.max(furthest, offset + length);
      throw einval();
    };
    expect(findPhase(tryRead, alignment, 5, 7000)).toBe(-1);
    expect(furthest).toBeLessThanOrEqual(7000);
    expect(furthest).toBeGreaterThan(6000);
  });
});
