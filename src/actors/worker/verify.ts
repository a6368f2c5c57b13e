/**
 * Looks at the checksum of an object that came in pieces and lies in its lease as a whole.
 *
 * Invariants:
 * 1. The thread's event loop turns every few milliseconds, however long the object and slow the checksum.
 * 2. Nothing more is computed once the token has turned.
 */
import type { WorkerContext } from '../../protocol/context.js';
import { algorithms, type ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import { implementation } from '../../protocol/checksums/crc.js';
import { startChecksum } from '../../protocol/checksums/digest.js';
import { chooseChecksum, type VerifyPolicy } from '../../protocol/checksums/expected.js';
import { asMillraceError, ErrorCode, MillraceError } from '../../protocol/errors.js';
import { StopState } from '../../protocol/stop.js';
import { DoneStatus } from '../../protocol/tables.js';
import type { ObjectInfo } from '../../protocol/store.js';
import { ask, type Asked, type Asking, type AskingDeps } from './asking.js';
import { UNSIZED } from './latency.js';
import { givenUp, type LocalToken } from './tokens.js';

/** How long one piece of the work may hold the event loop. */
const SLICE_MS = 4;

export interface Landed {
  readonly store: number;
  readonly key: Uint8Array;
  readonly version: string | null;
  readonly bytes: Uint8Array;
  readonly policy: VerifyPolicy;
  readonly uri: string;
}

export interface Verdict {
  readonly status: DoneStatus;
  readonly error: MillraceError | null;
  /** The checksum that the bytes have, or null where none was looked at. */
  readonly verified: ChecksumAlgorithm | null;
}

/** What the landed bytes are worth, and what it took to find out. */
export interface Verification {
  readonly verdict: Verdict;
  /** Attempts at the question for the checksums beyond the first. */
  readonly retries: number;
  /** Answers to it that told us to slow down. */
  readonly throttled: number;
}

const UNVERIFIED: Verdict = { status: DoneStatus.Ok, error: null, verified: null };

/** Asks the service for the object's checksums and looks whether the landed bytes have one of them. Never rejects. */
export async function verifyLanded(
  landed: Landed,
  stream: Pick<Asking<ObjectInfo>, 'token' | 'maxAttempts' | 'patienceMs' | 'streamSinceMs' | 'seat'>,
  deps: AskingDeps & { readonly context: Pick<WorkerContext, 'sleep'> },
): Promise<Verification> {
  const { token } = stream;
  const { store, key } = landed;
  const asked = await ask<ObjectInfo>(
    {
      ...stream,
      store,
      entered: false,
      again: false,
      bytes: UNSIZED.head,
      attempt: (opened) => opened.head(key, token),
    },
    deps,
  );
  const verdict = await judge(landed, asked, token, deps.context).catch((thrown: unknown) =>
    // What a user's store tells may be no checksum at all.
    failed(asMillraceError(thrown, ErrorCode.Internal, { phase: 'verify', uri: landed.uri })),
  );
  return { verdict, retries: asked.retries, throttled: asked.throttled };
}

function failed(error: MillraceError): Verdict {
  return { status: DoneStatus.Failed, error, verified: null };
}

async function judge(
  landed: Landed,
  asked: Asked<ObjectInfo>,
  token: LocalToken,
  context: Pick<WorkerContext, 'sleep'>,
): Promise<Verdict> {
  const { version } = landed;
  if (asked.value === null) {
    const { status, error } = asked;
    // Cheap checksums are looked at where there are any: a service that does not tell them loses nobody an object.
    const lenient = status === DoneStatus.Failed && landed.policy === 'auto';
    return lenient ? UNVERIFIED : { status, error, verified: null };
  }
  // Another version: what is here may be whole and right, but nothing can say so any more.
  if (version !== null && asked.value.version !== null && asked.value.version !== version)
    return { status: DoneStatus.VersionChanged, error: null, verified: null };
  const choice = chooseChecksum(asked.value.checksums ?? [], landed.policy, implementation);
  if (!choice.verify) return UNVERIFIED;
  const { algorithm, digest } = choice;
  const running = startChecksum(algorithm);
  const sliceBytes = Math.ceil((SLICE_MS * 1e6) / algorithms[algorithm].costNsPerByte);
  for (let at = 0; at < landed.bytes.length; at += sliceBytes) {
    if (at > 0) await context.sleep(0, token);
    // A sleep of a token that has turned is none: the rest would hold the event loop in one piece.
    if (token.state !== StopState.Live) return { status: givenUp(token), error: null, verified: null };
    running.update(landed.bytes.subarray(at, at + sliceBytes));
  }
  if (Buffer.compare(running.digest(), digest) === 0)
    return { status: DoneStatus.Ok, error: null, verified: algorithm };
  return failed(
    new MillraceError(
      ErrorCode.ChecksumMismatch,
      `${landed.uri}: the bytes do not have the ${algorithm} checksum that the service gave`,
      { phase: 'verify', uri: landed.uri },
    ),
  );
}
