/**
 * What an origin is started with: objects, the policy of the service, and who may come.
 */

/** What a service keeps beside the bytes of an object, and says of it. */
export interface ObjectAttributes {
  contentType?: string | undefined;
  /** gcs alone. */
  contentEncoding?: string | undefined;
  /** gcs alone. */
  cacheControl?: string | undefined;
  /** By name: with its `x-amz-meta-` (s3), without any prefix (azure, gcs). */
  metadata?: Readonly<Record<string, string>> | undefined;
}

/** An object with a key of its own. */
export interface ExplicitEntry {
  /** Or the container (azure). */
  readonly bucket: string;
  readonly key: string;
  /** Of an object without a body, whose bytes are `patternBytes(objectIdOf(key), size)`. @default 0 */
  readonly size?: number;
  /** Its bytes, until it is overwritten; a string is UTF-8. */
  readonly body?: Uint8Array | string;
  readonly attributes?: ObjectAttributes;
}

/**
 * A family of objects that takes no memory, be it a million: keys are `prefix [folder/] number suffix` with numbers from 0,
 * zero-padded to one width, and bytes as those of an `ExplicitEntry` without a body.
 */
export interface GeneratedEntry {
  readonly bucket: string;
  readonly prefix: string;
  readonly count: number;
  /** In bytes, taken in turn. */
  readonly sizes: readonly number[];
  readonly suffix?: string;
  /** Keys per folder; folders are numbered too. @default no folders */
  readonly perFolder?: number;
}

/** A key pair that may sign (s3; the XML API of gcs). */
export interface OriginCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** What requests have to bring along. @default none */
  readonly sessionToken?: string;
  /** Answered as expired. @default false */
  readonly expired?: boolean;
}

/** A storage account (azure). */
export interface OriginAccount {
  readonly name: string;
  /** Base64. */
  readonly key: string;
}

/** A bearer token (azure, gcs). */
export interface OriginToken {
  readonly token: string;
  /** On the server's clock, in ms since 1970. @default it does not end by itself */
  readonly expiresAtMs?: number;
  /** Answered as expired. @default false */
  readonly expired?: boolean;
}

/** A service account whose assertions the token endpoint accepts (gcs). */
export interface OriginServiceAccount {
  readonly clientEmail: string;
  /** PEM. */
  readonly publicKey: string;
  readonly privateKeyId?: string;
}

/** What a refresh token of an authorized user is for (gcs). */
export interface OriginRefreshToken {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
}

/** What only Cloud Storage has. */
export interface GcsPolicy {
  /** Who gets tokens for a signed assertion. @default none */
  readonly serviceAccounts?: readonly OriginServiceAccount[];
  /** Who gets tokens for a refresh token. @default none */
  readonly refreshTokens?: readonly OriginRefreshToken[];
  /** Of tokens that are issued here. @default 3,599 */
  readonly tokenLifetimeSeconds?: number;
  /** Whether there is one. @default true */
  readonly metadataServer?: boolean;
  /** Buckets that need a project to be billed. */
  readonly requesterPays?: readonly string[];
  /** Buckets that keep what is overwritten or deleted. */
  readonly versionedBuckets?: readonly string[];
  /** Added to generations, as text; `9007199254740992` takes them beyond what a number holds. @default 0 */
  readonly generationOffset?: string;
}

/** What the service allows; `configure()` changes it while it runs. */
export interface OriginPolicy extends GcsPolicy {
  /** Who may sign (s3; gcs: the HMAC keys of the XML API). @default `DEFAULT_CREDENTIALS` alone */
  readonly credentials?: readonly OriginCredentials[];
  /** Whose keys sign, and what the first segment of a path may be (azure). @default `DEFAULT_ACCOUNT` alone */
  readonly accounts?: readonly OriginAccount[];
  /** Whether the account lets containers be public (azure). @default true */
  readonly publicAccess?: boolean;
  /** Whether blobs keep their versions (azure). @default false */
  readonly versioning?: boolean;
  /** Who may come with a bearer token (azure, gcs). @default none */
  readonly tokens?: readonly OriginToken[];
  /** The region that signatures must name (s3). @default `us-east-1` */
  readonly region?: string;
  /** What each part of an upload but the last must have (s3, the XML API of gcs). @default 5 MiB, as the service has it */
  readonly minPartBytes?: number;
  /** Buckets that anonymous requests may use; in azure and gcs they may only read them. */
  readonly publicBuckets?: readonly string[];
  /** Keys (and listed prefixes) that answer 403; a string is a regular expression too. */
  readonly forbidden?: ReadonlyArray<RegExp | string>;
  /** Added to the server's clock: Date, skew, expiry of tokens and presigned URLs. @default 0 */
  readonly clockOffsetMs?: number;
}

export type DialectName = 's3' | 'azure' | 'gcs';

export interface OriginOptions extends OriginPolicy {
  /** Which service it is. @default `s3` */
  readonly dialect?: DialectName;
  /** What is there at the start. Their buckets exist; clients may write more. */
  readonly objects?: ReadonlyArray<ExplicitEntry | GeneratedEntry>;
  /** Buckets that exist though nothing is in them. */
  readonly buckets?: readonly string[];
  /** HTTPS, with a certificate for 127.0.0.1 and localhost that the `openssl` program makes. @default false */
  readonly secure?: boolean;
  /** @default 0: any free one */
  readonly port?: number;
  /** Requests that the log holds; older ones fall out, and are counted. @default 20,000 */
  readonly logLimit?: number;
}
