/**
 * Ceph's radosgw 16.2 over an in-memory store, on free ports of 127.0.0.1, in 1 to 3 s. Bytes are path-style:
 * `url/bucket/key`.
 *
 * Good for: signatures and keys refused (SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed), presigned
 * URLs, TLS; ranges and 416; `If-Match` and `If-None-Match` of reads; `If-None-Match: *` of a PUT (200, then 412); a
 * wrong Content-MD5 refused (400 BadDigest); multipart with EntityTooSmall, InvalidPart, NoSuchUpload, completing twice;
 * DeleteObjects, versions, listings in the order of UTF-8.
 *
 * What it gets wrong, and no test may assert on:
 * 1. `If-Match` of a PUT compares the entity tag without its quotes: with them, as they should be, it is always 412.
 * 2. `If-None-Match` of a completion, `If-Match` of a delete and `x-amz-copy-source-if-match` are ignored.
 * 3. An upload in `aws-chunked` pieces is 411 (SDKs: `requestChecksumCalculation: 'WHEN_REQUIRED'`). Other checksum
 *    headers (`x-amz-checksum-*`) are neither compared nor kept.
 * 4. `partNumber` of a GET is ignored: the answer is the whole object.
 * 5. Any region is taken, and a bucket may be created twice.
 * 6. The entity tag in the answer to a copy or a repeated completion has no quotes, and that of a first completion is
 *    empty: HEAD tells it.
 */
export interface Radosgw extends AsyncDisposable {
  /** Plain HTTP. */
  readonly url: string;
  /** The same server over TLS; trust `ca`. */
  readonly secureUrl: string;
  /** PEM. */
  readonly ca: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
  stop(): Promise<void>;
}
/** Why it cannot be started here, or null when it can. */
export function radosgwAvailable(): string | null;
/** `ports` are those of the first attempt: monitor (two), HTTP, HTTPS; taken ones are tried again with free ones. */
export function startRadosgw(options?: { ports?: number[] }): Promise<Radosgw>;
