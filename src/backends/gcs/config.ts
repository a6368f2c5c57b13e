/** What the service thread tells the workers about one bucket: cloneable, with no reference to the SDK. */
import type { Origin } from '../../protocol/http.js';

/**
 * Who asks. HMAC keys sign requests of the XML API, the only one that takes them; all others speak the JSON API where
 * it has the request. Never part of a message, an error or a log.
 */
export type GcsAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'hmac'; readonly accessId: string; readonly secret: string };

/** The `config` of a store's snapshot. */
export interface GcsDataConfig {
  readonly bucket: string;
  readonly origin: Origin;
  /** Path of the endpoint, without a slash at its end. */
  readonly pathPrefix: string;
  /** `Host` as it goes on the wire. */
  readonly hostHeader: string;
  readonly auth: GcsAuth;
  /** Project that is billed for the requests, or null. */
  readonly userProject: string | null;
  /** Whether objects may be stored with a Content-Encoding. */
  readonly allowContentEncoding: boolean;
  /** The endpoint is an emulator: it has the JSON API alone, and no uploads in parts. */
  readonly emulated: boolean;
}
