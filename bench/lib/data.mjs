/**
 * The objects of the works, as files, and what every piece of them must be.
 *
 * What it keeps true: each 32-bit word is a hash of its object and its place, so bytes of another object, or of
 * another place of the same one, are seen by their checksum.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { DATA_SETS } from './works.mjs';

/** Below `data` in the folder of a run; also the bucket's name. */
export const BUCKET = 'bench';
const SLAB_BYTES = 16 * 2 ** 20;

/**
 * @typedef {object} Piece
 * @property {string} key
 * @property {number} offset
 * @property {number} length
 * @property {number} objectBytes size of the whole object
 * @property {number} crc CRC-32 of the piece
 * @property {number} first its first byte
 * @property {number} last
 */

/**
 * Writes the objects of these data sets under `folder/data/bench/` and a list of the pieces of each set as
 * `folder/NAME.list`. Objects that two sets share are written once.
 * @param {string} folder
 * @param {Iterable<string>} names of DATA_SETS
 */
export function writeData(folder, names) {
  const bucket = join(folder, 'data', BUCKET);
  mkdirSync(bucket, { recursive: true });
  const slab = new Uint8Array(SLAB_BYTES);
  for (const name of new Set(names)) {
    const { objects, objectBytes, count, pieceBytes } = DATA_SETS[name];
    const lines = [];
    for (let object = 0; object < count; object++) {
      const key = `${objects}-${object}`;
      const file = openSync(join(bucket, key), 'w');
      for (let offset = 0; offset < objectBytes; offset += pieceBytes) {
        const piece = slab.subarray(0, pieceBytes);
        fill(piece, objectSeed(objectBytes, object), offset);
        writeAll(file, piece);
        lines.push([key, offset, pieceBytes, objectBytes, crc32(piece), piece[0], piece.at(-1)].join(' '));
      }
      closeSync(file);
    }
    writeFileSync(join(folder, `${name}.list`), `${lines.join('\n')}\n`);
  }
}

/** Waits until the objects of a set are on the disk: reads past the page cache would otherwise write them first. */
export function flushData(folder, name) {
  const { objects, count } = DATA_SETS[name];
  for (let object = 0; object < count; object++) {
    const file = openSync(join(folder, 'data', BUCKET, `${objects}-${object}`), 'r');
    fsyncSync(file);
    closeSync(file);
  }
}

/** @param {string} text of a list file @returns {Piece[]} */
export function parsePieces(text) {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [key, ...numbers] = line.split(' ');
      const [offset, length, objectBytes, crc, first, last] = numbers.map(Number);
      return { key, offset, length, objectBytes, crc, first, last };
    });
}

/** Objects of different sizes differ in all of their bytes, too. */
function objectSeed(objectBytes, object) {
  return hash(objectBytes + object * 0x9e37_79b1);
}

/** @param {Uint8Array} bytes a multiple of 4 long @param {number} seed of the object @param {number} offset in it */
function fill(bytes, seed, offset) {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const base = offset / 4;
  for (let i = 0; i < words.length; i++) words[i] = hash(Math.imul(base + i, 0x9e37_79b1) ^ seed);
}

/** The finaliser of MurmurHash3. */
function hash(value) {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function writeAll(file, bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}
