/**
 * Bytes of which every four tell the object and the absolute offset that they belong to: what generated objects and
 * those of the scripted origin hold, and what tests compare with.
 *
 * What it keeps true:
 * 1. Byte `o` of object `id` is a pure function of `(id, o)`: no state, nothing stored.
 * 2. Within one object no two aligned words are equal over 16 GiB, since each step of the mix can be undone. A chunk
 *    that is swapped, shifted, repeated or taken from another object is therefore seen.
 *
 * Words are written as the machine holds them; every machine that Node runs on is little-endian today.
 */

const CHUNK_BYTES = 65_536;
const WORDS_PER_EPOCH = 2 ** 32;
const chunk = new Uint8Array(CHUNK_BYTES + 8);
const chunkWords = new Int32Array(chunk.buffer);

/** A 32-bit integer with its bits well mixed. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) | 0;
}

/**
 * The 32-bit id of the object with this key, unsigned: what an origin's object without a body of its own is filled with.
 * Another generation of it (after it was overwritten) has another id, so other bytes.
 * @param key hashed as UTF-8
 * @param generation 0 for the first
 */
export function objectIdOf(key: string | Uint8Array, generation = 0): number {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key;
  let h = 0x811c9dc5 ^ bytes.length;
  for (let i = 0; i < bytes.length; i += 1) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return mix32(mix32(h) + Math.imul(generation, 0x9e3779b1)) >>> 0;
}

/** The 32-bit id of object `index` of a family with this seed, unsigned. Both may be any safe integer. */
export function numberedId(seed: number, index: number): number {
  const high = Math.trunc(index / 2 ** 32);
  return mix32(mix32(mix32(seed) + Math.imul(high, 0x85ebca6b)) ^ Math.imul(index | 0, 0x9e3779b1)) >>> 0;
}

/** Writes `count` words that begin at word `first` of the object; all of them lie in one epoch of 2^32 words. */
function fillWords(
  objectId: number,
  epoch: number,
  first: number,
  words: Int32Array,
  at: number,
  count: number,
): void {
  const a = mix32(objectId ^ Math.imul(epoch + 1, 0x9e3779b9));
  const b = mix32(objectId + Math.imul(epoch + 1, 0x85ebca6b));
  let w = first | 0;
  for (let i = at, end = at + count; i < end; i++, w = (w + 1) | 0) {
    let h = Math.imul(w ^ a, 0x9e3779b1);
    h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca77);
    words[i] = h ^ (h >>> 13);
  }
}

/** Fills `words` with those from word `firstWord` of the object on, an epoch at a time. */
function fillWordsFrom(objectId: number, firstWord: number, words: Int32Array, count: number): void {
  for (let done = 0; done < count;) {
    const word = firstWord + done;
    const epoch = Math.floor(word / WORDS_PER_EPOCH);
    const inEpoch = word - epoch * WORDS_PER_EPOCH;
    const n = Math.min(count - done, WORDS_PER_EPOCH - inEpoch);
    fillWords(objectId, epoch, inEpoch, words, done, n);
    done += n;
  }
}

/**
 * The bytes `[offset, offset + length)` of an object, at most 64 KiB of them, in memory of this module: they hold until
 * it is asked for others.
 */
export function patternPiece(objectId: number, offset: number, length: number): Uint8Array {
  const skip = offset % 4;
  fillWordsFrom(objectId, (offset - skip) / 4, chunkWords, Math.ceil((skip + length) / 4));
  return chunk.subarray(skip, skip + length);
}

/**
 * Fills `target` with the bytes of object `objectId` from `offset` on.
 * @param objectId a 32-bit integer
 * @param offset absolute offset in the object, of any alignment
 * @param target over ordinary or shared memory, of any alignment
 */
export function fillPattern(objectId: number, offset: number, target: Uint8Array): void {
  const lead = Math.min(target.length, (4 - (offset % 4)) % 4);
  if ((target.byteOffset + lead) % 4 !== 0) return fillByPieces(objectId, offset, target);
  if (lead > 0) target.set(patternPiece(objectId, offset, lead));
  const words = (target.length - lead) >>> 2;
  if (words > 0) {
    const view = new Int32Array(target.buffer, target.byteOffset + lead, words);
    fillWordsFrom(objectId, (offset + lead) / 4, view, words);
  }
  const done = lead + words * 4;
  if (done < target.length) target.set(patternPiece(objectId, offset + done, target.length - done), done);
}

function fillByPieces(objectId: number, offset: number, target: Uint8Array): void {
  for (let done = 0; done < target.length; done += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, target.length - done);
    target.set(patternPiece(objectId, offset + done, length), done);
  }
}
