/**
 * The one error class of millrace, and how it crosses threads.
 *
 * Invariants:
 * 1. Every failure a user can meet is a `MillraceError` with a `code` of {@link ErrorCode}.
 * 2. `toWire` and `fromWire` lose nothing but the identity of the object: code, message, phase, context and the
 *    chain of causes arrive (structured clone keeps neither a class nor a `code`).
 * 3. No secret is ever put into a message or the context: callers pass URIs and keys, never headers or credentials.
 */

/** What went wrong, in domain words; one documented entry each in docs/errors.md. */
export const ErrorCode = {
  /** An option, URI or argument is not valid. */
  InvalidArgument: 'InvalidArgument',
  /** The object, bucket or file does not exist. */
  NotFound: 'NotFound',
  /** The service knows who asks and says no. */
  AccessDenied: 'AccessDenied',
  /** The service does not accept the credentials, or there are none. */
  Unauthenticated: 'Unauthenticated',
  /** The bucket lives in another region than the one that was used. */
  WrongRegion: 'WrongRegion',
  /** The object is no longer the version that was asked for. */
  VersionChanged: 'VersionChanged',
  /** There is an object already, and it was to be created only. */
  AlreadyExists: 'AlreadyExists',
  /** Fewer bytes came than the service announced, again and again. */
  ShortBody: 'ShortBody',
  /** The range lies outside the object, or another one was served. */
  RangeRejected: 'RangeRejected',
  /** The bytes do not have the checksum that the service gave. */
  ChecksumMismatch: 'ChecksumMismatch',
  /** The answer breaks HTTP or the store's own dialect. */
  ProtocolViolation: 'ProtocolViolation',
  /** The service asked to slow down until the retries were used up. */
  Throttled: 'Throttled',
  /** The service failed (5xx) until the retries were used up. */
  ServiceUnavailable: 'ServiceUnavailable',
  /** No connection, or it broke, until the retries were used up. */
  ConnectionFailed: 'ConnectionFailed',
  /** One operation (connect, first byte, idle body, rate, question) took too long. */
  TimedOut: 'TimedOut',
  /** The deadline of a token passed. */
  DeadlineExceeded: 'DeadlineExceeded',
  /** A token was cancelled, or the runtime is closed. */
  Cancelled: 'Cancelled',
  /** A token is draining: nothing new is started. */
  Draining: 'Draining',
  /** The item can never fit in the memory budget. */
  BudgetTooSmall: 'BudgetTooSmall',
  /** The memory that is needed is held by batches the consumer has not released. */
  BudgetHeldByConsumer: 'BudgetHeldByConsumer',
  /** A worker died, again and again, with this item or before any. */
  WorkerCrashed: 'WorkerCrashed',
  /** A worker stopped answering (blocked in one call). */
  WorkerStuck: 'WorkerStuck',
  /** The user's transform threw. */
  TransformFailed: 'TransformFailed',
  /** A module that is needed (an SDK, a store, a transform) could not be loaded. */
  ModuleUnavailable: 'ModuleUnavailable',
  /** Use after release, or double release. */
  Released: 'Released',
  /** The operation does not exist for this store or dataset. */
  Unsupported: 'Unsupported',
  /** A filesystem call failed for another reason than those above. */
  Filesystem: 'Filesystem',
  /** A defect of millrace itself. */
  Internal: 'Internal',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Where in the life of an item it failed. */
export type ErrorPhase =
  | 'configure'
  | 'plan'
  | 'list'
  | 'grant'
  | 'prepare'
  | 'connect'
  | 'request'
  | 'head'
  | 'body'
  | 'verify'
  | 'transform'
  | 'write'
  | 'deliver'
  | 'close';

/** What is known about a failure; everything optional, all of it cloneable, none of it secret. */
export interface ErrorContext {
  phase?: ErrorPhase;
  /** The object, as a URI without credentials or query signatures. */
  uri?: string;
  /** First and last byte (inclusive) that were asked for. */
  range?: readonly [start: number, end: number];
  /** Attempts made, the failing one included. */
  attempt?: number;
  /** HTTP status of the last answer. */
  status?: number;
  /** The service's own code, such as `NoSuchKey`. */
  serviceCode?: string;
  /** The service's request id: what its support asks for. */
  requestId?: string;
  /** Name of the worker, such as `worker-2#1` (index and incarnation). */
  worker?: string;
  /** Whether the same call may succeed later. Defaults by code. */
  retryable?: boolean;
  cause?: unknown;
}

/** A `MillraceError` as plain data, for structured clone. */
export interface WireError {
  code: ErrorCode;
  message: string;
  stack?: string | undefined;
  context: Omit<ErrorContext, 'cause'>;
  cause?: WireCause | undefined;
}

/** A cause of another class: its properties are not ours to read, and may hold what must not travel. */
interface WireForeign {
  name: string;
  message: string;
  code?: string | undefined;
  cause?: WireCause | undefined;
}
type WireCause = WireError | WireForeign;

/** Causes that cross of one chain: enough for any real one, and an end for one that goes in a circle. */
const MAX_CAUSES = 16;

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ErrorCode.ShortBody,
  ErrorCode.Throttled,
  ErrorCode.ServiceUnavailable,
  ErrorCode.ConnectionFailed,
  ErrorCode.TimedOut,
  ErrorCode.VersionChanged,
  ErrorCode.BudgetHeldByConsumer,
]);

export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change by the user. */
  readonly retryable: boolean;
  readonly context: Readonly<Omit<ErrorContext, 'cause'>>;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    const { cause, ...rest } = context;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = context.retryable ?? RETRYABLE.has(code);
    this.context = rest;
  }

  get phase(): ErrorPhase | undefined {
    return this.context.phase;
  }
  get uri(): string | undefined {
    return this.context.uri;
  }
  get range(): readonly [number, number] | undefined {
    return this.context.range;
  }
  get attempt(): number | undefined {
    return this.context.attempt;
  }
  get status(): number | undefined {
    return this.context.status;
  }
  get requestId(): string | undefined {
    return this.context.requestId;
  }
  get worker(): string | undefined {
    return this.context.worker;
  }

  /** The same error with more context; what is already known is kept. */
  with(context: ErrorContext): MillraceError {
    const merged = new MillraceError(this.code, this.message, {
      ...context,
      ...this.context,
      retryable: this.retryable,
      cause: this.cause ?? context.cause,
    });
    if (this.stack !== undefined) merged.stack = this.stack;
    return merged;
  }

  toWire(): WireError {
    return this.#toWire(MAX_CAUSES);
  }

  #toWire(causes: number): WireError {
    const { cause, stack } = this;
    return {
      code: this.code,
      message: this.message,
      stack,
      context: { ...this.context, retryable: this.retryable },
      cause: MillraceError.#wireCause(cause, causes),
    };
  }

  static #wireCause(cause: unknown, causes: number): WireCause | undefined {
    if (cause === undefined || cause === null || causes === 0) return undefined;
    if (cause instanceof MillraceError) return cause.#toWire(causes - 1);
    if (cause instanceof Error) {
      return {
        name: textOr(fieldOf(cause, 'name'), 'Error'),
        message: messageOf(cause),
        code: systemCode(cause),
        cause: MillraceError.#wireCause(fieldOf(cause, 'cause'), causes - 1),
      };
    }
    return { name: 'Error', message: typeof cause === 'string' ? cause : `a thrown ${typeof cause}` };
  }

  static fromWire(wire: WireError): MillraceError {
    const error = new MillraceError(wire.code, wire.message, { ...wire.context, cause: revive(wire.cause) });
    if (wire.stack !== undefined) error.stack = wire.stack;
    return error;
  }
}

function revive(cause: WireCause | undefined): Error | undefined {
  if (cause === undefined) return undefined;
  if ('context' in cause) return MillraceError.fromWire(cause);
  const below = revive(cause.cause);
  const error = new Error(cause.message, below === undefined ? undefined : { cause: below });
  error.name = cause.name;
  if (cause.code !== undefined) Object.assign(error, { code: cause.code });
  return error;
}

/** The `code` of a Node system error (`ECONNRESET`, `ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code = fieldOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** A field of what user code threw, which may be anything: reading it may throw again. */
function fieldOf(thrown: object, name: 'name' | 'message' | 'code' | 'cause'): unknown {
  try {
    return (thrown as Partial<Record<string, unknown>>)[name];
  } catch {
    return undefined;
  }
}

function textOr(given: unknown, fallback: string): string {
  return typeof given === 'string' ? given : fallback;
}

/** A text of anything that was thrown, whatever its own conversions do. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return textOr(fieldOf(thrown, 'message'), 'an error whose message is no text');
  try {
    return String(thrown);
  } catch {
    return `a thrown ${typeof thrown}`;
  }
}

/** Any thrown value as a `MillraceError`; an unknown one becomes `code` with the value as its cause. */
export function asMillraceError(
  thrown: unknown,
  code: ErrorCode = ErrorCode.Internal,
  context: ErrorContext = {},
): MillraceError {
  if (thrown instanceof MillraceError) return thrown.with(context);
  return new MillraceError(code, messageOf(thrown), { ...context, cause: thrown });
}
