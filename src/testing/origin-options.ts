/**
 * What an origin may be started and configured with, checked before it is told: an unknown name or a value out of its bounds
 * is an error, not an origin other than the one that was meant.
 */
import { flag, invalidOption, whole } from '../loader/schema.js';
import * as is from './origin-checks.js';
import type {
  DialectName,
  ExplicitEntry,
  GcsPolicy,
  GeneratedEntry,
  ObjectAttributes,
  OriginAccount,
  OriginCredentials,
  OriginOptions,
  OriginPolicy,
  OriginRefreshToken,
  OriginServiceAccount,
  OriginToken,
} from './origin/options.js';

const DIALECTS: Readonly<Record<DialectName, true>> = { s3: true, azure: true, gcs: true };
const MAX_PORT = 65_535;
/** Any time that a Date may have. */
const MAX_DATE_MS = 8.64e15;

const attributes = is.shape<ObjectAttributes>({
  contentType: is.text,
  contentEncoding: is.text,
  cacheControl: is.text,
  metadata: is.record('texts', is.isText),
});

const explicit = is.shape<ExplicitEntry>(
  { bucket: is.name, key: is.name, size: whole(0), body: is.bytes, attributes },
  'bucket',
  'key',
);

const family: is.Names<GeneratedEntry> = {
  bucket: is.name,
  prefix: is.text,
  count: whole(0),
  sizes: is.listOf(whole(0), 1),
  suffix: is.text,
  perFolder: whole(0),
};
const generated = is.shape(family, 'bucket', 'prefix', 'count', 'sizes');
const OF_FAMILIES = Object.keys(family).filter((name) => name !== 'bucket');

/** An entry with any name that families alone have is one: what it lacks is then told by its own names. */
const entry: is.Check = (given, at) => {
  if (typeof given !== 'object' || given === null) throw invalidOption(at, 'an object', given);
  if (OF_FAMILIES.some((name) => name in given)) return generated(given, at);
  explicit(given, at);
  const { size, body } = given as Partial<ExplicitEntry>;
  if (size !== undefined && body !== undefined)
    throw is.refusal(`${at}: expected a size or a body, which has its own; given both`);
};

const gcs: is.Names<GcsPolicy> = {
  serviceAccounts: is.listOf(
    is.shape<OriginServiceAccount>(
      { clientEmail: is.name, publicKey: is.name, privateKeyId: is.text },
      'clientEmail',
      'publicKey',
    ),
  ),
  refreshTokens: is.listOf(
    is.shape<OriginRefreshToken>(
      { clientId: is.name, clientSecret: is.name, refreshToken: is.name },
      'clientId',
      'clientSecret',
      'refreshToken',
    ),
  ),
  tokenLifetimeSeconds: whole(0),
  metadataServer: flag,
  requesterPays: is.names,
  versionedBuckets: is.names,
  generationOffset: is.fits(
    'a whole number as a text, such as "9007199254740992"',
    (given) => is.isText(given) && /^\d{1,18}$/.test(given),
  ),
};

const policy: is.Names<OriginPolicy> = {
  ...gcs,
  credentials: is.listOf(
    is.shape<OriginCredentials>(
      { accessKeyId: is.name, secretAccessKey: is.name, sessionToken: is.text, expired: flag },
      'accessKeyId',
      'secretAccessKey',
    ),
  ),
  accounts: is.listOf(is.shape<OriginAccount>({ name: is.name, key: is.name }, 'name', 'key')),
  publicAccess: flag,
  versioning: flag,
  tokens: is.listOf(
    is.shape<OriginToken>(
      { token: is.name, expiresAtMs: is.numberIn(-MAX_DATE_MS, MAX_DATE_MS), expired: flag },
      'token',
    ),
  ),
  region: is.name,
  minPartBytes: whole(0),
  publicBuckets: is.names,
  forbidden: is.listOf(is.pattern),
  clockOffsetMs: is.numberIn(-MAX_DATE_MS, MAX_DATE_MS),
};

const options = is.shape<OriginOptions>({
  ...policy,
  dialect: is.wordOf(DIALECTS),
  objects: is.listOf(entry),
  buckets: is.names,
  secure: flag,
  port: whole(0, MAX_PORT),
  logLimit: whole(0),
});
const changes = is.shape(policy);

/** What not every service has, and whose it is. */
const SERVICES: Partial<Record<string, readonly DialectName[]>> = {
  credentials: ['s3', 'gcs'],
  minPartBytes: ['s3', 'gcs'],
  region: ['s3'],
  accounts: ['azure'],
  publicAccess: ['azure'],
  versioning: ['azure'],
  tokens: ['azure', 'gcs'],
  ...Object.fromEntries(Object.keys(gcs).map((name) => [name, ['gcs']])),
};

/** An option that the service does not have would do nothing. */
function checkServices(given: OriginPolicy, dialect: DialectName, at: string): void {
  for (const [name, value] of Object.entries(given)) {
    const services = SERVICES[name];
    if (value !== undefined && services?.includes(dialect) === false)
      throw is.refusal(`${at}.${name}: is an option of ${services.join(' and ')}; the dialect is ${dialect}`);
  }
}

/** @throws MillraceError InvalidArgument naming the nearest known option, the bounds of a value, or whose option it is */
export function checkOptions(given: OriginOptions): void {
  options(given, 'origin: options');
  checkServices(given, given.dialect ?? 's3', 'origin: options');
}

/** The same of what `configure` is given. @throws MillraceError InvalidArgument */
export function checkPolicy(given: OriginPolicy, dialect: DialectName): void {
  changes(given, 'origin: policy');
  checkServices(given, dialect, 'origin: policy');
}
