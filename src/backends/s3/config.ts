/**
 * What the service thread tells the workers about one bucket: everything that signing and addressing need, cloneable,
 * with no reference to the SDK.
 */
import type { Origin } from '../../protocol/http.js';

/** A resolved key pair. Never part of a message, an error or a log. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Present for temporary credentials. */
  readonly sessionToken?: string | undefined;
}

/** The `config` of an S3 store's snapshot. */
export interface S3DataConfig {
  readonly bucket: string;
  readonly origin: Origin;
  /** Percent-encoded path before the key's slash: empty for virtual-hosted style, `/bucket` for path style. */
  readonly pathPrefix: string;
  /** `Host` as it goes on the wire: with the port, unless it is the protocol's own. */
  readonly hostHeader: string;
  /** Region of the credential scope. */
  readonly region: string;
  /** Service of the credential scope: `s3`, or what an access point's endpoint rules say. */
  readonly service: string;
  /** Null for anonymous requests, which are not signed. */
  readonly credentials: S3Credentials | null;
  /** Whether their source may give others when these are refused; not for what the options or variables hold. */
  readonly renewable: boolean;
  /** Account id that the bucket must belong to, or null. */
  readonly expectedBucketOwner: string | null;
  /** Whether the requests accept that the requester pays. */
  readonly requesterPays: boolean;
  /** Whether objects may be stored with a Content-Encoding. */
  readonly allowContentEncoding: boolean;
}
