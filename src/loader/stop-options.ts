/**
 * The two ways in which every asynchronous verb takes a stop: millrace's `token`, or the platform's `signal`.
 */
import { CancellationToken } from '../protocol/token.js';
import { invalidOption } from './schema.js';

export interface StopOptions {
  /** Drains or cancels what is asked for. Not together with `signal`. */
  readonly token?: CancellationToken | undefined;
  /** Cancels what is asked for when it aborts. Not together with `token`. */
  readonly signal?: AbortSignal | undefined;
}

/** The stop of one call or one iteration. `dispose` unlinks it from a signal that lives longer. */
export interface LinkedStop {
  readonly token: CancellationToken | null;
  dispose(): void;
}

const nothing = (): void => {};

/** @throws MillraceError InvalidArgument when both are given, or one is not what it should be */
export function checkStop(given: StopOptions): void {
  const { token, signal } = given;
  if (token !== undefined && signal !== undefined) {
    throw invalidOption('token and signal', 'one of the two (a token can be linked to a signal)', 'both');
  }
  if (token !== undefined) parseToken(token, 'token');
  if (signal !== undefined) parseSignal(signal, 'signal');
}

/** Links the stop; to be undone with `dispose` when what it stops has ended. Throws as `checkStop` does. */
export function linkStop(given: StopOptions): LinkedStop {
  checkStop(given);
  if (given.signal === undefined) return { token: given.token ?? null, dispose: nothing };
  const token = CancellationToken.fromAbortSignal(given.signal);
  return { token, dispose: () => token.dispose() };
}

export function parseToken(given: unknown, name: string): CancellationToken {
  if (given instanceof CancellationToken) return given;
  throw invalidOption(name, 'a CancellationToken', given);
}

export function parseSignal(given: unknown, name: string): AbortSignal {
  if (given instanceof AbortSignal) return given;
  throw invalidOption(name, 'an AbortSignal', given);
}
