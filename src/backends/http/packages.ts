/** The optional packages of cloud services, imported when they are needed and not before. */
import { ErrorCode, MillraceError, systemCode } from '../../protocol/errors.js';

/**
 * Imports a package. Rejects with `ModuleUnavailable`, which says how to install it.
 * @param whatIfMissing the whole message when it is not installed
 */
export async function importPackage(
  name: string,
  importModule: (name: string) => Promise<unknown>,
  whatIfMissing: string,
): Promise<unknown> {
  try {
    return await importModule(name);
  } catch (cause) {
    const isMissing =
      systemCode(cause) === 'ERR_MODULE_NOT_FOUND' || systemCode(cause) === 'MODULE_NOT_FOUND';
    throw unavailable(
      isMissing
        ? whatIfMissing
        : `The package ${name} is installed but could not be loaded; install it again: npm install ${name}`,
      cause,
    );
  }
}

export function unavailable(message: string, cause?: unknown): MillraceError {
  return new MillraceError(ErrorCode.ModuleUnavailable, message, { phase: 'configure', cause });
}
