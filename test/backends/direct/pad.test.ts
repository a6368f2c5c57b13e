import { closeSync, openSync, readSync } from 'node:fs';
import { expect, describe, it } from 'vitest';
import { DIRECT_FLAG } from '../../../dist/backends/file/disk.js';
import { padOfPages } from '../../../dist/backends/file/memory-pad.js';
import { Arena, PAGE_BYTES } from '../../../dist/protocol/arena.js';
import { skipUnless } from '../../kit/require-server.mjs';
import { directAvailable } from './kit.js';

interface Wasm {
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => {
    buffer: SharedArrayBuffer;
  };
}

/** Memory of which it is known that it begins on a page; in units of 64 KiB. */
function memoryOnPage(units: number): SharedArrayBuffer {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: Wasm };
  return new WebAssembly.Memory({ initial: units, maximum: units, shared: true }).buffer;
}

/** Whether a direct read of a page into the buffer at `offset` is taken. */
function takes(buffer: SharedArrayBuffer, offset: number): boolean {
  const fd = openSync(process.execPath, DIRECT_FLAG);
  try {
    return readSync(fd, new Uint8Array(buffer), offset, PAGE_BYTES, 0) === PAGE_BYTES;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** The program may lie on a filesystem that takes everything, or no direct read at all. */
function reasonToSkip(): string | null {
  const buffer = memoryOnPage(1);
  const minds = DIRECT_FLAG !== 0 && takes(buffer, 0) && !takes(buffer, 16);
  return directAvailable() ?? (minds ? null : `${process.execPath} lies where O_DIRECT has no alignment`);
}

describe.skipIf(skipUnless(reasonToSkip()))('the pad of a buffer', () => {
  it('is none where memory is known to begin on a page', () => {
    expect(padOfPages(memoryOnPage(16))).toBe(0);
  });

  it.each([1, 64, 1024])('makes direct reads of a buffer of %i MiB land without a copy', (mib) => {
    const buffer = new SharedArrayBuffer(mib * 1024 * 1024);
    const pad = padOfPages(buffer);
    expect(pad).toBeLessThan(PAGE_BYTES);
    expect(takes(buffer, pad)).toBe(true);
    expect(takes(buffer, pad + 16)).toBe(false);
  });

  it('is in every extent of an arena', () => {
    const arena = new Arena(64 * PAGE_BYTES, padOfPages);
    const extents = [1, 5, 20, 38].map((count) => arena.allocate(count * PAGE_BYTES)!);
    for (const { offset } of extents) expect(takes(arena.buffer, offset)).toBe(true);
  });
});
