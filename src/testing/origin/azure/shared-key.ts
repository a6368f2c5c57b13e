/**
 * The service's side of Shared Key, written from its specification and from the raw request, so that it shares nothing
 * with the signers that it checks.
 *
 * Source: "Authorize with Shared Key" of Microsoft's REST reference, for the Blob service, versions from 2015-02-21 on
 * (an empty Content-Length for 0; before, it was `0`).
 */
import { createHmac } from 'node:crypto';
import type { Request } from '../request.js';

const MAX_SKEW_MS = 15 * 60_000;
const EMPTY_LENGTH_SINCE = '2015-02-21';
const STANDARD_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
];

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Both the key and what is returned are base64. */
export const sign = (key: string, text: string): string =>
  createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'utf8').digest('base64');

function standardValue(request: Request, version: string, name: string): string {
  const value = request.headers.get(name) ?? '';
  if (name === 'content-length' && value === '0' && version >= EMPTY_LENGTH_SINCE) return '';
  // A date in x-ms-date takes the place of the Date header.
  if (name === 'date' && request.headers.has('x-ms-date')) return '';
  return value;
}

function canonicalHeaders(request: Request): string {
  const headers = [...request.headers].filter(([name]) => name.startsWith('x-ms-'));
  return headers
    .sort(([a], [b]) => byCodeUnits(a, b))
    .map(([name, value]) => `${name}:${value.trim().replace(/\s*\r?\n\s+/g, ' ')}\n`)
    .join('');
}

/** The path stays as it came; names of parameters in lower case, sorted, and so the values of each. */
function canonicalResource(request: Request, account: string): string {
  const values = new Map<string, string[]>();
  for (const [name, value] of request.query) {
    const lower = name.toLowerCase();
    values.set(lower, [...(values.get(lower) ?? []), value]);
  }
  const lines = [...values]
    .sort(([a], [b]) => byCodeUnits(a, b))
    .map(([name, all]) => `\n${name}:${all.sort(byCodeUnits).join(',')}`);
  return `/${account}${request.rawPath}${lines.join('')}`;
}

export function stringToSign(request: Request, account: string): string {
  const version = request.headers.get('x-ms-version') ?? '';
  return [
    request.method,
    ...STANDARD_HEADERS.map((name) => standardValue(request, version, name)),
    canonicalHeaders(request) + canonicalResource(request, account),
  ].join('\n');
}

/**
 * Why a signed request is refused, as the detail of AuthenticationFailed, or null when its signature holds. `given` is the
 * value of Authorization after the scheme; `accounts` are keys (base64) by name; `account` is that of the path.
 */
export function refusalOfSharedKey(
  request: Request,
  given: string,
  accounts: ReadonlyMap<string, string>,
  account: string,
  nowMs: number,
): string | null {
  const colon = given.indexOf(':');
  const name = given.slice(0, Math.max(colon, 0));
  const key = accounts.get(name);
  if (colon < 0 || key === undefined || name !== account)
    return `The Authorization header names no account that this is: '${name}'`;
  const date = request.headers.get('x-ms-date') ?? request.headers.get('date') ?? '';
  const atMs = Date.parse(date);
  if (Number.isNaN(atMs)) return 'The Date header in the request is incorrect.';
  if (Math.abs(nowMs - atMs) > MAX_SKEW_MS) return `Request date header too old: '${date}'`;
  const text = stringToSign(request, account);
  const wanted = sign(key, text);
  const signature = given.slice(colon + 1);
  return wanted === signature
    ? null
    : `The MAC signature found in the HTTP request '${signature}' is not the same as any computed signature. Server used following string to sign: '${text}'.`;
}
