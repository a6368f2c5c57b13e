/** The `az://` scheme: how its URIs read, its defaults with their reasons, and where its two halves are. */
import type { Scheme, SchemeDefaults } from '../../protocol/store.js';
import type { WriteLimits } from '../../protocol/writes.js';
import { openAzureControl } from './control.js';
import { checkOptions, type AzureOptions } from './options.js';
import { claimedUrl, formatUri, parseUri } from './uri.js';

const MIB = 1024 * 1024;

const DEFAULTS: SchemeDefaults = {
  // A connection carries some 60 MB/s, the service's own limit for one blob over one being far above it: below this size a
  // second one costs more than it saves. The SDKs download by blocks of 4 MiB.
  splitThreshold: 8 * MIB,
  // The longest range that the service gives a checksum of, and what the SDKs download by: each part is verified by itself.
  partBytes: 4 * MIB,
  // At 60 MB/s each, this many parts fill a link of 10 to 25 Gbit/s; more would only queue behind it.
  maxPartsPerObject: 32,
  // A partition that is moved, or a connection that has lost a packet, holds up single requests for seconds; others pass.
  hedge: true,
};

/** Source of the limits: "Scalability and performance targets for Blob storage" and "Put Block" (2019-12-12 and later). */
const WRITES: WriteLimits = {
  // One request takes 5,000 MiB, but one that is lost is sent again as a whole; half a second at 60 MB/s.
  multipartThreshold: 32 * MIB,
  // The service stores blocks of more than 4 MiB in the way that has no limit on one blob's ingest ("high-throughput").
  partBytes: 8 * MIB,
  partAlignment: 1,
  maxPartBytes: 4000 * MIB,
  maxParts: 50_000,
  maxObjectBytes: 50_000 * 4000 * MIB,
  deletesPerRequest: 1,
};

/**
 * The scheme for Azure Blob Storage and its emulator.
 *
 * `parse('az://account/container/key')` takes the key literally; `https://ACCOUNT.blob.core.windows.net/container/key` is a
 * URL of the same blob, percent-encoded. `open` loads `@azure/identity`, an optional peer, when no key, signature or
 * credential is given.
 *
 * @throws `InvalidArgument` when an option is not known or cannot work.
 */
export function createAzureScheme(options: AzureOptions = {}): Scheme {
  checkOptions(options);
  const own: AzureOptions = { ...options };
  return {
    name: 'az',
    defaults: DEFAULTS,
    writes: WRITES,
    parse: parseUri,
    format: formatUri,
    claims: claimedUrl,
    open: (store) => openAzureControl(store, own),
    dataModule: new URL('./data.js', import.meta.url).href,
    kind: 'http',
  };
}

export type { AzureAccessToken, AzureOptions, AzureTokenCredential } from './options.js';
