/**
 * Which of the checksums that a service announced is worth looking at.
 *
 * Invariants:
 * 1. Pure: the same announcement, policy and implementations give the same choice.
 * 2. What cannot be read as a checksum of the whole object's bytes (a composite one, an unknown name, a text that is no digest) is as
 *    if it had not been announced.
 */
import { type ChecksumAlgorithm, type CrcAlgorithm, algorithms, isAlgorithm } from './algorithms.js';
import type { Implementation } from './crc.js';
import { fromBase64 } from './values.js';

/**
 * - `auto`: verifies where that costs up to `AUTO_COST_NS_PER_BYTE`: the CRCs, as long as they do not run in plain JavaScript.
 * - `always`: verifies by the cheapest checksum there is, whatever it costs.
 * - `never`: verifies nothing.
 */
export type VerifyPolicy = 'auto' | 'always' | 'never';

/** A checksum of a whole object as a service announced it. */
export interface AnnouncedChecksum {
  /** Its name as in `algorithms`; others are passed over. */
  readonly algorithm: string;
  /** Base64, CRCs highest byte first. */
  readonly value: string;
}

/** What to verify, or why nothing is. */
export type VerifyChoice =
  | { readonly verify: true; readonly algorithm: ChecksumAlgorithm; readonly digest: Uint8Array }
  | { readonly verify: false; readonly reason: 'never' | 'none available' | 'too costly' };

/**
 * Seconds of a core per GB: what fetching over plain HTTP into shared memory costs by itself (0.3 to 0.6 s). By default nobody should
 * pay more for looking than for fetching. The CRCs cost 0.1 to 0.25 s; SHA-1 and SHA-256 0.5 s where the CPU has instructions for them
 * and several times that where it has none; MD5 costs 1.3 s, a CRC in plain JavaScript 0.6 to 0.9 s.
 */
export const AUTO_COST_NS_PER_BYTE = 0.4;

/** Of a CRC in plain JavaScript. */
const JAVASCRIPT_COST_NS_PER_BYTE = 0.8;

/**
 * @param implementationOf what computes a CRC here: `implementation` of `crc.ts`
 */
export function chooseChecksum(
  announced: readonly AnnouncedChecksum[],
  policy: VerifyPolicy,
  implementationOf: (algorithm: CrcAlgorithm) => Implementation,
): VerifyChoice {
  if (policy === 'never') return { verify: false, reason: 'never' };
  let best: { algorithm: ChecksumAlgorithm; digest: Uint8Array; cost: number } | null = null;
  for (const { algorithm, value } of announced) {
    if (!isAlgorithm(algorithm)) continue;
    const digest = fromBase64(algorithm, value);
    if (digest === null) continue;
    const cost = costOf(algorithm, implementationOf);
    // Of equals the first wins: the order is the service's, or the caller's.
    if (best === null || cost < best.cost) best = { algorithm, digest, cost };
  }
  if (best === null) return { verify: false, reason: 'none available' };
  if (policy === 'auto' && best.cost > AUTO_COST_NS_PER_BYTE) return { verify: false, reason: 'too costly' };
  return { verify: true, algorithm: best.algorithm, digest: best.digest };
}

function costOf(
  algorithm: ChecksumAlgorithm,
  implementationOf: (algorithm: CrcAlgorithm) => Implementation,
): number {
  const { combines, costNsPerByte } = algorithms[algorithm];
  const plain = combines && implementationOf(algorithm as CrcAlgorithm) === 'javascript';
  return plain ? JAVASCRIPT_COST_NS_PER_BYTE : costNsPerByte;
}
