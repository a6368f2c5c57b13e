/**
 * Where the pages of a large buffer begin: JavaScript cannot see an address, but a direct read can tell whether one is
 * aligned. The file that it reads is the program of this process, which is always there.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../../protocol/errors.js';
import { findPad, MAX_MEMORY_BYTES, USUAL_PAD } from './direct-probe.js';
import { DIRECT_FLAG } from './disk.js';

/**
 * How many bytes behind its beginning the buffer's first page begins, less than a page; overwrites the first two pages.
 *
 * Where that filesystem has no direct reads, or asks for less than a page, it is what the usual allocators do. A wrong
 * answer costs direct reads a copy, which `bouncedBytes` shows, and nothing else. Takes one read, some 0.1 ms.
 */
export function padOfPages(buffer: SharedArrayBuffer): number {
  if (DIRECT_FLAG === 0 || buffer.byteLength < 2 * MAX_MEMORY_BYTES) return USUAL_PAD;
  const view = new Uint8Array(buffer, 0, 2 * MAX_MEMORY_BYTES);
  let fd = -1;
  try {
    fd = openSync(process.execPath, DIRECT_FLAG);
    const pad = findPad((at) => takes(fd, view, at));
    return pad === -1 ? USUAL_PAD : pad;
  } catch {
    return USUAL_PAD;
  } finally {
    if (fd !== -1) closeSync(fd);
  }
}

function takes(fd: number, view: Uint8Array, at: number): boolean {
  try {
    readSync(fd, view, at, MAX_MEMORY_BYTES, 0);
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === 'EINVAL') return false;
    throw thrown;
  }
}
