/**
 * Connection strings of storage accounts: `Name=value` pairs with semicolons between them.
 *
 * Invariant: no part of one gets into an error but the names of its pairs.
 *
 * Source of the format: "Configure Azure Storage connection strings" in the Azure Storage documentation.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

/** What of a connection string the Blob service needs; null for what it does not have. */
export interface ConnectionString {
  readonly account: string | null;
  readonly accountKey: string | null;
  readonly sasToken: string | null;
  /** The blob endpoint, with the scheme, or null for the one that account and suffix make. */
  readonly endpoint: string | null;
}

/** Documented, the same everywhere, and good for no account but the emulator's. */
const EMULATOR: ConnectionString = {
  account: 'devstoreaccount1',
  accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  sasToken: null,
  endpoint: 'http://127.0.0.1:10000/devstoreaccount1',
};

/** @throws MillraceError InvalidArgument when it cannot be one; `origin` tells where it was found */
export function parseConnectionString(text: string, origin: string): ConnectionString {
  const pairs = new Map<string, string>();
  for (const part of text.split(';')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    if (equals <= 0) throw invalid(origin, 'it has a part that is not Name=value');
    pairs.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  const get = (name: string): string | null => pairs.get(name.toLowerCase()) || null;
  if (get('UseDevelopmentStorage')?.toLowerCase() === 'true') return emulator(get);
  const account = get('AccountName');
  const endpoint = get('BlobEndpoint');
  if (account === null && endpoint === null)
    throw invalid(origin, 'it has neither AccountName nor BlobEndpoint');
  const suffix = get('EndpointSuffix');
  const protocol = (get('DefaultEndpointsProtocol') ?? 'https').toLowerCase();
  const made =
    suffix === null && protocol === 'https'
      ? null
      : `${protocol}://${account}.blob.${suffix ?? 'core.windows.net'}`;
  return {
    account,
    accountKey: get('AccountKey'),
    sasToken: get('SharedAccessSignature'),
    endpoint: endpoint ?? made,
  };
}

function emulator(get: (name: string) => string | null): ConnectionString {
  const proxy = get('DevelopmentStorageProxyUri');
  if (proxy === null) return EMULATOR;
  return { ...EMULATOR, endpoint: `${proxy.replace(/\/+$/, '')}:10000/${EMULATOR.account}` };
}

function invalid(origin: string, what: string): MillraceError {
  return new MillraceError(
    ErrorCode.InvalidArgument,
    `The ${origin} is not a connection string: ${what}; expected "AccountName=...;AccountKey=..." as the portal shows it, ` +
      `or "UseDevelopmentStorage=true"`,
    { phase: 'configure' },
  );
}
