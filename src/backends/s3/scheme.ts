/** The `s3://` scheme: how its URIs read, its defaults with their reasons, and where its two halves are. */
import type { Scheme, SchemeDefaults } from '../../protocol/store.js';
import { openS3Control } from './control.js';
import { checkOptions, type S3Options } from './options.js';
import { bucketOf, formatUri, parseUri } from './uri.js';
import { WRITE_LIMITS } from './writes.js';

const MIB = 1024 * 1024;

const DEFAULTS: SchemeDefaults = {
  // One S3 connection carries 50 to 100 MB/s: below this size a second one costs more (a request, its first-byte
  // latency) than the tenth of a second it could save.
  splitThreshold: 8 * MIB,
  // Large enough that the 20 to 100 ms before a first byte are a small part of a part's time, small enough that a
  // lost connection costs little; AWS advises 8 to 16 MB, and its own uploaders write parts of 8 MiB.
  partBytes: 8 * MIB,
  // At 50 to 100 MB/s each, this many parts fill a link of 10 to 25 Gbit/s; more would only queue behind it.
  maxPartsPerObject: 32,
  checksums: true,
  // One request in a hundred or so takes many times as long as the others, and the same one sent again does not: AWS advises
  // to time the slowest few percent out and to try them again on another connection.
  hedge: true,
};

/**
 * The scheme for S3 and servers that speak its protocol.
 *
 * `parse('s3://bucket/key')` takes the key literally: everything after the slash that ends the bucket, with no
 * percent-decoding and no query. `open` loads `@aws-sdk/client-s3`, an optional peer.
 *
 * @throws `InvalidArgument` when an option is not known or cannot work.
 */
export function createS3Scheme(options: S3Options = {}): Scheme {
  checkOptions(options);
  const { endpoints } = options;
  const own: S3Options = { ...options, ...(endpoints === undefined ? {} : { endpoints: [...endpoints] }) };
  return {
    name: 's3',
    defaults: DEFAULTS,
    parse: parseUri,
    format: formatUri,
    open: (store) => openS3Control(bucketOf(store), own),
    dataModule: new URL('./data.js', import.meta.url).href,
    kind: 'http',
    writes: WRITE_LIMITS,
  };
}

export type { S3Options } from './options.js';
