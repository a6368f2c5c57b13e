/**
 * Azurite 3.35.0, Microsoft's Azure Blob Storage for tests, over memory, on a free port of 127.0.0.1, in 0.5 to 2 s.
 *
 * Good for: shared key, SAS and (over https) tokens, and wrong or expired ones refused; `If-Match` and `If-None-Match`
 * of reads, Put Blob, Put Block List, Copy Blob and Delete (412, and 409 BlobAlreadyExists where `*` meets a blob);
 * ranges with Content-MD5; a wrong Content-MD5 of Put Blob and Put Block refused (400); Put Block, Put
 * Block List, Get Block List, `include=uncommittedblobs` and `startFrom` of listings; append blobs, leases, snapshots;
 * batches of
 * deletes; Copy Blob within the account, at once.
 *
 * What it gets wrong, and no test may assert on:
 * 1. A range that begins right at the end of a blob is 206, empty, `bytes 10-9/10`; one that begins later is 416, as both
 *    should be.
 * 2. A wrong key, a wrong or expired SAS and no credentials at all are 403 AuthorizationFailure (the service says
 *    AuthenticationFailed). A date an hour off and an unknown `x-ms-version` are taken.
 * 3. A wrong Content-MD5 is 400 InvalidOperation (Md5Mismatch), and that of a Put Block List is not looked at.
 * 4. `x-ms-content-crc64` and `x-ms-range-get-content-crc64` are 500 FeatureNotSupported, which a client takes for an
 *    error of the server that it may retry.
 * 5. Put Block FromURL and Put Blob FromURL are 501. The MD5 of a range of more than 4 MiB is left out in silence.
 * 6. Blocks without a commit count as a blob for `If-None-Match: *` of Put Blob (409), though not of Put Block List; and
 *    Put Blob leaves them there, to be committed over it, where the service drops them.
 * 7. Names are listed in the order of UTF-16 (U+1F600 before U+FF5E).
 * 8. It reads the claims of a token and no signature: see `azuriteToken`. One that it cannot read is refused as a scheme.
 */
export interface Azurite extends AsyncDisposable {
  /** Of the account, without a slash at its end: `http://127.0.0.1:PORT/devstoreaccount1`; https when `secure`. */
  readonly url: string;
  /** PEM, to trust; null over http. */
  readonly ca: string | null;
  readonly account: string;
  /** Base64. */
  readonly key: string;
  readonly credentials: { account: string; key: string };
  readonly connectionString: string;
  stop(): Promise<void>;
}
export interface AzuriteOptions {
  /** https with a certificate made for the run, instead of http. @default the value of `oauth` */
  secure?: boolean;
  /** Takes bearer tokens too, over https alone. @default false */
  oauth?: boolean;
}
/** Why it cannot be started here, or null when it can. */
export function azuriteAvailable(): string | null;
export function startAzurite(options?: AzuriteOptions): Promise<Azurite>;
/** A bearer token that it takes, for an hour; `lifetimeMs` below 0 makes one that is over. */
export function azuriteToken(options?: { audience?: string; lifetimeMs?: number }): string;
