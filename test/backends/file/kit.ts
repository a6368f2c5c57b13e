/** A new directory, and a file store over it. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createStore } from '../../../dist/backends/file/data.js';
import { NEVER, type StopSignal } from '../../../dist/protocol/stop.js';
import type { KeyPage, ListRequest, ReadAnswer, ReadRequest, Store } from '../../../dist/protocol/store.js';
import { readOnce } from '../../kit/attempts.js';

const NOBODY = 65_534;

/** A directory that is gone after the test; with a trailing slash. */
export function newDirectory(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-file-')));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return `${path}/`;
}

/** `root` is a latin1 string of path bytes with a trailing slash. */
export function storeAt(root: string): Store {
  return createStore({ version: 1, expiresAtMs: null, config: { root } });
}

export const keyOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));

export function readKey(
  store: Store,
  key: string,
  request: Partial<ReadRequest> = {},
  stop: StopSignal = NEVER,
): Promise<ReadAnswer & { target: Uint8Array }> {
  const full = {
    key: keyOf(key),
    start: 0,
    length: 100,
    whole: false,
    version: null,
    verify: 'never' as const,
    ...request,
  };
  const target = new Uint8Array(new SharedArrayBuffer(full.length));
  return readOnce(store, full, target, stop).then((answer) => ({ ...answer, target }));
}

export function listRequest(request: Partial<ListRequest> = {}): ListRequest {
  return { prefix: new Uint8Array(0), delimiter: null, continuation: null, limit: 1000, ...request };
}

export function keysOf(page: KeyPage | null): string[] {
  if (page === null) return [];
  return Array.from(page.keyEnds, (end, i) =>
    Buffer.from(page.keys.subarray(page.keyEnds[i - 1] ?? 0, end)).toString('utf8'),
  );
}

/** Runs `call` without the rights of root, which may read everything; `root` is the directory that it looks into. */
export async function unprivileged<T>(root: string, call: () => Promise<T>): Promise<T> {
  const { geteuid, seteuid } = process;
  if (geteuid?.() !== 0 || seteuid === undefined) return call();
  chmodSync(root, 0o755);
  seteuid(NOBODY);
  try {
    return await call();
  } finally {
    seteuid(0);
  }
}
