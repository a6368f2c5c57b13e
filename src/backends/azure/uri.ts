/**
 * How `az://account/container/key` reads, and the https form of the same.
 *
 * In the az form the key is literal: keys may hold `%`, `+`, `?`, `#` and spaces, and a URI that decoded them could not
 * name every blob. The https form is a URL: its path is percent-encoded.
 *
 * Invariants:
 * 1. `parseUri(formatUri(location))` gives the same location back, whatever characters the key holds.
 * 2. One container has one store name, in whichever form it was written.
 * 3. A shared access signature is never taken for part of a key, and never repeated; nor is any query of the https form.
 * 4. A URI of the container that came last is read by a shorter way, which gives exactly what the long one does.
 *
 * Source of the names: "Naming and Referencing Containers, Blobs, and Metadata" in the Blob service REST reference.
 */
import { isUtf8 } from 'node:buffer';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { shownUri } from '../../protocol/shown-uri.js';
import type { ObjectLocation } from '../../protocol/store.js';
import { keyText, plainKey } from '../http/keys.js';

const PREFIX = 'az://';
/** Of the public cloud: what an account without a host is at. */
export const PUBLIC_SUFFIX = 'blob.core.windows.net';
/** Hosts of blob endpoints behind the account's name: the clouds, and accounts with a DNS zone of their own. */
const SUFFIX =
  /^(?:blob\.core\.windows\.net|blob\.core\.chinacloudapi\.cn|blob\.core\.usgovcloudapi\.net|z\d{1,3}\.blob\.storage\.azure\.net)$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;
/** Containers of the service itself ($root, $web, $logs) begin with a dollar. */
const CONTAINER = /^(?=.{3,63}$)(?:\$[a-z]+|[a-z0-9](?:-?[a-z0-9])*)$/;
/** The service's own limit on a name. */
const MAX_KEY_CHARS = 1024;
const EXAMPLE = 'az://account/container/key, such as az://myaccount/logs/2026/11/part-0.json';

/** The account and container that a store name tells. */
export interface ContainerName {
  readonly account: string;
  /** Host of the account behind its name, null for the public cloud's. */
  readonly suffix: string | null;
  readonly container: string;
}

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'plan' });
}

/** Part of every shared access signature. */
const SIGNED = 'sig=';

let last: { readonly begin: string; readonly store: string } | null = null;

/**
 * Splits a URI of either form; an empty key is let through, because a prefix may be empty.
 * @throws MillraceError InvalidArgument with an example of a good one
 */
export function parseUri(uri: string): ObjectLocation {
  if (last !== null && uri.startsWith(last.begin) && !uri.includes(SIGNED)) {
    const key = plainKey(uri, last.begin.length, MAX_KEY_CHARS);
    if (key !== null) return { store: last.store, key };
  }
  if (!uri.startsWith(PREFIX)) return parseUrl(uri);
  const [authority, container, key] = split(uri.slice(PREFIX.length));
  const store = storeName(authority, container);
  if (/\?(?:.*&)?sig=/s.test(key)) {
    throw invalid(
      `A URI of ${store} ends in a shared access signature, which is not repeated here; pass it as the az option sasToken ` +
        `(a blob that has such a name can be read by its https URL, percent-encoded)`,
    );
  }
  if (uri.startsWith(`${store}/`)) last = { begin: `${store}/`, store };
  if (!key.isWellFormed()) {
    throw invalid(
      `The key of "${shownUri(uri.toWellFormed())}" has a lone surrogate and no UTF-8 form; keys are UTF-8`,
    );
  }
  checkLength(key);
  return { store, key: new Uint8Array(Buffer.from(key, 'utf8')) };
}

/** What a URL of an Azure host begins with, host and slash included, or null for any other URI. */
export function claimedUrl(uri: string): string | null {
  const host = /^https:\/\/([^/?#\\\s@]+)\//i.exec(uri);
  if (host === null) return null;
  const dot = host[1]!.indexOf('.');
  return SUFFIX.test(host[1]!.slice(dot + 1).toLowerCase()) ? host[0] : null;
}

function parseUrl(uri: string): ObjectLocation {
  const begin = claimedUrl(uri);
  if (begin === null) {
    throw invalid(`"${shownUri(uri).split(/[?#]/, 1)[0]}" is not an Azure URI; expected ${EXAMPLE}`);
  }
  const query = uri.search(/[?#]/);
  const plain = query < 0 ? uri : uri.slice(0, query);
  if (query >= 0) {
    throw invalid(
      `The URI ${plain} has a query or fragment, which is not repeated here; pass a shared access signature as the az ` +
        `option sasToken, a version or snapshot as {uri, version: "versionid=..."} or {uri, version: "snapshot=..."}, and ` +
        `percent-encode "?" and "#" of a key`,
    );
  }
  const path = plain.slice(begin.length);
  const [container, key] = cut(path);
  const store = storeName(begin.slice('https://'.length, -1).toLowerCase(), container);
  const bytes = decodeKey(key, plain);
  checkLength(keyText(bytes));
  return { store, key: bytes };
}

function decodeKey(path: string, uri: string): Uint8Array {
  let text: string | null = null;
  try {
    text = decodeURIComponent(path);
  } catch {
    // Not percent-encoded UTF-8: said below.
  }
  const bytes = Buffer.from(text ?? '', 'utf8');
  if (text === null || !text.isWellFormed() || !isUtf8(bytes)) {
    throw invalid(
      `The path of ${uri} is not percent-encoded UTF-8; write "%" as %25, or use az://account/container/key, whose key is literal`,
    );
  }
  return new Uint8Array(bytes);
}

function split(rest: string): [authority: string, container: string, key: string] {
  const [authority, path] = cut(rest);
  return [authority, ...cut(path)];
}

function cut(text: string): [before: string, after: string] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
}

function checkLength(key: string): void {
  if (key.length <= MAX_KEY_CHARS) return;
  throw invalid(
    `The key "${key.slice(0, 80)}..." has ${key.length} characters; names of blobs have at most ${MAX_KEY_CHARS}`,
  );
}

/** The canonical name: the host is told only where it is not the public cloud's. */
function storeName(authority: string, container: string): string {
  const { account, suffix } = readAuthority(authority);
  if (container === '') {
    throw invalid(`"${PREFIX}${authority}" names no container; expected ${EXAMPLE}`);
  }
  if (!CONTAINER.test(container)) {
    throw invalid(
      `"${container.split(/[?#]/, 1)[0]}" is not a container's name (in a URI of account "${account}"); expected 3 to 63 lower-case letters, ` +
        `digits and single "-", as in ${EXAMPLE}`,
    );
  }
  return `${PREFIX}${account}${suffix === null ? '' : `.${suffix}`}/${container}`;
}

function readAuthority(authority: string): { account: string; suffix: string | null } {
  const dot = authority.indexOf('.');
  const account = dot < 0 ? authority : authority.slice(0, dot);
  const suffix = dot < 0 ? PUBLIC_SUFFIX : authority.slice(dot + 1);
  if (account === '') throw invalid(`An az URI names an account first; expected ${EXAMPLE}`);
  if (/[@:?#]/.test(authority)) {
    throw invalid(
      `The account of an az URI has neither credentials nor a port nor a query; pass them as options of the az scheme; ` +
        `expected ${EXAMPLE}`,
    );
  }
  if (!ACCOUNT.test(account)) {
    throw invalid(
      `"${account}" is not the name of a storage account; expected 3 to 24 lower-case letters and digits, as in ${EXAMPLE}`,
    );
  }
  if (!SUFFIX.test(suffix)) {
    throw invalid(
      `"${authority}" is not a host of Azure Blob Storage; expected an account's name, or "${account}.${PUBLIC_SUFFIX}"; ` +
        `for another host set the az option endpoint`,
    );
  }
  return { account, suffix: suffix === PUBLIC_SUFFIX ? null : suffix };
}

/** The inverse of `parseUri`, in the az form. */
export function formatUri(location: ObjectLocation): string {
  return `${location.store}/${keyText(location.key)}`;
}

/** What a store name that `parseUri` gave tells. */
export function containerOf(store: string): ContainerName {
  const [authority, container] = split(store.startsWith(PREFIX) ? store.slice(PREFIX.length) : '');
  storeName(authority, container);
  return { ...readAuthority(authority), container };
}
