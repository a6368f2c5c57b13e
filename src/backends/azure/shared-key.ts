/**
 * Shared Key signatures of the Blob service, in the `Authorization` header.
 *
 * Invariants:
 * 1. The signed headers are exactly those that are sent; what is on the wire of the path is what is signed.
 * 2. The key is padded once, the date's text made once per second: what is left per request is one HMAC.
 *
 * Source of the rules: "Authorize with Shared Key" in the Azure Storage REST reference (version 2015-02-21 and later:
 * the length of an empty body is an empty text).
 */
import { hmacUnder } from '../http/hmac.js';

/** The parts of a request that differ from one to the next, and that its signature covers. */
export interface SignedParts {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Percent-encoded path, the base path included. */
  readonly path: string;
  /** The query as it is signed: a line `\nname:value` for each parameter, sorted by name, decoded. */
  readonly query: string;
  /** Bytes of the body; 0 for none. */
  readonly bodyBytes: number;
  /** Base64, or null. */
  readonly contentMd5: string | null;
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
  /** Value of the Range header, or null. */
  readonly range: string | null;
  /** Names and values in turn of `x-ms-` headers that sort before `x-ms-date`, sorted. */
  readonly before: readonly string[];
  /** The same for those between `x-ms-date` and `x-ms-version`. */
  readonly between: readonly string[];
}

export interface Signer {
  /** Value of the Authorization header for a request of `nowMs`. */
  sign(parts: SignedParts, nowMs: number): string;
  /** Value of the `x-ms-date` header that goes with the last signature. */
  readonly date: string;
}

export function createSigner(account: string, key: string, apiVersion: string): Signer {
  const hmac = hmacUnder(Buffer.from(key, 'base64'), 'base64');
  const authorizationHead = `SharedKey ${account}:`;
  const versionText = `x-ms-version:${apiVersion}\n/${account}`;
  let second = Number.NaN;
  let date = '';
  let dateText = '';
  return {
    get date() {
      return date;
    },
    sign(parts, nowMs) {
      const now = Math.floor(nowMs / 1000);
      if (now !== second) {
        second = now;
        date = new Date(nowMs).toUTCString();
        dateText = `x-ms-date:${date}\n`;
      }
      const { bodyBytes, contentMd5, ifMatch, ifNoneMatch, range, before, between } = parts;
      const text =
        `${parts.method}\n\n\n${bodyBytes === 0 ? '' : bodyBytes}\n${contentMd5 ?? ''}\n\n\n\n${ifMatch ?? ''}\n${ifNoneMatch ?? ''}\n\n` +
        `${range ?? ''}\n${lines(before)}${dateText}${lines(between)}${versionText}${parts.path}${parts.query}`;
      return authorizationHead + hmac(text);
    },
  };
}

function lines(headers: readonly string[]): string {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}:${headers[i + 1]!.trim()}\n`;
  return text;
}
