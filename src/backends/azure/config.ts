/**
 * What the service thread tells the workers about one container: everything that signing and addressing need, cloneable,
 * with no reference to the SDK.
 */
import type { Origin } from '../../protocol/http.js';
import type { BodyChecksum } from './checksums.js';

/** How requests are authorized. Never part of a message, an error or a log. */
export type AzureAuth =
  /** The account's key, base64: each request is signed with it. */
  | { readonly kind: 'key'; readonly key: string }
  /** A shared access signature: a query, without its question mark; `renewable` where a function gave it. */
  | { readonly kind: 'sas'; readonly token: string; readonly renewable: boolean }
  /** An access token of Microsoft Entra ID. */
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'anonymous' };

/** The `config` of an az store's snapshot. */
export interface AzureDataConfig {
  /** `az://account/container`. */
  readonly store: string;
  readonly account: string;
  readonly container: string;
  readonly origin: Origin;
  /** What comes before the container's slash in a path: empty, or `/account` at an emulator. */
  readonly basePath: string;
  /** `Host` as it goes on the wire: with the port, unless it is the protocol's own. */
  readonly hostHeader: string;
  readonly apiVersion: string;
  readonly bodyChecksum: BodyChecksum;
  readonly auth: AzureAuth;
  /** Whether blobs may be stored with a Content-Encoding. */
  readonly allowContentEncoding: boolean;
}
