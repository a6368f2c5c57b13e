/** Options of the verbs that write. */
import { ErrorCode } from '../../protocol/errors.js';
import { checkNames, flag, invalidOption, whole } from '../schema.js';
import type { StopOptions } from '../stop-options.js';

export interface WriteOptions extends StopOptions {
  /** Only if there is no such object yet: otherwise `AlreadyExists`. @default false */
  readonly ifAbsent?: boolean | undefined;
  /** Only if the object has this version (ETag or generation): otherwise `VersionChanged`. */
  readonly ifVersion?: string | undefined;
  /** @default 5 */
  readonly maxAttempts?: number | undefined;
}

export interface PutOptions extends WriteOptions {
  /** As `Content-Type`. @default what the service takes for bytes of any kind */
  readonly contentType?: string | undefined;
  /**
   * Bytes of one part of an object that is put in parts. S3, and Cloud Storage by HMAC key, refuse an upload at its end where any part
   * but the last has less than 5 MiB; other servers of these protocols take less.
   * @default what the scheme says, or more where it must be
   */
  readonly partBytes?: number | undefined;
  /**
   * Parts of one object that are under way at the same time; of a stream no more than a quarter of the memory budget holds.
   * @default 8
   */
  readonly maxPartsInFlight?: number | undefined;
}

/** What a write is made with, once its options were looked at. */
export interface WriteTerms {
  readonly ifAbsent: boolean;
  readonly ifVersion: string | null;
  readonly contentType: string | null;
  readonly partBytes: number | undefined;
  readonly maxPartsInFlight: number;
  readonly maxAttempts: number;
}

/** What a call fails with because it was told to stop. */
export const STOPS: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.Draining,
  ErrorCode.Cancelled,
  ErrorCode.DeadlineExceeded,
]);

const STOP_NAMES = ['token', 'signal'];
export const WRITE_NAMES = [...STOP_NAMES, 'ifAbsent', 'ifVersion', 'maxAttempts'];
export const PUT_NAMES = [...WRITE_NAMES, 'contentType', 'partBytes', 'maxPartsInFlight'];

const DEFAULT_ATTEMPTS = 5;
/** At 50 to 100 MB/s for each connection, enough for a link of 5 Gbit/s, and a sixteenth of a usual budget. */
const DEFAULT_PARTS_IN_FLIGHT = 8;

/** @throws MillraceError InvalidArgument */
export function readTerms(given: PutOptions, names: readonly string[], verb: string): WriteTerms {
  checkNames(names, given, verb);
  const { ifAbsent = false, ifVersion, contentType, partBytes, maxPartsInFlight, maxAttempts } = given;
  if (flag(ifAbsent, 'ifAbsent') && ifVersion !== undefined) {
    throw invalidOption('ifAbsent and ifVersion', 'one of the two', 'both');
  }
  return {
    ifAbsent,
    ifVersion: ifVersion === undefined ? null : textOf(ifVersion, 'ifVersion', 'an ETag or generation'),
    contentType:
      contentType === undefined
        ? null
        : textOf(contentType, 'contentType', 'a media type such as "text/plain"'),
    partBytes: partBytes === undefined ? undefined : whole(1)(partBytes, 'partBytes'),
    maxPartsInFlight: whole(1, 1000)(maxPartsInFlight ?? DEFAULT_PARTS_IN_FLIGHT, 'maxPartsInFlight'),
    maxAttempts: whole(1, 100)(maxAttempts ?? DEFAULT_ATTEMPTS, 'maxAttempts'),
  };
}

function textOf(given: unknown, name: string, expected: string): string {
  if (typeof given === 'string' && /^[\x20-\x7e]+$/.test(given)) return given;
  throw invalidOption(name, `${expected}, in plain characters`, given);
}
