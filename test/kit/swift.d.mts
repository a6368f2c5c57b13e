/**
 * OpenStack Swift 2.30 with its S3 API, on free ports of 127.0.0.1, in 5 to 9 s. Bytes are path-style:
 * `url/bucket/key`; names of buckets have 3 letters or more.
 *
 * Good for: a second S3 that shares no code with radosgw. SignatureDoesNotMatch, RequestTimeTooSkewed, and a wrong
 * region refused (400 AuthorizationHeaderMalformed); ranges and 416; `If-Match` and `If-None-Match` of reads, deletes
 * and copies; a wrong Content-MD5 refused (400 BadDigest); multipart with EntityTooSmall, InvalidPart, NoSuchUpload,
 * completing twice, parts by copy; `If-None-Match: *` of a completion (200, then 412); listings in the order of UTF-8;
 * versions.
 *
 * What it gets wrong, and no test may assert on:
 * 1. A PUT with any condition is 501 NotImplemented, and leaves the object as it was.
 * 2. An upload in `aws-chunked` pieces is 501 (SDKs: `requestChecksumCalculation: 'WHEN_REQUIRED'`). Other checksum
 *    headers (`x-amz-checksum-*`) are neither compared nor kept.
 * 3. `partNumber` of a GET is 405.
 * 4. DeleteObjects wants Content-MD5, which today's SDKs no longer send (400 InvalidRequest).
 * 5. An unknown access key is SignatureDoesNotMatch, like a wrong secret.
 * 6. A refused completion has the code InvalidRequest beside its 412.
 * 7. It is slow: some 60 requests a second and 80 MiB/s.
 */
export interface Swift extends AsyncDisposable {
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
  stop(): Promise<void>;
}
/** Why it cannot be started here, or null when it can. */
export function swiftAvailable(): string | null;
export function startSwift(): Promise<Swift>;
