/** Ceph's radosgw over an in-memory store, on free ports of 127.0.0.1. Bytes are path-style: `url/bucket/key`. */
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
