/**
 * Which file an object's key becomes. Keys come from strangers: a bucket may hold `../../etc/passwd`.
 *
 * Invariants:
 * 1. The path that comes out lies in the target directory; a key for which that would have to be guessed is refused.
 * 2. Two keys never become one path: nothing is replaced, trimmed or folded, so odd names stay what they are.
 *
 * Links that lie in the target directory already are looked at when a file is made: see files.ts.
 */
import { ErrorCode, MillraceError } from '../index.js';

/** What a name on Windows may not hold (control characters, and what separates or means something else). */
const WINDOWS_UNSAFE = /[\u0000-\u001f<>:"|?*\\]/;
/** Devices, with or without an extension, whatever the folder. Source: "Naming Files, Paths, and Namespaces", Microsoft. */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i;

/** NAME_MAX of Linux and macOS, and the longest component of a path on Windows. */
const MAX_NAME = 255;

/**
 * The parts of the path below the target directory.
 *
 * @param key the object's key
 * @param prefix what was asked for: its part up to the last slash is left out of the path
 * @param platform where the files are to lie: Windows takes fewer names
 * @throws MillraceError InvalidArgument when the key cannot be a path below a directory
 */
export function pathSegments(
  key: string,
  prefix: string,
  platform: NodeJS.Platform = process.platform,
): string[] {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (!key.startsWith(folder)) throw refused(key, `it does not begin with ${JSON.stringify(folder)}`);
  const segments = key.slice(folder.length).split('/');
  for (const segment of segments) {
    if (segment === '')
      throw refused(key, 'it has an empty part (a slash at its begin or end, or two in a row)');
    if (segment === '.' || segment === '..') throw refused(key, `it has the part "${segment}"`);
    if (segment.includes('\0')) throw refused(key, 'it holds a NUL character');
    if (!segment.isWellFormed()) throw refused(key, 'it holds half a surrogate pair');
    // What is not UTF-8 was replaced by this character, so two such keys may look alike.
    if (segment.includes('\ufffd')) throw refused(key, 'it is not UTF-8 (or holds U+FFFD)');
    checkLength(key, segment, platform);
    if (platform === 'win32') checkWindows(key, segment);
  }
  return segments;
}

/** Whether the key stands for a folder, as consoles make them: an empty object whose key ends with a slash. */
export function isFolderMarker(key: string, size: number): boolean {
  return size === 0 && key.endsWith('/');
}

/**
 * The file name of one object: the last part of its key.
 * @throws MillraceError InvalidArgument when there is none that could be used
 */
export function baseName(key: string): string {
  const name = key.slice(key.lastIndexOf('/') + 1);
  pathSegments(name, '');
  return name;
}

/** Windows counts UTF-16 units, and others bytes. A file system that takes less is asked when the file is made. */
function checkLength(key: string, segment: string, platform: NodeJS.Platform): void {
  const [length, unit] =
    platform === 'win32' ? [segment.length, 'characters'] : [Buffer.byteLength(segment), 'bytes'];
  if (length > MAX_NAME) throw refused(key, `it has a part that is longer than ${MAX_NAME} ${unit}`);
}

function checkWindows(key: string, segment: string): void {
  if (WINDOWS_UNSAFE.test(segment)) throw refused(key, 'it holds a character that Windows refuses in names');
  if (WINDOWS_DEVICE.test(segment)) throw refused(key, `"${segment}" is a device on Windows`);
  if (/[. ]$/.test(segment)) throw refused(key, 'Windows drops a dot or space at the end of a name');
}

function refused(key: string, why: string): MillraceError {
  return new MillraceError(
    ErrorCode.InvalidArgument,
    `the key ${JSON.stringify(key)} cannot be a file below the target directory: ${why}; fetch it by itself with -o FILE`,
    { phase: 'plan' },
  );
}
