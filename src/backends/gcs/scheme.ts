/** The `gs://` scheme: how its URIs read, its defaults with their reasons, and where its two halves are. */
import type { Scheme, SchemeDefaults } from '../../protocol/store.js';
import type { WriteLimits } from '../../protocol/writes.js';
import { openGcsControl } from './control.js';
import { isEmulated, type Env } from './endpoint.js';
import { checkOptions, type GcsOptions } from './options.js';
import { formatUri, parseUri } from './uri.js';
import { WRITE_LIMITS } from './writes.js';

const MIB = 1024 * 1024;

const DEFAULTS: SchemeDefaults = {
  // A connection carries 50 to 100 MB/s: below this size a second one costs more than the tenth of a second it could save.
  splitThreshold: 8 * MIB,
  // Large enough that the 20 to 100 ms before a first byte are a small part of a part's time, small enough that a lost
  // connection costs little.
  partBytes: 8 * MIB,
  // At 50 to 100 MB/s each, this many parts fill a link of 10 to 25 Gbit/s; more would only queue behind it.
  maxPartsPerObject: 32,
  // Every object has a CRC-32C, which combines from those of its parts.
  checksums: true,
  // Single requests take many times as long as the others: Google's own clients stall-time them out and send them again.
  hedge: true,
};

/** Emulators take no parts: whatever fits in memory goes by one request. */
const EMULATED: WriteLimits = { ...WRITE_LIMITS, multipartThreshold: Infinity };

/**
 * The scheme for Google Cloud Storage and its emulators.
 *
 * `parse('gs://bucket/key')` takes the key literally. `open` loads `@google-cloud/storage`, an optional peer, where
 * credentials are to be found by it.
 *
 * @throws `InvalidArgument` when an option is not known or cannot work.
 */
export function createGcsScheme(options: GcsOptions = {}, env: Env = process.env): Scheme {
  checkOptions(options);
  const own: GcsOptions = { ...options };
  return {
    name: 'gs',
    defaults: DEFAULTS,
    writes: isEmulated(own, env) ? EMULATED : WRITE_LIMITS,
    parse: parseUri,
    format: formatUri,
    open: (store) => openGcsControl(store, own),
    dataModule: new URL('./data.js', import.meta.url).href,
    kind: 'http',
  };
}

export type { GcsAccessToken, GcsHmacKey, GcsOptions, GcsServiceAccount } from './options.js';
