/**
 * One attempt at a change, by synchronous calls in the worker's own thread, in pieces as reads are.
 *
 * Invariants:
 * 1. What is put, copied or completed is visible as a whole or not at all; after a cancel or a failure nothing of it is
 *    left, but for directories that were made on its way.
 * 2. No body is read any more when the answer is there.
 *
 * Directories that become empty stay, as with rclone: they may have been somebody's before, and taking them away would
 * race with those who put something into them.
 */
import { unlinkSync } from 'node:fs';
import { ErrorCode, type MillraceError } from '../../protocol/errors.js';
import type { StopSignal } from '../../protocol/stop.js';
import { CANCELLED, type Answer, Outcome } from '../../protocol/store.js';
import {
  type DeleteRequest,
  type PutRequest,
  written,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { copyFile } from './copy.js';
import { Draft } from './draft.js';
import { writeFailureOf } from './failures.js';
import { enterMade } from './folder.js';
import type { Pace } from './pace.js';
import { checkVersion, replaceable } from './replace.js';
import type { Root } from './root.js';
import { abortUpload, beginUpload, completeUpload, writePart } from './upload.js';
import { listUploads } from './uploads.js';
import { CancelledWork, enterOf, isGone, pause, placeOf, type Work, writeBytes } from './work.js';

type Written = Partial<WriteResult>;

const ACTIONS: Readonly<Record<WriteRequest['kind'], string>> = {
  put: 'put',
  begin: 'begin an upload of',
  part: 'write a part of',
  complete: 'complete the upload of',
  abort: 'abort the upload of',
  copy: 'copy to',
  delete: 'delete',
  uploads: 'list the uploads below',
};

/** Never rejects. */
export async function writeFile(
  root: Root,
  pace: Pace,
  request: WriteRequest,
  stop: StopSignal,
): Promise<Answer<WriteResult>> {
  const work: Work = { root, pace, stop };
  try {
    await pause(work);
    return written(await carryOut(work, request));
  } catch (thrown) {
    if (thrown instanceof CancelledWork) {
      return CANCELLED;
    }
    const failure = writeFailureOf(thrown, ACTIONS[request.kind], {
      phase: 'write',
      uri: uriOf(root, request),
    });
    const changed = failure.error.code === ErrorCode.VersionChanged;
    const outcome = changed ? Outcome.VersionChanged : failure.outcome;
    return { outcome, value: null, error: failure.error, retryAfterMs: 0 };
  }
}

function carryOut(work: Work, request: WriteRequest): Promise<Written> | Written {
  switch (request.kind) {
    case 'put':
      return put(work, request);
    case 'begin':
      return beginUpload(work, request);
    case 'part':
      return writePart(work, request);
    case 'complete':
      return completeUpload(work, request);
    case 'abort':
      return abortUpload(work, request);
    case 'copy':
      return copyFile(work, request);
    case 'delete':
      return deleteFiles(work, request);
    case 'uploads':
      return listUploads(work, request);
  }
}

async function put(work: Work, request: PutRequest): Promise<Written> {
  const place = placeOf(request.key);
  const folder = enterMade(work.root, place.directory);
  try {
    const draft = new Draft(folder);
    try {
      await writeBytes(work, draft.fd, request.body, 0);
      return { version: draft.become(work, place, request) };
    } finally {
      draft.discard();
    }
  } finally {
    folder.close();
  }
}

/** One key that fails is the answer; of many each is told by itself. */
async function deleteFiles(work: Work, { keys, ifVersion }: DeleteRequest): Promise<Written> {
  if (keys.length === 1) {
    deleteFile(work, keys[0]!, ifVersion);
    return {};
  }
  const failures: [number, MillraceError][] = [];
  for (const [index, key] of keys.entries()) {
    await pause(work);
    try {
      deleteFile(work, key, ifVersion);
    } catch (thrown) {
      const uri = work.root.uriOf(Buffer.from(key).toString('latin1'));
      failures.push([index, writeFailureOf(thrown, 'delete', { phase: 'write', uri }).error]);
    }
  }
  return { failures };
}

/** Of a symbolic link it is the link that goes. What is missing, or below something that is no directory, is no failure. */
function deleteFile(work: Work, key: Uint8Array, ifVersion: string | null): void {
  const place = placeOf(key);
  try {
    const folder = enterOf(work, place);
    try {
      const there = replaceable(work, folder, place);
      if (ifVersion !== null) checkVersion(work, place, there, ifVersion);
      unlinkSync(folder.at(place.name));
    } finally {
      folder.close();
    }
  } catch (thrown) {
    if (!isGone(thrown)) throw thrown;
    if (ifVersion !== null) checkVersion(work, place, undefined, ifVersion);
  }
}

function uriOf(root: Root, request: WriteRequest): string {
  const { prefix, key } = { prefix: null, key: null, ...request } as {
    readonly prefix: Uint8Array | null;
    readonly key: Uint8Array | null;
  };
  const only = request.kind === 'delete' && request.keys.length === 1 ? request.keys[0]! : null;
  return root.uriOf(Buffer.from(key ?? prefix ?? only ?? []).toString('latin1'));
}
