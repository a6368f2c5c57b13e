/**
 * A shared access signature for the source of a copy: the service reads it as anybody would, so the account's key has to
 * sign a right to read that one blob for the time of the copy.
 *
 * Source of the format: "Create a service SAS" in the Azure Storage REST reference (version 2020-12-06 and later).
 */
import { encodeQuery } from '../http/encoding.js';
import { hmacUnder } from '../http/hmac.js';
import type { Pinned } from './versions.js';

const SAS_VERSION = '2020-12-06';
/** A copy inside an account takes seconds; this is enough for the largest one and for a clock that is minutes off. */
const LIFETIME_MS = 60 * 60_000;

export interface SasTarget {
  readonly account: string;
  readonly container: string;
  /** The key as text, not encoded. */
  readonly key: string;
  readonly pinned: Pinned;
}

/** The query that lets anybody read the one blob (or version, or snapshot). */
export function readSas(
  { account, container, key, pinned }: SasTarget,
  accountKey: string,
  nowMs: number,
): string {
  const expiry = `${new Date(nowMs + LIFETIME_MS).toISOString().slice(0, 19)}Z`;
  const resource = pinned.name === 'versionid' ? 'bv' : pinned.name === 'snapshot' ? 'bs' : 'b';
  // Start before the expiry, identifier, address and protocol behind the resource are not restricted; nor, at the end, is the
  // encryption scope, and no header of the answer is set.
  const text =
    `r\n\n${expiry}\n/blob/${account}/${container}/${key}\n\n\n\n${SAS_VERSION}\n${resource}\n${pinned.value}` +
    '\n\n\n\n\n\n';
  const signature = hmacUnder(Buffer.from(accountKey, 'base64'), 'base64')(text);
  return `sv=${SAS_VERSION}&se=${encodeQuery(expiry)}&sr=${resource}&sp=r&sig=${encodeQuery(signature)}`;
}
