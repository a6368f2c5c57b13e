/**
 * The part of a store below a prefix, as a store of its own: what it is asked for and what it lists are keys without the
 * prefix.
 *
 * Invariant: no key outside of the prefix is read, listed or written. A copy's source is taken to lie below it too.
 */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { beginsWith } from '../protocol/keys.js';
import { Outcome, type Answer, type AsyncStore, type KeyPage } from '../protocol/store.js';
import type { WriteRequest, WriteResult } from '../protocol/writes.js';
import { checkPrefix } from './options.js';

/** `below` is taken literally: end it with `/` to mean a folder. @throws MillraceError InvalidArgument */
export function prefix(store: AsyncStore, below: string): AsyncStore {
  const begin = Buffer.from(checkPrefix(below, 'prefix'));
  /** One array for one key: by it the stores below know which attempts belong together. */
  const joints = new WeakMap<Uint8Array, Uint8Array>();
  const full = (key: Uint8Array): Uint8Array => {
    const known = joints.get(key);
    if (known !== undefined) return known;
    const joined = new Uint8Array(begin.length + key.length);
    joined.set(begin);
    joined.set(key, begin.length);
    joints.set(key, joined);
    return joined;
  };
  const write = store.write?.bind(store);
  return {
    read: (request, target, stop) => store.read({ ...request, key: full(request.key) }, target, stop),
    head: (key, stop) => store.head(full(key), stop),
    list: async (request, stop) => {
      const answer = await store.list({ ...request, prefix: full(request.prefix) }, stop);
      return answer.value === null ? answer : relativeAnswer(answer, answer.value, begin);
    },
    ...(write === undefined
      ? {}
      : {
          write: async (request, stop) => {
            const answer = await write(fullRequest(request, full), stop);
            return answer.value === null ? answer : { ...answer, value: relativeResult(answer.value, begin) };
          },
        }),
    update: (snapshot) => store.update(snapshot),
    close: () => store.close(),
  };
}

function relativeAnswer(answer: Answer<KeyPage>, page: KeyPage, begin: Uint8Array): Answer<KeyPage> {
  const value = relativePage(page, begin);
  if (value !== null) return { ...answer, value };
  const message = `a listing below ${JSON.stringify(text(begin))} has keys that do not begin with it`;
  const error = new MillraceError(ErrorCode.ProtocolViolation, message, { phase: 'list' });
  return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
}

/** The page without the begin of its keys; null when one of them has another. */
function relativePage(page: KeyPage, begin: Uint8Array): KeyPage | null {
  const cut = begin.length;
  const keys = new Uint8Array(Math.max(0, page.keys.length - cut * page.count));
  const keyEnds = new Uint32Array(page.count);
  let from = 0;
  let to = 0;
  for (let row = 0; row < page.count; row += 1) {
    const end = page.keyEnds[row]!;
    const key = page.keys.subarray(from, end);
    if (!beginsWith(key, begin)) return null;
    keys.set(key.subarray(cut), to);
    to += key.length - cut;
    keyEnds[row] = to;
    from = end;
  }
  const beginText = text(begin);
  if (!page.prefixes.every((each) => each.startsWith(beginText))) return null;
  return { ...page, keys, keyEnds, prefixes: page.prefixes.map((each) => each.slice(beginText.length)) };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function fullRequest(request: WriteRequest, full: (key: Uint8Array) => Uint8Array): WriteRequest {
  switch (request.kind) {
    case 'delete':
      return { ...request, keys: request.keys.map(full) };
    case 'uploads':
      return { ...request, prefix: full(request.prefix) };
    case 'copy':
      return { ...request, key: full(request.key), sourceKey: full(request.sourceKey) };
    case 'put':
    case 'begin':
    case 'part':
    case 'complete':
    case 'abort':
      return { ...request, key: full(request.key) };
  }
}

/** What a service lists beside the uploads that were asked for is not ours to end. */
function relativeResult(result: WriteResult, begin: Uint8Array): WriteResult {
  if (result.uploads.length === 0) return result;
  const uploads = result.uploads
    .filter(({ key }) => beginsWith(key, begin))
    .map(({ key, upload, startedMs }) => ({ key: key.slice(begin.length), upload, startedMs }));
  return { ...result, uploads };
}
