/**
 * The storage emulator of firebase-tools 15.34.2, Google's own, as a server of the JSON API of Cloud Storage on a free
 * port of 127.0.0.1, in 0.5 to 1.5 s. Clients of Google take `url` as `apiEndpoint` or as STORAGE_EMULATOR_HOST.
 *
 * Good for: reads by JSON (`/storage/v1/b/B/o/K?alt=media`, also under `/download`) and by XML paths (`/B/K`), with
 * ranges, `x-goog-generation` and `x-goog-hash`; metadata with crc32c and MD5; listings with prefix, delimiter, pages;
 * uploads `media`, `multipart` and `resumable` of one piece; delete (204, then 404); `copyTo` and `rewriteTo`, in one
 * step; PATCH of metadata.
 *
 * What it gets wrong, and no test may assert on:
 * 1. No credentials are looked at.
 * 2. Every precondition is ignored: `ifGenerationMatch` (also 0) and its like on reads, writes and deletes, `generation`,
 *    `If-Match`. A write that should be refused replaces the object.
 * 3. A range that begins at or past the end is 200 and the whole object, in place of 416.
 * 4. Checksums that come with an upload (`x-goog-hash`, `md5Hash`, `crc32c`) are not compared.
 * 5. A resumable upload in pieces does not work, and it harms: whatever is PUT first to its URL ends it, so that a status
 *    query (`Content-Range: bytes *`+`/*`) makes an empty object, and later pieces are 400. DELETE of its URL is 501.
 * 6. It holds a whole upload in memory before it answers.
 * 7. A bucket is there as soon as anybody names it, so a missing one lists as empty. GET of a bucket is 404, creation 400.
 * 8. PUT, DELETE and lists of the XML API, compose, batch, and rewriting in several steps are 501.
 * 9. `fields` and `startOffset` are ignored, so that a page has every field, and every listing begins at the start.
 * 10. Names are listed in the order of UTF-16 (U+1F600 before U+FF5E), where the service goes by UTF-8.
 * 11. The error of a missing object is plain text with `alt=media`, and JSON without.
 */
export interface GcsEmulator extends AsyncDisposable {
  /** Without a slash at its end: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly projectId: string;
  stop(): Promise<void>;
}
/** Why it cannot be started here, or null when it can. */
export function gcsEmulatorAvailable(): string | null;
export function startGcsEmulator(): Promise<GcsEmulator>;
