/**
 * The bounds of the transport: those a user can set, with their defaults, and those that are fixed.
 *
 * Invariant: a transport only runs with limits that `checkLimits` let pass, so no other file looks at them again.
 */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { shownValue } from '../protocol/shown-value.js';
import type { TransportLimits } from '../protocol/http.js';

export const DEFAULT_TRANSPORT_LIMITS: TransportLimits = {
  // Two lost SYNs are sent again after 1 and 3 s, and a TLS handshake needs two more round trips.
  connectTimeoutMs: 10_000,
  // Object stores answer in under a second, but hold a request for several when they split a hot partition.
  firstByteTimeoutMs: 30_000,
  // A stalled path is given up while TCP is still sending again (its backed-off retries are about 13 and 26 s apart).
  idleTimeoutMs: 20_000,
  // S3 completes uploads and copies "for several minutes", as its reference says, and sends white space meanwhile; others
  // send nothing at all. The gateways of AWS forget a connection that is silent for 350 s.
  workTimeoutMs: 300_000,
  // At this rate one part of 8 MiB takes more than two hours: nobody wants to wait for that, and it is far below
  // what 64 connections get out of a slow link.
  minRateBytesPerSecond: 1024,
  // Longer than the idle time-out, so that a plain stall is reported as one.
  minRateWindowMs: 30_000,
  // Twice the parts one object may have in flight: a large object does not keep the small ones out.
  maxConnections: 64,
  // Below the 5 s after which the most impatient servers close, so that few kept connections turn out dead.
  keepAliveMs: 4_000,
  // S3 allows 2 KiB of user metadata and others 8 KiB; servers themselves stop at 8 to 16 KiB.
  maxHeadBytes: 16 * 1024,
  // The services' error documents have about 1 KiB, the pages of proxies tens of KiB.
  maxErrorBodyBytes: 64 * 1024,
};

/** Interim (1xx) answers before the final one; more is a server gone wrong. */
export const MAX_INTERIM_HEADS = 8;
/** Bytes of extensions on one chunk; nobody uses them. */
export const MAX_CHUNK_EXTENSION_BYTES = 1024;
/** Bytes of trailers after a chunked body. */
export const MAX_TRAILER_BYTES = 8 * 1024;
/** A larger rest of a chunk is read straight into its place; a smaller one comes through the scratch. */
export const MIN_DIRECT_BYTES = 4 * 1024;
/**
 * Request bodies are written in pieces, and each one that is accepted counts as progress: at the smallest a link of 4 KiB/s
 * can be told from a stalled one. On a fast link they cost a quarter more of the CPU than the largest.
 */
export const MIN_SLICE_BYTES = 64 * 1024;
export const MAX_SLICE_BYTES = 512 * 1024;
/** Exchanges that wait for a connection; more means that the caller does not bound its own work. */
export const MAX_WAITING = 4096;
/** Origins whose TLS set-up and session are remembered. */
export const MAX_ORIGINS = 256;
/** Head and body of a small object arrive in one read of the scratch if it has at least this size. */
const MIN_SCRATCH_BYTES = 8 * 1024;
const MAX_SCRATCH_BYTES = 1024 * 1024;

/** Size of a connection's scratch: the largest head fits, with room to spare for the first bytes of a body. */
export function scratchBytes(limits: TransportLimits): number {
  return Math.max(limits.maxHeadBytes, MIN_SCRATCH_BYTES);
}

/** How often the time-outs are looked at: a tenth of the shortest, but not more than every 5 ms nor less than every 250 ms. */
export function tickMs(limits: TransportLimits): number {
  const shortest = Math.min(
    limits.connectTimeoutMs,
    limits.firstByteTimeoutMs,
    limits.idleTimeoutMs,
    limits.workTimeoutMs,
    limits.keepAliveMs,
    limits.minRateBytesPerSecond > 0 ? limits.minRateWindowMs : Infinity,
  );
  return Math.max(5, Math.min(250, Math.floor(shortest / 10)));
}

/** Throws `InvalidArgument` that names the limit, what was given and what is expected. */
export function checkLimits(limits: TransportLimits): void {
  const atLeast: readonly (readonly [keyof TransportLimits, number, number])[] = [
    ['connectTimeoutMs', 1, Infinity],
    ['firstByteTimeoutMs', 1, Infinity],
    ['idleTimeoutMs', 1, Infinity],
    ['workTimeoutMs', 1, Infinity],
    ['minRateBytesPerSecond', 0, Infinity],
    ['minRateWindowMs', 1, Infinity],
    ['maxConnections', 1, 65_535],
    ['keepAliveMs', 0, Infinity],
    ['maxHeadBytes', 64, MAX_SCRATCH_BYTES],
    ['maxErrorBodyBytes', 0, Infinity],
  ];
  for (const [name, least, most] of atLeast) {
    const given = limits[name];
    if (typeof given !== 'number' || !(given >= least && given <= most)) {
      throw new MillraceError(
        ErrorCode.InvalidArgument,
        `${name} is ${shownValue(given)}; expected a number from ${least} to ${most}`,
        { phase: 'configure' },
      );
    }
  }
}
