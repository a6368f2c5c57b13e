/**
 * Shortens a message to some hundred or thousand bytes with the same CRC, at about 10 GB/s, in WebAssembly without tables.
 *
 * A CRC is the remainder of the message, read as a polynomial over GF(2), by P. A multiple of P may be added anywhere without
 * changing the remainder. Take a multiple with few terms, x^D + ... + 1 with all exponents whole bytes: adding it, shifted, to
 * where a byte stands wipes that byte out and adds its value to a handful of later ones. Do so for all but the last D bytes, and
 * only those are left. Seen from the byte that receives: each is XORed with what the bytes at a few fixed *delays* before it had
 * become. That is a handful of unaligned loads and XORs for 16 bytes, with no dependency between neighbours. The idea is that of
 * Chorba (Russell, "Chorba: A novel CRC32 implementation", arXiv:2412.16398), with multiples of our own search.
 *
 * How multiples are found: if Q is a multiple of P, so is Q(x)^8 = Q(x^8), which has the same number of terms, a whole byte apart.
 * So a search for short Q over bits (by meeting in the middle) is enough, and its exponents are delays in bytes. A test divides them by P.
 *
 * Invariants:
 * 1. The register that a message leaves is the one that `fold`'s residue leaves in a register of zeros.
 * 2. The message is read once and never written; it may lie in shared memory. (Shared memory that another thread writes to in the
 *    meantime gives a wrong checksum, and nothing worse.)
 * 3. Where there is no WebAssembly, no SIMD in it, or no address space for its memory, `createFolding` says null.
 */
import { copyBytes } from '../copy.js';

export interface Folding {
  /** Shorter messages cannot be folded; `fold` needs at least as many bytes. */
  readonly minBytes: number;
  /**
   * What is left of a message that meets a register with these halves (`high` is 0 for one of 32 bits). The residue is
   * overwritten by the next call.
   */
  fold(high: number, low: number, bytes: Uint8Array): Uint8Array;
}

/** Bytes of one vector, and so the least delay: a vector may not depend on itself. */
const VECTOR_BYTES = 16;
/** Folded per turn: with its history it stays in a core's own cache. From 16 KiB to 128 KiB there is hardly a difference. */
const CHUNK_BYTES = 65_536;

/** The fold of one kind of CRC, with memory of its own (two pages of 64 KiB); null where it cannot run. */
export function createFolding(delays: readonly number[]): Folding | null {
  const reach = Math.max(...delays);
  const chunkAt = roundUp(reach);
  const residueAt = chunkAt + CHUNK_BYTES;
  const kernel = instantiate(delays, residueAt + roundUp(reach) + VECTOR_BYTES);
  if (kernel === null) return null;
  const { memory, run } = kernel;
  // The byte at `reach` before the chunk: where the longest delay of the chunk's first vector points.
  const base = chunkAt - reach;
  const residue = memory.subarray(residueAt);
  const registers = new DataView(memory.buffer, chunkAt, 8);

  return {
    minBytes: reach + 2 * VECTOR_BYTES,
    fold(high, low, bytes) {
      const foldBytes = bytes.length - reach - ((bytes.length - reach) % VECTOR_BYTES);
      memory.fill(0, 0, chunkAt);
      for (let at = 0; at < foldBytes; at += CHUNK_BYTES) {
        const length = Math.min(CHUNK_BYTES, foldBytes - at);
        copyBytes(bytes.subarray(at, at + length), memory, chunkAt);
        if (at === 0) {
          registers.setInt32(0, registers.getInt32(0, true) ^ low, true);
          registers.setInt32(4, registers.getInt32(4, true) ^ high, true);
        }
        run(base, chunkAt, chunkAt + length);
        memory.copyWithin(base, base + length, chunkAt + length);
      }
      // Nothing of the rest is wiped out, so it receives from the history alone: zeros stand for the chunk behind that.
      const restBytes = bytes.length - foldBytes;
      memory.fill(0, chunkAt, chunkAt + roundUp(reach));
      copyBytes(bytes.subarray(foldBytes), memory, residueAt);
      run(base, residueAt, residueAt + reach);
      return residue.subarray(0, restBytes);
    },
  };
}

const roundUp = (bytes: number): number => Math.ceil(bytes / VECTOR_BYTES) * VECTOR_BYTES;

/** XORs the vectors from `target` up to `end` with those at the delays; `base` is the reach before where delays are counted from. */
type Kernel = (base: number, target: number, end: number) => void;

/** The little of WebAssembly's JavaScript interface that is needed: the compiler's libraries without the DOM leave it out. */
interface WebAssemblyApi {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { run: Kernel } };
  Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
}

function instantiate(
  delays: readonly number[],
  memoryBytes: number,
): { memory: Uint8Array<ArrayBuffer>; run: Kernel } | null {
  const api = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly;
  if (api === undefined) return null;
  const pages = Math.ceil(memoryBytes / 65_536);
  try {
    const memory = new api.Memory({ initial: pages, maximum: pages });
    const module = new api.Module(assemble(delays, pages));
    const instance = new api.Instance(module, { host: { memory } });
    return { memory: new Uint8Array(memory.buffer), run: instance.exports.run };
  } catch {
    // A CPU without the vector instructions is a CompileError, an address space limit a RangeError. Both have a way to go on.
    return null;
  }
}

/**
 * The module, in the binary format of the WebAssembly core specification 2.0, chapter 5: it imports one memory and exports
 *
 *     run(base, target, end): do { mem[target] ^= mem[base + reach - delay] ^ ...; base += 16; target += 16 } while (target < end)
 */
function assemble(delays: readonly number[], pages: number): Uint8Array {
  const reach = Math.max(...delays);
  const BASE = 0;
  const TARGET = 1;
  const END = 2;
  const get = (local: number): number[] => [0x20, local];
  const load = (offset: number): number[] => [0xfd, 0x00, 0, ...unsigned(offset)];
  const XOR = [0xfd, 0x51];
  const STORE = [0xfd, 0x0b, 0, 0];
  const add = (local: number): number[] => [...get(local), 0x41, VECTOR_BYTES, 0x6a];
  const body = [
    [0x03, 0x40],
    get(TARGET),
    get(TARGET),
    load(0),
    ...delays.flatMap((delay) => [get(BASE), load(reach - delay), XOR]),
    STORE,
    add(BASE),
    [0x21, BASE],
    add(TARGET),
    [0x22, TARGET],
    // Branch back while that is below the end, unsigned; the ends of the loop and of the function.
    get(END),
    [0x49, 0x0d, 0],
    [0x0b, 0x0b],
  ].flat();
  const I32 = 0x7f;
  const module = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, [1, 0x60, 3, I32, I32, I32, 0]),
    section(2, [1, ...name('host'), ...name('memory'), 2, 1, ...unsigned(pages), ...unsigned(pages)]),
    section(3, [1, 0]),
    section(7, [1, ...name('run'), 0, 0]),
    section(10, [1, ...unsigned(body.length + 1), 0, ...body]),
  ];
  return Uint8Array.from(module.flat());
}

const section = (id: number, content: readonly number[]): number[] => [
  id,
  ...unsigned(content.length),
  ...content,
];
const name = (text: string): number[] => [text.length, ...Buffer.from(text, 'latin1')];

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}
