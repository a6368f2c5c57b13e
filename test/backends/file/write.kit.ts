/** Requests to a file store, and what is in its directory afterwards. */
import { readdirSync } from 'node:fs';
import { NEVER, StopState, type StopSignal } from '../../../dist/protocol/stop.js';
import type { Answer, Store } from '../../../dist/protocol/store.js';
import type { WriteRequest, WriteResult } from '../../../dist/protocol/writes.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { manualSignal, type ManualSignal } from '../../../dist/testing/signals.js';
import { keyOf } from './kit.js';

export const MIB = 1024 * 1024;
const ALWAYS = { ifAbsent: false, ifVersion: null, contentType: null };

export type Terms = { readonly ifAbsent?: boolean; readonly ifVersion?: string | null };

export function bytes(size: number, object = 1): Uint8Array {
  return patternBytes(object, size);
}

export function write(
  store: Store,
  request: WriteRequest,
  stop: StopSignal = NEVER,
): Promise<Answer<WriteResult>> {
  return store.write(request, stop);
}

export function put(
  store: Store,
  key: string,
  body: Uint8Array = bytes(10),
  terms: Terms = {},
  stop: StopSignal = NEVER,
): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'put', key: keyOf(key), body, ...ALWAYS, ...terms }, stop);
}

export function copy(
  store: Store,
  root: string,
  from: string,
  to: string,
  stop: StopSignal = NEVER,
): Promise<Answer<WriteResult>> {
  const source = { sourceStore: `file://${root}`, sourceKey: keyOf(from), sourceVersion: null };
  return write(store, { kind: 'copy', key: keyOf(to), ...source, ifAbsent: false, ifVersion: null }, stop);
}

export function begin(store: Store, key: string): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'begin', key: keyOf(key), size: -1, ...ALWAYS });
}

export function part(
  store: Store,
  key: string,
  upload: string,
  start: number,
  body: Uint8Array,
  stop: StopSignal = NEVER,
): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'part', key: keyOf(key), upload, index: 0, start, body, last: false }, stop);
}

export function complete(
  store: Store,
  key: string,
  upload: string,
  parts: readonly string[],
  size: number,
): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'complete', key: keyOf(key), upload, parts, size, ...ALWAYS });
}

export function abort(store: Store, key: string, upload: string): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'abort', key: keyOf(key), upload });
}

export function del(store: Store, ...keys: string[]): Promise<Answer<WriteResult>> {
  return write(store, { kind: 'delete', keys: keys.map(keyOf), ifVersion: null });
}

export function codeOf({ error }: Answer<WriteResult>): string | undefined {
  return error?.code;
}

/** Everything below a directory, directories with a slash, as latin1. */
export function treeOf(root: string): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(Buffer.from(root + path, 'latin1'), {
      withFileTypes: true,
      encoding: 'latin1',
    })) {
      const name = path + entry.name;
      found.push(entry.isDirectory() ? `${name}/` : name);
      if (entry.isDirectory()) walk(`${name}/`);
    }
  };
  walk('');
  return found.toSorted();
}

/** A signal that is cancelled at its first look at which `reached` holds. */
export function cancelledWhen(reached: () => boolean): ManualSignal {
  return manualSignal((signal) => {
    if (reached()) signal.set(StopState.Cancelled);
  });
}
