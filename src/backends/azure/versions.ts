/**
 * Versions of blobs as text: an ETag, `versionid=ID` for one version of a container with versioning, or `snapshot=TIME`.
 *
 * The two long forms name bytes that never change; they are sent as a query, which a URI cannot hold because a key may have
 * a question mark. An ETag is a condition on the blob as it is now.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { encodeQuery } from '../http/encoding.js';
import { isWeak } from '../http/etag.js';

/** What a version asks for. */
export interface Pinned {
  /** Value of an If-Match header, or null. */
  readonly ifMatch: string | null;
  /** Parameter of the query and its value, or null. */
  readonly name: 'versionid' | 'snapshot' | null;
  readonly value: string;
}

const FORM = /^(versionid|snapshot)=(\d{4}-\d{2}-\d{2}T[\d:.]{8,20}Z)$/;

/** Whether it names one of the blob's older states. */
export function isFixed(version: string | null): version is string {
  return version !== null && (version.startsWith('versionid=') || version.startsWith('snapshot='));
}

/** @throws MillraceError InvalidArgument for a long form that is not one, and for a text that no header can hold */
export function readVersion(version: string, uri: () => string): Pinned {
  if (!isFixed(version)) return { ifMatch: quoted(version, uri), name: null, value: '' };
  const match = FORM.exec(version);
  if (match !== null) return { ifMatch: null, name: match[1] as 'versionid' | 'snapshot', value: match[2]! };
  throw invalid(
    uri(),
    `the version "${version}" is none; expected an ETag, or versionid= or snapshot= with a time such as 2026-11-21T09:30:00.1234567Z`,
  );
}

/** The If-Match of a write, whose target is always the blob as it is now. */
export function currentTag(version: string, uri: () => string): string {
  if (isWeak(version)) throw invalid(uri(), 'a weak ETag (W/"...") is no condition; leave it out');
  if (!isFixed(version)) return quoted(version, uri);
  throw invalid(
    uri(),
    `"${version}" names a state that does not change; the condition of a write is an ETag`,
  );
}

/** The portal and listings show ETags without their quotes. */
function quoted(tag: string, uri: () => string): string {
  if (tag.charCodeAt(0) === 0x22) return tag;
  if (/^[\x21\x23-\x7e]+$/.test(tag)) return `"${tag}"`;
  throw invalid(uri(), 'the version is not an ETag, which has no spaces or quotes in it');
}

/** `&name=value`, ready for a target. */
export function versionQuery({ name, value }: Pinned): string {
  return name === null ? '' : `${name}=${encodeQuery(value)}`;
}

function invalid(uri: string, what: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, `${uri}: ${what}`, { phase: 'prepare', uri });
}
