/**
 * The optional peer `@google-cloud/storage`: loading it, and the one part of it that is used, which finds credentials and
 * makes access tokens of them. HMAC keys, functions that give tokens and anonymous requests need no package.
 */
import { importPackage, unavailable } from '../http/packages.js';
import type { GcsServiceAccount } from './options.js';

const SDK = '@google-cloud/storage';

/** The client of google-auth-library that stands behind each kind of credentials. */
export interface AuthClient {
  getAccessToken(): Promise<{ readonly token?: string | null | undefined }>;
  /** Of the token that was given last; `expiry_date` in ms since the epoch. */
  readonly credentials?: { readonly expiry_date?: number | null | undefined } | undefined;
}

export interface SdkOptions {
  readonly credentials?: GcsServiceAccount;
  readonly keyFilename?: string;
  readonly projectId?: string;
}

interface SdkModule {
  readonly Storage: new (options: SdkOptions) => {
    readonly authClient: { getClient(): Promise<AuthClient> };
  };
}

/** Imports the SDK; what is given makes a client that has asked for nothing yet. Rejects with `ModuleUnavailable`. */
export async function loadSdk(
  importModule: (name: string) => Promise<unknown>,
): Promise<(options: SdkOptions) => Promise<AuthClient>> {
  const loaded = await importPackage(
    SDK,
    importModule,
    `gs:// with a service account or application default credentials needs the optional package ${SDK}, which is not ` +
      `installed: npm install ${SDK}; or set one of the gs options hmac, anonymous, or credentials to a function`,
  );
  const { Storage } = loaded as Partial<SdkModule>;
  if (typeof Storage !== 'function') throw unavailable(`The package ${SDK} has no Storage; ${WANTED}`);
  return async (options) => {
    const { authClient } = new Storage(options);
    if (typeof authClient?.getClient !== 'function') {
      throw unavailable(`The Storage of the package ${SDK} has no authClient; ${WANTED}`);
    }
    return authClient.getClient();
  };
}

const WANTED = `a release of its seventh or eighth generation is needed: npm install ${SDK}@8`;
