/** The official client of Azure Blob Storage, and a signer written for the tests alone, against an origin. */
import { createHmac } from 'node:crypto';
import { type AnonymousCredential, BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { Origin } from '../../../dist/testing/index.js';
import { rawClient, type Seen } from './raw.kit.js';

export const credentialOf = ({ account }: Origin): StorageSharedKeyCredential =>
  new StorageSharedKeyCredential(account.name, account.key);

/** One that does not retry: a test sees what came. */
export function clientOf(
  origin: Origin,
  credential: StorageSharedKeyCredential | AnonymousCredential = credentialOf(origin),
): BlobServiceClient {
  const options = { retryOptions: { maxTries: 1 } };
  return new BlobServiceClient(`${origin.url}/${origin.account.name}`, credential, options);
}

export interface Asked {
  readonly method?: string;
  /** After the account: container, blob and query, encoded. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

export const VERSION = '2024-11-04';

/** The text of a request for `/account/path` as it goes over the wire. */
export function requestText(
  origin: Origin,
  { method = 'GET', path, headers = {}, body = '' }: Asked,
): string {
  const text = Buffer.from(body).toString('latin1');
  const lines = Object.entries({ 'Content-Length': String(text.length), Connection: 'close', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} /${origin.account.name}/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\n${text}`;
}

export async function ask(origin: Origin, asked: Asked): Promise<Seen> {
  const client = rawClient(origin.port);
  client.send(requestText(origin, asked));
  return client.ended();
}

/** Headers of a Shared Key signature over a plain GET or HEAD, by the letter of the specification. */
export function signedHeaders(
  { account }: Origin,
  { method = 'GET', path, headers = {} }: Asked,
  dateMs: number,
): Record<string, string> {
  const ms: Record<string, string> = {
    ...headers,
    'x-ms-date': new Date(dateMs).toUTCString(),
    'x-ms-version': VERSION,
  };
  const canonical = Object.keys(ms)
    .filter((name) => name.startsWith('x-ms-'))
    .toSorted()
    .map((name) => `${name}:${ms[name]}\n`)
    .join('');
  const [resource = '', query = ''] = path.split('?');
  const params = [...new URLSearchParams(query)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `\n${name}:${value}`);
  const text = `${method}\n\n\n\n\n\n\n\n\n\n\n${headers['Range'] ?? ''}\n${canonical}/${account.name}/${account.name}/${resource}${params.join('')}`;
  const signature = createHmac('sha256', Buffer.from(account.key, 'base64')).update(text).digest('base64');
  return { ...ms, Authorization: `SharedKey ${account.name}:${signature}` };
}
