/**
 * What an origin is started with: objects, the policy of the service, and who may come.
 */

/** What a service keeps beside the bytes of an object, and says of it; `contentEncoding` and `cacheControl` are gcs's alone. */
export interface ObjectAttributes {
  contentType?: string | undefined;
  contentEncoding?: string | undefined;
  cacheControl?: string | undefined;
  metadata?: Readonly<Record<string, string>> | undefined;
}
/** A key on its own; without a body it has the pattern of `objectIdOf(key, generation)`. */
export interface ExplicitEntry {
  bucket: string;
  key: string;
  size?: number;
  body?: Uint8Array | string;
  /** What the service keeps beside the bytes. */
  attributes?: ObjectAttributes;
}

/** `count` keys `prefix [folder/] number suffix`, numbers zero-padded to one width; sizes are taken in turn. */
export interface GeneratedEntry {
  bucket: string;
  prefix: string;
  count: number;
  sizes: number[];
  suffix?: string;
  /** Keys per folder; folders are numbered too. Absent: no folders. */
  perFolder?: number;
}
export interface OriginCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expired?: boolean;
}
/** A storage account (azure). */
export interface OriginAccount {
  name: string;
  /** Base64. */
  key: string;
}
/** A bearer token (azure, gcs). */
export interface OriginToken {
  token: string;
  /** On the server's clock. Absent: it does not end by itself. */
  expiresAtMs?: number;
  expired?: boolean;
}
/** A service account whose assertions the token endpoint accepts (gcs). */
export interface OriginServiceAccount {
  clientEmail: string;
  /** PEM. */
  publicKey: string;
  privateKeyId?: string;
}
/** What a refresh token of an authorized user is for (gcs). */
export interface OriginRefreshToken {
  clientId: string;
  clientSecret: string;
  refreshToken: string;
}
/** What only Cloud Storage has. */
export interface GcsPolicy {
  serviceAccounts?: OriginServiceAccount[];
  refreshTokens?: OriginRefreshToken[];
  /** Of tokens that are issued here. Default 3,599. */
  tokenLifetimeSeconds?: number;
  /** Whether there is one. Default true. */
  metadataServer?: boolean;
  /** Buckets that need a project to be billed. */
  requesterPays?: string[];
  /** Buckets that keep what is overwritten or deleted. */
  versionedBuckets?: string[];
  /** Added to generations, as text; `9007199254740992` takes them beyond what a number holds. Default 0. */
  generationOffset?: string;
}
export interface OriginPolicy extends GcsPolicy {
  /** Who may sign (s3; gcs: the HMAC keys of the XML API). Default: `DEFAULT_CREDENTIALS` alone. */
  credentials?: OriginCredentials[];
  /** Whose keys sign, and what the first segment of a path may be (azure). Default: `DEFAULT_ACCOUNT` alone. */
  accounts?: OriginAccount[];
  /** Whether the account lets containers be public (azure). Default true. */
  publicAccess?: boolean;
  /** Whether blobs keep their versions (azure). Default false. */
  versioning?: boolean;
  /** Who may come with a bearer token (azure, gcs). Default: none. */
  tokens?: OriginToken[];
  /** The region that signatures must name (s3). Default `us-east-1`. */
  region?: string;
  /** What each part of an upload but the last must have (s3, the XML API of gcs). Default 5 MiB, as the service has it. */
  minPartBytes?: number;
  /** Buckets that anonymous requests may use; in gcs they may only read them. */
  publicBuckets?: string[];
  /** Keys (and listed prefixes) that answer 403. */
  forbidden?: (RegExp | string)[];
  /** Added to the server's clock: Date, skew, expiry of presigned URLs. */
  clockOffsetMs?: number;
}
export type DialectName = 's3' | 'azure' | 'gcs';
export interface OriginOptions extends OriginPolicy {
  /** Which service it is. Default `s3`. */
  dialect?: DialectName;
  objects?: (ExplicitEntry | GeneratedEntry)[];
  /** Buckets that exist though nothing is in them. */
  buckets?: string[];
  /** HTTPS with a certificate for 127.0.0.1 and localhost. */
  secure?: boolean;
  /** Default 0: any free one. */
  port?: number;
  /** Requests that the log holds. Default 20,000. */
  logLimit?: number;
}
