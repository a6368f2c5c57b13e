/**
 * The optional peer `@azure/identity`: loading it, and the one part of it that is used. Keys, signatures and credentials
 * that a user gives need no package at all.
 */
import { importPackage, unavailable } from '../http/packages.js';
import type { AzureTokenCredential } from './options.js';

const SDK = '@azure/identity';

/** A chain as the SDK makes it. Rejects with `ModuleUnavailable`, which says how to install it and what needs no package. */
export async function loadChain(
  importModule: (name: string) => Promise<unknown>,
): Promise<() => AzureTokenCredential> {
  const loaded = await importPackage(
    SDK,
    importModule,
    `az:// without a key, signature or credential needs the optional package ${SDK}, which is not installed: ` +
      `npm install ${SDK}; or set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or ` +
      `one of the az options accountKey, sasToken, connectionString, credential, anonymous`,
  );
  const { DefaultAzureCredential: Chain } = loaded as {
    DefaultAzureCredential?: new () => AzureTokenCredential;
  };
  if (typeof Chain === 'function') return () => new Chain();
  throw unavailable(
    `The package ${SDK} has no DefaultAzureCredential; a release of its fourth generation is needed: npm install ${SDK}@4`,
  );
}
