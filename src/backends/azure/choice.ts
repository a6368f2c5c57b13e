/**
 * Which of the options and variables authorizes the requests to one account. Pure.
 *
 * The order: the one option that is given (they exclude each other); AZURE_STORAGE_CONNECTION_STRING; AZURE_STORAGE_KEY;
 * AZURE_STORAGE_SAS_TOKEN, as the az command reads them; then the chain of `@azure/identity`.
 *
 * Invariant: what belongs to another account is never sent to this one. Variables that name another account are passed
 * over; an option that does is refused.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { parseConnectionString } from './connection-string.js';
import { checkKey, checkSas, type AzureOptions } from './options.js';
import type { AzureAuth } from './config.js';

export type Env = Readonly<Record<string, string | undefined>>;

/** Where authorization comes from: it is known already, or it has to be asked for. */
export type Source =
  | { readonly kind: 'known'; readonly auth: AzureAuth }
  | { readonly kind: 'sas'; readonly ask: () => Promise<string> }
  | { readonly kind: 'token'; readonly credential: NonNullable<AzureOptions['credential']> }
  | { readonly kind: 'chain' };

export interface Choice {
  readonly source: Source;
  /** Endpoint that came with it, or null. */
  readonly endpoint: string | null;
  /** Where that endpoint was found, for error messages. */
  readonly endpointOrigin: string;
}

/** All places in their order, for the error that tells that there is nothing in any of them. */
export const PLACES =
  'the az option accountKey, sasToken, connectionString, credential or anonymous; AZURE_STORAGE_CONNECTION_STRING; ' +
  'AZURE_STORAGE_KEY; AZURE_STORAGE_SAS_TOKEN (each only where AZURE_STORAGE_ACCOUNT is not set to another account); the ' +
  'DefaultAzureCredential of @azure/identity';

/** @throws MillraceError InvalidArgument for an option that is for another account, or a variable that cannot be read */
export function choose(account: string, options: AzureOptions, env: Env): Choice {
  return fromOptions(account, options) ?? fromEnvironment(account, env) ?? chosen({ kind: 'chain' });
}

function chosen(source: Source, endpoint: string | null = null, endpointOrigin = ''): Choice {
  return { source, endpoint, endpointOrigin };
}

const known = (auth: AzureAuth): Source => ({ kind: 'known', auth });

function fromOptions(account: string, options: AzureOptions): Choice | null {
  const { accountKey, sasToken, connectionString, credential } = options;
  if (options.anonymous === true) return chosen(known({ kind: 'anonymous' }));
  if (credential !== undefined) return chosen({ kind: 'token', credential });
  if (typeof sasToken === 'function') return chosen({ kind: 'sas', ask: sasToken });
  if (sasToken !== undefined) return chosen(sasOf(sasToken, 'az option "sasToken"'));
  if (accountKey !== undefined) return chosen(keyOf(accountKey, 'az option "accountKey"'));
  if (connectionString === undefined) return null;
  const choice = fromConnectionString(account, connectionString, 'az option "connectionString"');
  if (choice !== null) return choice;
  throw invalid(
    `The az option "connectionString" is for another account than "${account}", which the URI names; ` +
      `use az://ACCOUNT/... with the account of the connection string`,
  );
}

function fromEnvironment(account: string, env: Env): Choice | null {
  const { AZURE_STORAGE_ACCOUNT: named, AZURE_STORAGE_KEY: key, AZURE_STORAGE_SAS_TOKEN: sas } = env;
  const text = env.AZURE_STORAGE_CONNECTION_STRING;
  if (text) {
    const choice = fromConnectionString(
      account,
      text,
      'environment variable AZURE_STORAGE_CONNECTION_STRING',
    );
    if (choice !== null) return choice;
  }
  if (named && named !== account) return null;
  if (key) return chosen(keyOf(key, 'environment variable AZURE_STORAGE_KEY'));
  return sas ? chosen(sasOf(sas, 'environment variable AZURE_STORAGE_SAS_TOKEN')) : null;
}

/** Null where it is for another account. */
function fromConnectionString(account: string, text: string, origin: string): Choice | null {
  const found = parseConnectionString(text, origin);
  if (found.account !== null && found.account !== account) return null;
  const { accountKey, sasToken, endpoint } = found;
  if (accountKey !== null)
    return chosen(keyOf(accountKey, `AccountKey of the ${origin}`), endpoint, `endpoint of the ${origin}`);
  if (sasToken !== null) {
    return chosen(
      sasOf(sasToken, `SharedAccessSignature of the ${origin}`),
      endpoint,
      `endpoint of the ${origin}`,
    );
  }
  throw invalid(
    `The ${origin} has neither AccountKey nor SharedAccessSignature; copy it anew from the portal`,
  );
}

function keyOf(key: string, origin: string): Source {
  checkKey(key, origin);
  return known({ kind: 'key', key });
}

function sasOf(token: string, origin: string): Source {
  return known({ kind: 'sas', token: checkSas(token, origin), renewable: false });
}

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}
