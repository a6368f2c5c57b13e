/**
 * The `file:` scheme: local and network filesystems; and what it has in common with `direct:`, which reads the same
 * files past the page cache.
 *
 * One store is one root directory, and a key is the path below it: without options the root is `/`, the store
 * `file:///`, and a key the absolute path less its first slash. With a root, the store is that directory, and what
 * lies outside can neither be named (`parse`) nor reached through links (the data half looks at what it opened).
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { ObjectLocation, Scheme, SchemeDefaults } from '../../protocol/store.js';
import type { WriteLimits } from '../../protocol/writes.js';
import type { FileConfig } from './data.js';
import { type LocalScheme, pathFromUri, uriFromPath } from './uri.js';

export interface FileSchemeOptions {
  /**
   * The directory that is never left, as a path or `file:` URI. It may itself be a symbolic link.
   * @default '/': every file that the process may read
   */
  readonly root?: string;
}

const MIB = 1024 * 1024;

const DEFAULTS: SchemeDefaults = {
  // One thread copies 15 GB/s out of the page cache, so that a file below 64 MiB is there in 4 ms, less than it takes
  // to hand parts to several threads and bring them together. On a spinning disk parts mean seeks: set ranges to false.
  splitThreshold: 64 * MIB,
  // Long enough to be sequential for read-ahead and to make the messages per part (0.2 ms) invisible.
  partBytes: 16 * MIB,
  // Each part keeps one thread; more of them than a machine has memory channels to use gain nothing.
  maxPartsPerObject: 4,
};

/** Of `direct:` as well, which writes as `file:` does: through the page cache. */
export const WRITE_LIMITS: WriteLimits = {
  // One thread writes 1.5 to 3 GB/s into the page cache, so that a file of this size takes it about 30 ms; larger ones
  // are worth the messages that several workers take to write one, and the memory of a whole file is not had at once.
  multipartThreshold: 64 * MIB,
  // A few ms of one worker: less to be repeated when one dies, and eight of them fit into small budgets.
  partBytes: 8 * MIB,
  partAlignment: 1,
  // Files know no parts. A part is in memory as a whole, and what is kept of each until the end must be bounded.
  maxPartBytes: 1024 * MIB,
  maxParts: 100_000,
  // What a position in a file can be; what filesystems take is less, and is theirs to say.
  maxObjectBytes: Number.MAX_SAFE_INTEGER,
  // About a ms of one worker: a page of a listing is shared by all of them.
  deletesPerRequest: 64,
};

/** @throws MillraceError InvalidArgument when the root is not a path */
export function createFileScheme(options: FileSchemeOptions = {}): Scheme {
  const dataModule = new URL('./data.js', import.meta.url).href;
  return createLocalScheme('file', options.root, DEFAULTS, dataModule, (root): FileConfig => ({ root }));
}

/**
 * A scheme over the files of this machine.
 * @param rootGiven a path, or a URI of `file:` or of the scheme itself
 * @param config what the data half is given
 * @throws MillraceError InvalidArgument when the root is not a path
 */
export function createLocalScheme(
  name: LocalScheme,
  rootGiven: string | undefined,
  defaults: SchemeDefaults,
  dataModule: string,
  config: (root: string) => FileConfig,
): Scheme {
  const given = rootGiven ?? '/';
  const path = pathFromUri(given, process.cwd(), /^direct:/i.test(given) ? name : 'file');
  const root = path.endsWith('/') ? path : `${path}/`;
  const store = uriFromPath(root, name);
  return {
    name,
    kind: 'direct',
    writes: WRITE_LIMITS,
    defaults,
    dataModule,
    parse: (uri) => locate(pathFromUri(uri, process.cwd(), name), root, store, name),
    format: (location) => {
      checkStore(location.store, store);
      return uriFromPath(root + Buffer.from(location.key).toString('latin1'), name);
    },
    open: async (asked) => {
      checkStore(asked, store);
      const snapshot = { version: 1, expiresAtMs: null, config: config(root) };
      return { snapshot: async () => snapshot, close: () => {} };
    },
  };
}

function locate(path: string, root: string, store: string, name: LocalScheme): ObjectLocation {
  if (path.startsWith(root)) return { store, key: bytesOf(path.slice(root.length)) };
  if (`${path}/` === root) return { store, key: bytesOf('') };
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `${uriFromPath(path, name)} lies outside of the root ${store}; expected a URI such as "${store}a.bin"`,
    { phase: 'configure' },
  );
}

function checkStore(given: string, store: string): void {
  if (given === store) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not a store of this scheme: ${JSON.stringify(given)}; expected ${JSON.stringify(store)}`,
    { phase: 'configure' },
  );
}

/** Memory of its own, since a Buffer may be a window of Node's pool, which must not be sent between threads. */
function bytesOf(path: string): Uint8Array {
  const bytes = new Uint8Array(path.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = path.charCodeAt(at);
  return bytes;
}
