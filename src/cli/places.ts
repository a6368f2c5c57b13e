/**
 * Where objects come from and go to, as operands name them: URIs of any scheme, and paths of this machine.
 *
 * Invariants:
 * 1. A folder ends in a slash, so that what is copied or deleted below `logs` is never below `logs-old`.
 * 2. A file's name becomes the last part of a key as it stands; where the target is a URI that is percent-encoded, it is
 *    encoded.
 */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './args.js';

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;

/** The path that an operand names on this machine; null for a URI of another scheme. @throws UsageError */
export function localPath(operand: string): string | null {
  const scheme = SCHEME.exec(operand)?.[1]?.toLowerCase();
  if (scheme === undefined) return resolve(operand);
  if (scheme !== 'file') return null;
  try {
    return fileURLToPath(operand);
  } catch (error) {
    throw new UsageError(`${operand}: ${(error as Error).message}`);
  }
}

export function isFolder(operand: string): boolean {
  return operand.endsWith('/');
}

/** The operand with a slash at its end. */
export function folder(operand: string): string {
  return isFolder(operand) ? operand : `${operand}/`;
}

/** Whether the operand is a directory that is there. */
export async function isDirectory(operand: string): Promise<boolean> {
  const path = localPath(operand);
  return path !== null && ((await stat(path).catch(() => null))?.isDirectory() ?? false);
}

/** Whether the operand means the root of this machine's file system. */
export function isRoot(operand: string): boolean {
  return localPath(operand) === '/';
}

/** The last part of an operand's path, which is the name of its copy. @throws UsageError when there is none */
export function nameOf(operand: string): string {
  const path = localPath(operand);
  const name = path === null ? operand.slice(operand.lastIndexOf('/') + 1) : basename(path);
  const isStore = path === null && /^[^/]*\/\/[^/]*$/.test(operand);
  if (name !== '' && !isStore && !isFolder(operand)) return name;
  throw new UsageError(`${operand} names no single object; for everything below a folder there is -r`);
}

/** The URI of `name` in a folder. */
export function inFolder(target: string, name: string): string {
  return target + (/^(?:file|https?):/i.test(target) ? encodeURIComponent(name) : name);
}
