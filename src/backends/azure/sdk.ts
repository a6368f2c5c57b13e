/**
 * The optional peer `@azure/identity`: loading it, and the one part of it that is used. Keys, signatures and credentials
 * that a user gives need no package at all.
 */
import { ErrorCode, MillraceError, systemCode } from '../../protocol/errors.js';
import type { AzureTokenCredential } from './options.js';

const SDK = '@azure/identity';

/** A chain as the SDK makes it. Rejects with `ModuleUnavailable`, which says how to install it and what needs no package. */
export async function loadChain(
  importModule: (name: string) => Promise<unknown>,
): Promise<() => AzureTokenCredential> {
  let loaded: unknown;
  try {
    loaded = await importModule(SDK);
  } catch (cause) {
    const missing = systemCode(cause) === 'ERR_MODULE_NOT_FOUND' || systemCode(cause) === 'MODULE_NOT_FOUND';
    throw new MillraceError(
      ErrorCode.ModuleUnavailable,
      missing
        ? `az:// without a key, signature or credential needs the optional package ${SDK}, which is not installed: ` +
            `npm install ${SDK}; or set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or ` +
            `one of the az options accountKey, sasToken, connectionString, credential, anonymous`
        : `The package ${SDK} is installed but could not be loaded; install it again: npm install ${SDK}`,
      { phase: 'configure', cause },
    );
  }
  const { DefaultAzureCredential: Chain } = loaded as {
    DefaultAzureCredential?: new () => AzureTokenCredential;
  };
  if (typeof Chain === 'function') return () => new Chain();
  throw new MillraceError(
    ErrorCode.ModuleUnavailable,
    `The package ${SDK} has no DefaultAzureCredential; a release of its fourth generation is needed: npm install ${SDK}@4`,
    { phase: 'configure' },
  );
}
