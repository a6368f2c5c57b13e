/**
 * Uploads in blocks: their names, and the list that makes a blob of them. Pure but for the name's random half.
 *
 * Invariants:
 * 1. All block ids of one blob have one length, as the service wants, whatever upload they belong to; two uploads of one
 *    blob never share an id.
 * 2. A part sent again has the id that it had before, and so replaces itself.
 *
 * The service has no object for an upload: it is a prefix of block ids. Blocks that no list names cannot be deleted; the
 * service drops them a week after the last one came, or as soon as the blob is put or committed.
 *
 * Source of the rules: "Put Block" and "Put Block List" in the Blob service REST reference.
 */
import { randomBytes } from 'node:crypto';

const UPLOAD = /^[0-9a-f]{32}$/;
/** 50,000 blocks make a blob: five digits. */
const INDEX_DIGITS = 5;
const BLOCK = /^[A-Za-z0-9+/]{52}$/;

/** What stands for the uploads of a blob of which only blocks exist: a listing tells the blob, not whose blocks they are. */
export const ANY_UPLOAD = '*';

export function newUpload(): string {
  return randomBytes(16).toString('hex');
}

export function isUpload(upload: string): boolean {
  return UPLOAD.test(upload);
}

/** The id of one block, base64 as the service wants it: 39 bytes, of 64 that are allowed. */
export function blockId(upload: string, index: number): string {
  return Buffer.from(`${upload}-${String(index).padStart(INDEX_DIGITS, '0')}.`, 'latin1').toString('base64');
}

export function isBlockId(part: string): boolean {
  return BLOCK.test(part);
}

/**
 * The body of Put Block List. `Latest` and not `Uncommitted`: sent a second time, after an answer that was lost, it finds its
 * blocks among those of the blob.
 */
export function blockList(ids: readonly string[]): Uint8Array {
  const rows = ids.map((id) => `<Latest>${id}</Latest>`).join('');
  return Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${rows}</BlockList>`, 'latin1');
}
