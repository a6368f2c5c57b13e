/**
 * The options of the az scheme, and their checks: an option that is not known or cannot work is refused before anything
 * is loaded or sent.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { suggestion } from '../../protocol/nearest.js';
import { parseConnectionString } from './connection-string.js';

/** What an Azure credential gives; `expiresOnTimestamp` in ms since the epoch. */
export interface AzureAccessToken {
  readonly token: string;
  readonly expiresOnTimestamp: number;
}

/** An object of `@azure/identity`, or any other with its one function. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[]): Promise<AzureAccessToken | null>;
}

export interface AzureOptions {
  /** Key of the account, base64. */
  readonly accountKey?: string | undefined;
  /** Shared access signature, with or without its question mark, or a function that gives a new one when it has expired or is refused. */
  readonly sasToken?: string | (() => Promise<string>) | undefined;
  /** Connection string of the account, `UseDevelopmentStorage=true` included. */
  readonly connectionString?: string | undefined;
  /** A credential of `@azure/identity`, or a function that gives access tokens for `https://storage.azure.com/.default`. */
  readonly credential?: AzureTokenCredential | (() => Promise<AzureAccessToken>) | undefined;
  /**
   * Send requests without authorization, for public containers; no credentials are looked for.
   * @default false
   */
  readonly anonymous?: boolean | undefined;
  /**
   * Base URL of the Blob service where it is not the account's own host, such as `http://127.0.0.1:10000/devstoreaccount1`.
   * @default the connection string's, then the host of the URI
   */
  readonly endpoint?: string | undefined;
  /**
   * Version of the REST API that requests name.
   * @default '2023-11-03': the newest that is needed here, and old enough for every cloud
   */
  readonly apiVersion?: string | undefined;
  /**
   * PEM bundle to trust instead of Node's own list, for servers with a private certificate authority.
   * @default Node's list
   */
  readonly ca?: string | undefined;
  /**
   * Read blobs that were stored with a `Content-Encoding` (gzip, br): what arrives are the bytes as they are stored.
   * Otherwise such an answer is refused, because it cannot be told from that of a proxy that encodes on the way.
   * @default false
   */
  readonly allowContentEncoding?: boolean | undefined;
}

/** Encoded names in listings need 2021-02-12, blobs by one request of 5000 MiB 2019-12-12, copies by URL 2020-04-08. */
export const DEFAULT_API_VERSION = '2023-11-03';

export const KINDS: Readonly<Record<keyof AzureOptions, string>> = {
  accountKey: 'string',
  sasToken: 'string or a function',
  connectionString: 'string',
  credential: 'credential',
  anonymous: 'boolean',
  endpoint: 'string',
  apiVersion: 'string',
  ca: 'string',
  allowContentEncoding: 'boolean',
};

/** The options of which one alone says how requests are authorized. */
const WAYS = ['anonymous', 'accountKey', 'sasToken', 'connectionString', 'credential'] as const;

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

/** @throws MillraceError InvalidArgument for the first option that cannot work; prints no credentials */
export function checkOptions(options: AzureOptions): void {
  const names = Object.keys(KINDS);
  for (const name of Object.keys(options)) {
    if (!names.includes(name))
      throw invalid(`The az scheme has no option "${name}"; ${suggestion(name, names)}`);
  }
  // Inherited ones too: they are read.
  for (const name of names as (keyof AzureOptions)[]) {
    const value: unknown = options[name];
    if (value !== undefined) checkKind(name, value);
  }
  const ways = WAYS.filter((name) => options[name] !== undefined && options[name] !== false);
  if (ways.length > 1) {
    throw invalid(
      `The az options ${ways.map((name) => `"${name}"`).join(' and ')} exclude each other; leave all but one out`,
    );
  }
  if (options.accountKey !== undefined) checkKey(options.accountKey, 'az option "accountKey"');
  if (typeof options.sasToken === 'string') checkSas(options.sasToken, 'az option "sasToken"');
  if (options.connectionString !== undefined) {
    parseConnectionString(options.connectionString, 'az option "connectionString"');
  }
  if (options.endpoint !== undefined) checkEndpoint(options.endpoint, 'az option "endpoint"');
  if (options.apiVersion !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(options.apiVersion)) {
    throw invalid(`The az option "apiVersion" must be a date such as "${DEFAULT_API_VERSION}"`);
  }
  if (options.ca !== undefined && !options.ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw invalid(
      'The az option "ca" must be the text of a PEM bundle ("-----BEGIN CERTIFICATE-----..."), not a path',
    );
  }
}

function checkKind(name: keyof AzureOptions, value: unknown): void {
  const kind = KINDS[name];
  if (kind === 'credential') {
    if (typeof value === 'function' || isCredential(value)) return;
    throw invalid(
      'The az option "credential" must be an object with getToken, or an async function of {token, expiresOnTimestamp}',
    );
  }
  const fits = typeof value === kind || (kind !== 'boolean' && typeof value === 'string');
  if (fits || (name === 'sasToken' && typeof value === 'function')) return;
  throw invalid(`The az option "${name}" must be a ${kind}; given: a ${typeof value}`);
}

function isCredential(value: unknown): value is AzureTokenCredential {
  return (
    typeof value === 'object' && value !== null && 'getToken' in value && typeof value.getToken === 'function'
  );
}

/** @throws MillraceError InvalidArgument unless it is base64, which every key of an account is */
export function checkKey(key: string, origin: string): void {
  const bytes = Buffer.from(key, 'base64');
  if (key !== '' && bytes.toString('base64') === key) return;
  throw invalid(
    `The ${origin} is not an account's key: expected base64 text as the portal shows it, of 88 characters`,
  );
}

/**
 * The query of a shared access signature without its question mark.
 * @throws MillraceError InvalidArgument when it cannot be one
 */
export function checkSas(token: string, origin: string): string {
  const plain = token.startsWith('?') ? token.slice(1) : token;
  if (/^[\w%&=.~+\-/:,;$()!*'@]+$/.test(plain) && /(?:^|&)sig=[^&]+/.test(plain)) return plain;
  throw invalid(
    `The ${origin} is not a shared access signature: expected the query of a signed URL, percent-encoded, with "sig=" in it ("sv=...&sig=...")`,
  );
}

/** @throws MillraceError InvalidArgument unless the text is a plain http or https URL */
export function checkEndpoint(text: string, origin: string): URL {
  const expected =
    'expected a URL without credentials, query or fragment, such as "http://127.0.0.1:10000/devstoreaccount1"';
  let url: URL;
  try {
    // The conversion of what is no text could throw anything.
    url = new URL(typeof text === 'string' ? text : '');
  } catch {
    throw invalid(`The ${origin} is not a URL; ${expected}`);
  }
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  // The URL itself is not repeated: it may hold a signature.
  if (!plain || !/^https?:$/.test(url.protocol)) throw invalid(`The ${origin} cannot be used; ${expected}`);
  return url;
}
