/**
 * The options of the gs scheme, and their checks: an option that is not known or cannot work is refused before
 * anything is loaded or sent.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { suggestion } from '../../protocol/nearest.js';

/** Key of a service account, as in the JSON file that the console gives. */
export interface GcsServiceAccount {
  readonly client_email: string;
  readonly private_key: string;
}

/** What a credentials function gives. */
export interface GcsAccessToken {
  /** An OAuth 2.0 access token with a scope that allows what is asked. */
  readonly accessToken: string;
  /** When it stops being accepted; absent where not known. */
  readonly expiration?: Date | undefined;
}

export interface GcsHmacKey {
  readonly accessId: string;
  readonly secret: string;
}

export interface GcsOptions {
  /**
   * Key of a service account, or a function that resolves access tokens; it is asked again before `expiration`, and when
   * the service refuses its token.
   * @default application default credentials, as the SDK finds them: GOOGLE_APPLICATION_CREDENTIALS, those of gcloud,
   * the metadata server
   */
  readonly credentials?: GcsServiceAccount | (() => Promise<GcsAccessToken>) | undefined;
  /** Path of a JSON key file, for any kind of credentials that the SDK knows. @default none */
  readonly keyFilename?: string | undefined;
  /** Project of the credentials: spares the SDK looking for it. @default what the SDK finds */
  readonly projectId?: string | undefined;
  /** HMAC key to sign with, instead of tokens. @default none */
  readonly hmac?: GcsHmacKey | undefined;
  /** Ask as nobody, for public buckets; no credentials are looked for. @default false */
  readonly anonymous?: boolean | undefined;
  /** Project that is billed for the requests: buckets whose requester pays need one. @default none */
  readonly userProject?: string | undefined;
  /**
   * Base URL of the service.
   * @default STORAGE_EMULATOR_HOST, which is then asked without credentials, else https://storage.googleapis.com
   */
  readonly endpoint?: string | undefined;
  /** PEM bundle to trust instead of Node's own list. @default Node's list */
  readonly ca?: string | undefined;
  /**
   * Read objects that were stored with a `Content-Encoding` (gzip): what arrives are the bytes as they are stored, never
   * what the service would make of them. Otherwise such an object is refused.
   * @default false
   */
  readonly allowContentEncoding?: boolean | undefined;
}

export const KINDS: Readonly<Record<keyof GcsOptions, string>> = {
  credentials: 'credentials',
  keyFilename: 'string',
  projectId: 'string',
  hmac: 'hmac',
  anonymous: 'boolean',
  userProject: 'string',
  endpoint: 'string',
  ca: 'string',
  allowContentEncoding: 'boolean',
};

/** The options of which one alone says who asks. */
const WAYS = ['credentials', 'keyFilename', 'hmac', 'anonymous'] as const;

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

/** @throws MillraceError InvalidArgument for the first option that cannot work; prints no credentials */
export function checkOptions(options: GcsOptions): void {
  const names = Object.keys(KINDS);
  for (const name of Object.keys(options)) {
    if (!names.includes(name))
      throw invalid(`The gs scheme has no option "${name}"; ${suggestion(name, names)}`);
  }
  // Inherited ones too: they are read.
  for (const name of names as (keyof GcsOptions)[]) {
    const value: unknown = options[name];
    if (value !== undefined) checkKind(name, KINDS[name], value);
  }
  const ways = WAYS.filter((name) => options[name] !== undefined && options[name] !== false);
  if (ways.length > 1) {
    throw invalid(
      `The gs options ${ways.map((name) => `"${name}"`).join(' and ')} exclude each other; leave all but one out`,
    );
  }
  if (options.userProject !== undefined && !isWord(options.userProject)) {
    throw invalid('The gs option "userProject" must be a project\'s id or number, such as "my-project"');
  }
  if (options.endpoint !== undefined) checkEndpoint(options.endpoint, 'gs option "endpoint"');
  if (options.ca !== undefined && !options.ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw invalid(
      'The gs option "ca" must be the text of a PEM bundle ("-----BEGIN CERTIFICATE-----..."), not a path',
    );
  }
}

function checkKind(name: string, kind: string, value: unknown): void {
  if (kind === 'credentials') {
    if (typeof value === 'function' || isServiceAccount(value)) return;
    throw invalid(
      'The gs option "credentials" must be {client_email, private_key} with the text of a PEM key, or an async function of ' +
        '{accessToken, expiration?}',
    );
  }
  if (kind === 'hmac') {
    const { accessId, secret } = (value ?? {}) as Partial<GcsHmacKey>;
    if (isWord(accessId) && isWord(secret)) return;
    throw invalid('The gs option "hmac" must be {accessId, secret}, both text, as the console shows them');
  }
  if (typeof value !== kind) {
    throw invalid(`The gs option "${name}" must be a ${kind}; given: a ${typeof value}`);
  }
}

/** A visible-ASCII text: what can stand in a header. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value);
}

function isServiceAccount(value: unknown): value is GcsServiceAccount {
  const { client_email, private_key } = (
    typeof value === 'object' && value !== null ? value : {}
  ) as Partial<GcsServiceAccount>;
  return isWord(client_email) && typeof private_key === 'string' && private_key.includes('PRIVATE KEY-----');
}

/** Copies the fields of a token out of any object, or null when it is none. */
export function asAccessToken(value: unknown): GcsAccessToken | null {
  if (typeof value !== 'object' || value === null) return null;
  const { accessToken, expiration } = value as Record<string, unknown>;
  if (!isWord(accessToken)) return null;
  if (expiration === undefined) return { accessToken };
  const isDate = expiration instanceof Date && !Number.isNaN(expiration.getTime());
  return isDate ? { accessToken, expiration } : null;
}

/** @throws MillraceError InvalidArgument unless the text is a plain http or https URL */
export function checkEndpoint(text: string, origin: string): URL {
  const expected =
    'expected a URL without credentials, query or fragment, such as "https://storage.example.com"';
  let url: URL;
  try {
    // The conversion of what is no text could throw anything.
    url = new URL(typeof text === 'string' ? text : '');
  } catch {
    throw invalid(`The ${origin} is not a URL; ${expected}`);
  }
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  // The URL itself is not repeated: it may hold a password.
  if (!plain || !/^https?:$/.test(url.protocol)) throw invalid(`The ${origin} cannot be used; ${expected}`);
  return url;
}
