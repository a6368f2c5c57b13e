/**
 * What a failed filesystem call means: the table from errno to outcome and error.
 *
 * Invariant: every error names the errno, the call and the file, and carries the phase it failed in.
 */
import { ErrorCode, type ErrorContext, MillraceError, systemCode } from '../../protocol/errors.js';
import { Outcome } from '../../protocol/store.js';

export interface Failure {
  readonly outcome: Outcome;
  readonly error: MillraceError;
}

interface Meaning {
  readonly outcome: Outcome;
  readonly code: ErrorCode;
  readonly why: string;
}

const refused = (code: ErrorCode, why: string): Meaning => ({ outcome: Outcome.Refused, code, why });
/** Another attempt may succeed: something that other work of this machine, or the device, can put right. */
const transient = (why: string): Meaning => ({
  outcome: Outcome.Transient,
  code: ErrorCode.Filesystem,
  why,
});

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['ENOENT', refused(ErrorCode.NotFound, 'there is no such file or directory')],
  ['ENOTDIR', refused(ErrorCode.NotFound, 'a part of the path is not a directory')],
  ['EACCES', refused(ErrorCode.AccessDenied, 'this process may not read it')],
  ['EPERM', refused(ErrorCode.AccessDenied, 'this process may not read it')],
  ['EISDIR', refused(ErrorCode.Unsupported, 'it is a directory, not a regular file')],
  [
    'ENXIO',
    refused(ErrorCode.Unsupported, 'it is a socket or a device that is not there, not a regular file'),
  ],
  ['ENODEV', refused(ErrorCode.Unsupported, 'it is a device that is not there, not a regular file')],
  ['ENAMETOOLONG', refused(ErrorCode.InvalidArgument, 'a name in it is longer than the filesystem allows')],
  ['ELOOP', refused(ErrorCode.Filesystem, 'its symbolic links lead in a circle or are too many')],
  ['EMFILE', transient('this process has too many open files (raise "ulimit -n" or read fewer at once)')],
  ['ENFILE', transient('this machine has too many open files')],
  ['ENOMEM', transient('the kernel has no memory left for it')],
  ['EAGAIN', transient('it is not available now')],
  ['EBUSY', transient('it is busy')],
  ['EINTR', transient('the call was interrupted')],
  ['EIO', transient('the device failed')],
  ['ETIMEDOUT', transient('the network filesystem did not answer in time')],
  ['ESTALE', transient('the network filesystem has replaced it')],
]);

/** What has another meaning, or only one, where something is written. */
const WRITE_MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['ENOENT', refused(ErrorCode.NotFound, 'there is no such file or directory')],
  ['ENOTDIR', refused(ErrorCode.Filesystem, 'a part of its path is a file, which nothing can be put below')],
  ['EEXIST', refused(ErrorCode.AlreadyExists, 'there is something of that name already')],
  ['EACCES', refused(ErrorCode.AccessDenied, 'this process may not write there')],
  ['EPERM', refused(ErrorCode.AccessDenied, 'this process may not write there')],
  ['EROFS', refused(ErrorCode.AccessDenied, 'the filesystem is mounted read-only')],
  ['ENOSPC', refused(ErrorCode.Filesystem, 'the filesystem is full')],
  ['EDQUOT', refused(ErrorCode.Filesystem, 'the quota of the filesystem is used up')],
  [
    'EFBIG',
    refused(
      ErrorCode.InvalidArgument,
      'it is larger than the filesystem, or a limit of this process, allows',
    ),
  ],
]);

/** The meaning of what a filesystem call threw while it wrote; as `failureOf` otherwise. */
export function writeFailureOf(thrown: unknown, action: string, context: ErrorContext): Failure {
  return failureOf(thrown, action, context, WRITE_MEANINGS);
}

/**
 * The meaning of what a filesystem call threw. A `MillraceError` passes with its context filled up.
 * @param action what was tried, such as `open`: it goes into the message
 * @param first looked at before the meanings of every call
 */
export function failureOf(
  thrown: unknown,
  action: string,
  context: ErrorContext,
  first: ReadonlyMap<string, Meaning> = MEANINGS,
): Failure {
  if (thrown instanceof MillraceError) return { outcome: Outcome.Refused, error: thrown.with(context) };
  const errno = systemCode(thrown);
  const meaning = errno === undefined ? undefined : (first.get(errno) ?? MEANINGS.get(errno));
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  // An errno is upper case without underscore; Node's own codes (ERR_INVALID_ARG_TYPE) would be defects of ours.
  const code = errno !== undefined && /^E[A-Z0-9]+$/.test(errno) ? ErrorCode.Filesystem : ErrorCode.Internal;
  const error = new MillraceError(
    meaning?.code ?? code,
    `cannot ${action} ${context.uri ?? 'a file'}: ${meaning === undefined ? detail : `${errno}: ${meaning.why}`}`,
    {
      ...context,
      ...(errno === undefined ? {} : { serviceCode: errno }),
      retryable: meaning?.outcome === Outcome.Transient,
      cause: thrown,
    },
  );
  return { outcome: meaning?.outcome ?? Outcome.Refused, error };
}
