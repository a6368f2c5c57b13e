/**
 * The names under which writes are prepared, beside what they will be.
 *
 * A put or a copy writes to a file of such a name in the target's own directory, and moves it into place. An upload in
 * parts is a directory of such a name, and in it one file that has the target's own name: so an upload that was never
 * ended tells its key, without anything that could be only half written, and names of all lengths have room.
 *
 * Invariant: no object has such a name. This store neither lists, reads nor writes one.
 */
import { randomBytes } from 'node:crypto';

/** Hidden, as files that are of no use to their owner are; the rest of the name is the id. */
export const RESERVED = '.millrace-upload-';

const ID_BYTES = 16;
const ID = /^[0-9a-f]{32}$/;

/** Random, so that any number of processes and machines write into one directory without knowing each other. */
export function newId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

/** Whether `newId` may have made it: what comes from outside becomes part of a path. */
export function isId(text: string): boolean {
  return ID.test(text);
}

export function reservedName(id: string): string {
  return RESERVED + id;
}

/** The id in a reserved name, with or without a slash at its end; null where it is none of ours. */
export function idIn(name: string): string | null {
  const id = name.slice(RESERVED.length, RESERVED.length + ID_BYTES * 2);
  const rest = name.slice(RESERVED.length + ID_BYTES * 2);
  return isReserved(name) && isId(id) && (rest === '' || rest === '/') ? id : null;
}

export function isReserved(name: string): boolean {
  return name.startsWith(RESERVED);
}
