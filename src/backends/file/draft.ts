/**
 * A file under a reserved name, on its way to become an object.
 *
 * Invariant: `discard` leaves nothing of it, however far it came, unless it became the object.
 */
import { closeSync, constants, openSync, unlinkSync, statSync } from 'node:fs';
import type { WriteCondition } from '../../protocol/writes.js';
import { replace } from './replace.js';
import { newId, reservedName } from './reserved.js';
import { closeRead, type Entered, versionOf } from './root.js';
import type { Place, Work } from './work.js';

const { O_WRONLY, O_CREAT, O_EXCL } = constants;
/** Less the process's umask, as every program makes files. */
const MODE = 0o666;

/** Makes an empty file; throws where there is something of that name. */
export function createFile(path: Buffer): number {
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL, MODE);
}

export class Draft {
  readonly path: Buffer;
  fd: number;
  readonly #folder: Entered;

  /** Throws as open does. */
  constructor(folder: Entered) {
    this.#folder = folder;
    this.path = folder.at(reservedName(newId()));
    this.fd = createFile(this.path);
  }

  /** Makes it the object, and tells the object's version. */
  become(work: Work, place: Place, condition: WriteCondition): string {
    const { fd } = this;
    this.fd = -1;
    // Network filesystems may tell only now that there was no room; and the time of change by their own clock.
    closeSync(fd);
    const version = versionOf(statSync(this.path));
    replace(work, this.#folder, place, this.path, condition);
    return version;
  }

  /** Idempotent; never throws. */
  discard(): void {
    if (this.fd !== -1) closeRead(this.fd);
    this.fd = -1;
    try {
      unlinkSync(this.path);
    } catch {
      // It became the object, or cannot be removed: the failure that led here is what the caller has to know.
      return;
    }
  }
}
