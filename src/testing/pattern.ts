/**
 * Payloads in which every four bytes tell the object and the absolute offset that they belong to.
 *
 * What it keeps true:
 * 1. Byte `o` of object `id` is a pure function of `(id, o)`: no state, nothing stored.
 * 2. Within one object no two aligned words are equal over 16 GiB, since each step of the mix can be undone. A chunk
 *    that is swapped, shifted, repeated or taken from another object is therefore seen.
 *
 * Words are written as the machine holds them; every machine that Node runs on is little-endian today.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const CHUNK_BYTES = 65_536;
const WORDS_PER_EPOCH = 2 ** 32;
const chunk = new Uint8Array(CHUNK_BYTES + 8);
const chunkWords = new Int32Array(chunk.buffer);

/**
 * @param value a 32-bit integer
 * Returns a 32-bit integer with its bits well mixed
 */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) | 0;
}

/**
 * The 32-bit id of the object with this key; another generation of it has another id, so other bytes.
 * @param key hashed as UTF-8
 * Returns an unsigned 32-bit integer
 */
export function objectIdOf(key: string | Uint8Array, generation: number = 0): number {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key;
  let h = 0x811c9dc5 ^ bytes.length;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 0x01000193);
  return mix32(mix32(h) + Math.imul(generation, 0x9e3779b1)) >>> 0;
}

/** Writes `count` words that begin at word `first` of the object; all of them lie in one epoch of 2^32 words. */
function fillWords(objectId, epoch, first, words, at, count) {
  const a = mix32(objectId ^ Math.imul(epoch + 1, 0x9e3779b9));
  const b = mix32(objectId + Math.imul(epoch + 1, 0x85ebca6b));
  let w = first | 0;
  for (let i = at, end = at + count; i < end; i++, w = (w + 1) | 0) {
    let h = Math.imul(w ^ a, 0x9e3779b1);
    h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca77);
    words[i] = h ^ (h >>> 13);
  }
}

/** Writes words wherever they lie, an epoch at a time. */
function fillWordsFrom(objectId, firstWord, words, at, count) {
  for (let done = 0; done < count;) {
    const word = firstWord + done;
    const epoch = Math.floor(word / WORDS_PER_EPOCH);
    const inEpoch = word - epoch * WORDS_PER_EPOCH;
    const n = Math.min(count - done, WORDS_PER_EPOCH - inEpoch);
    fillWords(objectId, epoch, inEpoch, words, at + done, n);
    done += n;
  }
}

/** Puts the pattern of `[offset, offset + length)`, at most one chunk long, into the scratch; returns a view of it. */
function patternInScratch(objectId, offset, length) {
  const skip = offset % 4;
  fillWordsFrom(objectId, (offset - skip) / 4, chunkWords, 0, Math.ceil((skip + length) / 4));
  return chunk.subarray(skip, skip + length);
}

/**
 * Fills `target` with the bytes of object `objectId` from `offset` on.
 * @param offset absolute offset in the object, of any alignment
 * @param target over ordinary or shared memory, of any alignment
 */
export function fillPattern(objectId: number, offset: number, target: Uint8Array) {
  const lead = Math.min(target.length, (4 - (offset % 4)) % 4);
  if ((target.byteOffset + lead) % 4 !== 0) return fillThroughScratch(objectId, offset, target);
  if (lead > 0) target.set(patternInScratch(objectId, offset, lead));
  const words = (target.length - lead) >>> 2;
  if (words > 0) {
    const view = new Int32Array(target.buffer, target.byteOffset + lead, words);
    fillWordsFrom(objectId, (offset + lead) / 4, view, 0, words);
  }
  const done = lead + words * 4;
  if (done < target.length) {
    target.set(patternInScratch(objectId, offset + done, target.length - done), done);
  }
}

function fillThroughScratch(objectId, offset, target) {
  for (let done = 0; done < target.length; done += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, target.length - done);
    target.set(patternInScratch(objectId, offset + done, length), done);
  }
}

/**
 * Looks at every byte.
 * @param offset absolute offset of `bytes[0]` in the object
 * @param bytes over ordinary or shared memory
 * Returns the index in `bytes` of the first wrong byte, or -1
 */
export function verifyPattern(objectId: number, offset: number, bytes: Uint8Array): number {
  for (let done = 0; done < bytes.length; done += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, bytes.length - done);
    const wanted = patternInScratch(objectId, offset + done, length);
    const got = bytes.subarray(done, done + length);
    if (Buffer.compare(wanted, got) === 0) continue;
    for (let i = 0; i < length; i++) if (wanted[i] !== got[i]) return done + i;
  }
  return -1;
}

/** Returns those bytes, in memory of their own */
export function patternBytes(objectId: number, length: number, offset: number = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  fillPattern(objectId, offset, bytes);
  return bytes;
}

/** Calls `visit` with each chunk of the object in turn; the chunk is valid for that call only. */
function forEachChunk(objectId, size, visit) {
  for (let done = 0; done < size; done += CHUNK_BYTES) {
    visit(patternInScratch(objectId, done, Math.min(CHUNK_BYTES, size - done)));
  }
}

/** Returns SHA-256 of the whole object, in hex */
export function patternSha256(objectId: number, size: number): string {
  const hash = createHash('sha256');
  forEachChunk(objectId, size, (bytes) => hash.update(bytes));
  return hash.digest('hex');
}

/** Returns CRC-32 of the whole object, unsigned */
export function patternCrc32(objectId: number, size: number): number {
  let crc = 0;
  forEachChunk(objectId, size, (bytes) => {
    crc = crc32(bytes, crc);
  });
  return crc >>> 0;
}
