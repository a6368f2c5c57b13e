/**
 * Put Block, Put Block List and Get Block List. Source: their pages in Microsoft's REST reference.
 *
 * What it keeps true:
 * 1. Blocks that were not committed are seen by no read and, but for `include=uncommittedblobs`, by no list.
 * 2. A commit takes all that its list names, or nothing; what it does not name is gone after it.
 */
import type { Bucket, Stored } from '../catalogue.js';
import { escapeXml } from '../encoding.js';
import { isFailure, type Failure } from '../failure.js';
import { parseRange } from '../ranges.js';
import type { Request } from '../request.js';
import { answer, objectBytes, xmlAnswer } from '../response.js';
import { keptOf, nameOf, refusalOfWrite } from './blobs.js';
import { azureFailure, invalidHeader, invalidQuery } from './failure.js';
import type { Found, State } from './service.js';
import { attributesOf, findSource, refusalOfSums, store, sumHeaders, writtenHeaders } from './writing.js';

/** Blocks by id (base64), in the order in which they came. */
export type Staged = Map<string, Buffer>;

const MAX_ID_BYTES = 64;
const MAX_BLOCKS = 50_000;
const LISTED = /<(Committed|Uncommitted|Latest)>([^<]*)<\/\1>/g;

/** Blocks of the blob as it is: ids and the bytes of each. */
function committedBlocks(blob: Stored | null): Staged {
  const all: Staged = new Map();
  if (blob === null || blob.body === null) return all;
  let at = 0;
  for (const { id, size } of keptOf(blob).blocks ?? []) {
    all.set(id, blob.body.subarray(at, at + size));
    at += size;
  }
  return all;
}

/** The bytes of a block: the body, or a range of another blob. */
function blockBytes(request: Request, state: State, nowMs: number): Buffer | Failure {
  const url = request.headers.get('x-ms-copy-source');
  if (url === undefined) {
    return request.body.length === 0 ? invalidHeader('Content-Length', '0') : request.body;
  }
  const source = findSource(url, request, state, nowMs);
  if (isFailure(source)) return source;
  const range = parseRange(request.headers.get('x-ms-source-range'), source.size);
  if (range === 'unsatisfiable') return azureFailure('InvalidRange');
  const bytes = objectBytes(source);
  return range === null ? bytes : bytes.subarray(range.start, range.start + range.length);
}

export function putBlock(request: Request, bucket: Bucket, state: State, nowMs: number): Found {
  const id = request.params.get('blockid') ?? '';
  const idBytes = Buffer.from(id, 'base64');
  if (id === '' || idBytes.toString('base64') !== id || idBytes.length > MAX_ID_BYTES) {
    return invalidQuery('blockid', id);
  }
  const name = nameOf(request);
  const staged: Staged = state.blocks.get(name) ?? new Map();
  const known = [...staged.keys(), ...committedBlocks(bucket.find(request.key)).keys()];
  if (known.some((other) => other.length !== id.length)) return azureFailure('InvalidBlobOrBlock');
  const refused = refusalOfSums(request);
  if (refused !== null) return refused;
  const bytes = blockBytes(request, state, nowMs);
  if (isFailure(bytes)) return bytes;
  staged.set(id, bytes);
  state.blocks.set(name, staged);
  return answer(201, [...sumHeaders({ ...request, body: bytes }), 'x-ms-request-server-encrypted', 'true']);
}

/** The kinds and ids of a block list in their order, or null where it is none. */
function parseBlockList(text: string): { kind: string; id: string }[] | null {
  if (!/<BlockList>[^]*<\/BlockList>\s*$|<BlockList\s*\/>\s*$/.test(text)) return null;
  return [...text.matchAll(LISTED)].map(([, kind = '', id = '']) => ({ kind, id: id.trim() }));
}

export function putBlockList(request: Request, bucket: Bucket, state: State): Found {
  const listed = parseBlockList(request.body.toString('utf8'));
  if (listed === null) return azureFailure('InvalidXmlDocument');
  if (listed.length > MAX_BLOCKS) return azureFailure('BlockListTooLong');
  const before = bucket.find(request.key);
  const refused = refusalOfSums(request) ?? refusalOfWrite(request.headers, before);
  if (refused !== null) return refused;
  const staged = state.blocks.get(nameOf(request));
  const committed = committedBlocks(before);
  const blocks: { id: string; size: number }[] = [];
  const parts: Buffer[] = [];
  for (const { kind, id } of listed) {
    const part =
      (kind === 'Committed' ? undefined : staged?.get(id)) ??
      (kind === 'Uncommitted' ? undefined : committed.get(id));
    if (part === undefined) return azureFailure('InvalidBlockList');
    parts.push(part);
    blocks.push({ id, size: part.length });
  }
  const sum = request.headers.get('x-ms-blob-content-md5') ?? null;
  const attributes = { ...attributesOf(request.headers), md5: sum, blocks };
  const blob = store(request, bucket, state, Buffer.concat(parts), attributes);
  const said = [...writtenHeaders(blob, state), 'x-ms-request-server-encrypted', 'true'];
  return answer(201, [...said, ...sumHeaders(request)]);
}

export function blockList(request: Request, bucket: Bucket, state: State): Found {
  const type = request.params.get('blocklisttype') ?? 'committed';
  if (!['committed', 'uncommitted', 'all'].includes(type)) return invalidQuery('blocklisttype', type);
  const blob = bucket.find(request.key);
  const staged = state.blocks.get(nameOf(request));
  if (blob === null && staged === undefined) return azureFailure('BlobNotFound');
  const rows = (blocks: Staged): string[] =>
    [...blocks].map(
      ([id, bytes]) => `<Block><Name>${escapeXml(id)}</Name><Size>${bytes.length}</Size></Block>`,
    );
  const committed = `<CommittedBlocks>${rows(committedBlocks(blob)).join('')}</CommittedBlocks>`;
  const uncommitted = `<UncommittedBlocks>${rows(staged ?? new Map()).join('')}</UncommittedBlocks>`;
  const lists = (type === 'uncommitted' ? '' : committed) + (type === 'committed' ? '' : uncommitted);
  const document = `\uFEFF<?xml version="1.0" encoding="utf-8"?><BlockList>${lists}</BlockList>`;
  const headers = blob === null ? [] : writtenHeaders(blob, state);
  return xmlAnswer(Buffer.from(document), [...headers, 'x-ms-blob-content-length', String(blob?.size ?? 0)]);
}
