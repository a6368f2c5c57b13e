/**
 * What an answer of the Blob service says about its refusal.
 *
 * Invariant: only the fields below are taken. The document of a refused signature also has the text that was signed and the
 * signature that came, in `AuthenticationErrorDetail`: that must never reach an error.
 */
import type { Exchange } from '../../protocol/http.js';
import { codeWord, errorField, errorText } from '../http/error-fields.js';

export interface ServiceError {
  readonly code: string | null;
  /** Code of the source's refusal, where a copy failed because of its source. */
  readonly sourceStatus: number;
  readonly message: string | null;
}

/** The code is in a header of every refusal, so that an answer to HEAD has it as well; the message is in the body. */
export function readServiceError(exchange: Exchange): ServiceError {
  const text = errorText(exchange.body);
  const status = exchange.header('x-ms-copy-source-status-code');
  return {
    code:
      codeWord(exchange.header('x-ms-error-code')) ??
      (text === null ? null : codeWord(errorField(text, 'Code'))),
    sourceStatus: status !== undefined && /^\d{3}$/.test(status) ? Number(status) : 0,
    // What follows the first sentence repeats request id and time.
    message: text === null ? null : (errorField(text, 'Message')?.split(/\s*RequestId:/, 1)[0] ?? null),
  };
}
