/**
 * Conditions that a request sets on an object. Source: "Conditional requests" of the Amazon S3 documentation.
 */
import { failure, type Failure } from '../failure.js';
import type { Stored } from '../catalogue.js';
import type { Request } from '../request.js';

const matches = (list: string, etag: string): boolean =>
  list.split(',').some((one) => one.trim() === '*' || one.trim().replaceAll('"', '') === etag.slice(1, -1));

/** @param condition the header that does not hold */
export const preconditionFailed = (condition: string): Failure =>
  failure(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });

export const noSuchKey = (key: string): Failure =>
  failure(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key });

/** The condition that does not hold. @param before what the headers' names begin with */
export function brokenCondition(
  headers: ReadonlyMap<string, string>,
  object: Stored,
  before = '',
): 'If-Match' | 'If-None-Match' | null {
  const ifMatch = headers.get(`${before}if-match`);
  if (ifMatch !== undefined && !matches(ifMatch, object.etag)) return 'If-Match';
  const ifNoneMatch = headers.get(`${before}if-none-match`);
  return ifNoneMatch !== undefined && matches(ifNoneMatch, object.etag) ? 'If-None-Match' : null;
}

/** Why a write may not replace what is there, or null. */
export function refusalOfWrite({ headers, key }: Request, object: Stored | null): Failure | null {
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    const message = 'A header you provided implies functionality that is not implemented';
    return failure(501, 'NotImplemented', message, { Header: 'If-None-Match' });
  }
  if (object === null) return headers.has('if-match') ? noSuchKey(key) : null;
  const broken = brokenCondition(headers, object);
  return broken === null ? null : preconditionFailed(broken);
}
