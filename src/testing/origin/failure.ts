/**
 * An error of a service on its way out, in the words that all services share: status, code, message, and the extra
 * elements and headers that some codes carry. How a document spells it is the dialect's.
 */

export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** Elements of the document, by name. */
  readonly extra: Readonly<Record<string, string>>;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

const NOTHING = Object.freeze({});

/**
 * @param extra elements of the document, by name
 * @param headers names and values in turn
 */
export function failure(
  status: number,
  code: string,
  message: string,
  extra: Readonly<Record<string, string>> = NOTHING,
  headers: readonly string[] = [],
): Failure {
  return { status, code, message, extra, headers };
}

/** Whether a dialect refused: of all that it may answer, only a failure has a `message`. */
export function isFailure(found: object): found is Failure {
  return 'message' in found;
}
