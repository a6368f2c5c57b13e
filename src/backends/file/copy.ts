/**
 * Copies a file inside the store: as a clone that shares its blocks where the filesystem can (btrfs, XFS), else by way
 * of memory, in pieces.
 *
 * Invariant: one version of the source is copied, the one that was asked for; a file that is written to meanwhile fails
 * the copy with `VersionChanged`.
 */
import { closeSync, constants, copyFileSync, fchmodSync, fstatSync, readSync } from 'node:fs';
import { ErrorCode } from '../../protocol/errors.js';
import type { CopyRequest, WriteResult } from '../../protocol/writes.js';
import { regularStats } from './attempt.js';
import { createFile, Draft } from './draft.js';
import { enterMade } from './folder.js';
import { PIECE_BYTES } from './read.js';
import { checkVersion } from './replace.js';
import { closeRead, HAS_PROC, versionOf } from './root.js';
import { objectError, pause, placeOf, type Work, writePiece } from './work.js';

/** A clone that is refused costs what it takes to copy a few hundred KiB. */
const CLONE_FROM_BYTES = 1024 * 1024;

/** Filled and written between two pauses, so that all copies of a thread can share it; made by the first. */
let piece: Uint8Array | null = null;

export async function copyFile(work: Work, request: CopyRequest): Promise<Partial<WriteResult>> {
  const { root } = work;
  const place = placeOf(request.key);
  if (request.sourceStore !== root.uriOf('')) {
    const what = `cannot be copied to from ${request.sourceStore}: that is another store`;
    throw objectError(work, place.key, ErrorCode.Unsupported, what);
  }
  const source = placeOf(request.sourceKey);
  const fd = root.open(root.pathOf(source.key));
  try {
    const before = regularStats(fd, root, source.key);
    if (request.sourceVersion !== null) checkVersion(work, source, before, request.sourceVersion);
    const folder = enterMade(root, place.directory);
    try {
      const draft = new Draft(folder);
      try {
        const cloned = before.size >= CLONE_FROM_BYTES && HAS_PROC && clone(fd, draft);
        if (!cloned) await copyBytes(work, fd, draft.fd);
        checkVersion(work, source, fstatSync(fd), versionOf(before));
        return { version: draft.become(work, place, request) };
      } finally {
        draft.discard();
      }
    } finally {
      folder.close();
    }
  } finally {
    closeRead(fd);
  }
}

/** Whether the filesystem did it. The file is then as new as one that was written, and has the rights of a new one. */
function clone(fd: number, draft: Draft): boolean {
  const { mode } = fstatSync(draft.fd);
  try {
    copyFileSync(`/proc/self/fd/${fd}`, draft.path, constants.COPYFILE_FICLONE_FORCE);
    fchmodSync(draft.fd, mode);
    return true;
  } catch {
    // Whatever kept it from that, the copy that follows meets it too; the failed one has removed the file.
    closeSync(draft.fd);
    draft.fd = -1;
    draft.fd = createFile(draft.path);
    return false;
  }
}

async function copyBytes(work: Work, from: number, to: number): Promise<void> {
  piece ??= new Uint8Array(PIECE_BYTES);
  for (let at = 0; ;) {
    await pause(work);
    const read = readSync(from, piece, 0, PIECE_BYTES, at);
    if (read === 0) return;
    writePiece(to, piece.subarray(0, read), at);
    at += read;
  }
}
