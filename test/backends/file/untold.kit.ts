/** Directories whose entries have no types, as some filesystems give them (DT_UNKNOWN). */
import { createHook } from 'node:async_hooks';
import { opendirSync } from 'node:fs';

/** What Node reads directories with, and looks types up behind: `[name, type, name, type, ...]`, or null at the end. */
interface DirHandle {
  read: (this: unknown, ...args: unknown[]) => unknown[] | null;
}

/** UV_DIRENT_UNKNOWN */
const UNKNOWN = 0;

/** The prototype of all handles: Node shows a handle to nobody but the hooks of asynchronous resources. */
function dirHandles(): DirHandle {
  const seen: object[] = [];
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type === 'DIRHANDLE') seen.push(resource);
    },
  }).enable();
  opendirSync('/').closeSync();
  hook.disable();
  if (seen[0] === undefined) throw new Error('Node has opened a directory without a DIRHANDLE');
  return Object.getPrototypeOf(seen[0]) as DirHandle;
}

/**
 * Runs `call` on a kernel that tells the types of the first `told` entries that are read, and of no others: what Node
 * does about those is its own.
 */
export async function withoutTypes<T>(call: () => Promise<T>, told = 0): Promise<T> {
  const handles = dirHandles();
  const read = handles.read;
  let seen = 0;
  handles.read = function (...args) {
    const entries = read.apply(this, args);
    for (let at = 1; entries !== null && at < entries.length; at += 2) {
      if (seen >= told) entries[at] = UNKNOWN;
      seen += 1;
    }
    return entries;
  };
  try {
    const result = await call();
    if (seen <= told) throw new Error(`only ${seen} entries were read: all types were told`);
    return result;
  } finally {
    handles.read = read;
  }
}
