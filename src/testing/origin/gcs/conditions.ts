/**
 * Preconditions of both APIs, and the sums that a writer says its bytes have.
 *
 * Source: "Request preconditions" of the Cloud Storage documentation. A read of what changed not is 304, all else that
 * does not hold is 412. Generation 0 stands for an object that is not there.
 */
import type { Stored } from '../catalogue.js';
import type { Failure } from '../failure.js';
import { fail } from './failures.js';
import { generationOf, opaqueEtag, quotedEtag, type Sums } from './objects.js';
import type { RoutedRequest } from './route.js';

export interface Conditions {
  readonly match?: string | undefined;
  readonly notMatch?: string | undefined;
  readonly metaMatch?: string | undefined;
  readonly metaNotMatch?: string | undefined;
  readonly etags?: string | undefined;
  readonly notEtags?: string | undefined;
}

/** Those of its sums that a writer stated. */
export interface StatedSums {
  crc32c?: string | undefined;
  md5?: string | undefined;
}

const INT64 = /^-?\d{1,19}$/;

export function conditionsOf({ headers, params, route }: RoutedRequest): Conditions {
  const xml = route.api === 'xml';
  const named = (parameter: string, header: string) => (xml ? headers.get(header) : params.get(parameter));
  return {
    match: named('ifGenerationMatch', 'x-goog-if-generation-match'),
    notMatch: xml ? undefined : params.get('ifGenerationNotMatch'),
    metaMatch: named('ifMetagenerationMatch', 'x-goog-if-metageneration-match'),
    metaNotMatch: xml ? undefined : params.get('ifMetagenerationNotMatch'),
    etags: headers.get('if-match'),
    notEtags: headers.get('if-none-match'),
  };
}

/** The conditions of a copy on its source. */
export function sourceConditionsOf(params: ReadonlyMap<string, string>): Conditions {
  return {
    match: params.get('ifSourceGenerationMatch'),
    notMatch: params.get('ifSourceGenerationNotMatch'),
    metaMatch: params.get('ifSourceMetagenerationMatch'),
    metaNotMatch: params.get('ifSourceMetagenerationNotMatch'),
  };
}

const bare = (tag: string) => tag.trim().replace(/^W\//, '').replaceAll('"', '');

function tagged(list: string, object: Stored, generation: string): boolean {
  const own = new Set([opaqueEtag(generation), quotedEtag(object, generation)].map(bare));
  return list.split(',').some((one) => one.trim() === '*' || own.has(bare(one)));
}

/** Null when they hold. */
export function checkConditions(
  conditions: Conditions,
  object: Stored | null,
  offset: bigint,
  isRead: boolean,
): Failure | 'unchanged' | null {
  const { match, notMatch, metaMatch, metaNotMatch, etags, notEtags } = conditions;
  for (const number of [match, notMatch, metaMatch, metaNotMatch]) {
    if (number !== undefined && !INT64.test(number)) {
      return fail('invalid', `Invalid long value: '${number}'.`);
    }
  }
  const generation = object === null ? '0' : generationOf(object, offset);
  const metageneration = object === null ? '0' : '1';
  const failed =
    (match !== undefined && BigInt(match) !== BigInt(generation)) ||
    (metaMatch !== undefined && metaMatch !== metageneration) ||
    (etags !== undefined && (object === null || !tagged(etags, object, generation)));
  if (failed) return fail('conditionNotMet');
  const unchanged =
    (notMatch !== undefined && BigInt(notMatch) === BigInt(generation)) ||
    (metaNotMatch !== undefined && metaNotMatch === metageneration) ||
    (notEtags !== undefined && object !== null && tagged(notEtags, object, generation));
  if (!unchanged) return null;
  return isRead ? 'unchanged' : fail('conditionNotMet');
}

/** Sums of an `X-Goog-Hash` header, which may come more than once and with several in one, and of `Content-MD5`. */
export function statedSums(headers: ReadonlyMap<string, string>): StatedSums {
  const sums: StatedSums = {};
  for (const part of (headers.get('x-goog-hash') ?? '').split(',')) {
    const [, name, sum] = /^\s*(crc32c|md5)=(\S+)\s*$/.exec(part) ?? [];
    if (name === 'crc32c' || name === 'md5') sums[name] = sum;
  }
  const md5 = headers.get('content-md5');
  return md5 === undefined ? sums : { ...sums, md5 };
}

export function checkSums(stated: StatedSums, actual: Sums): Failure | null {
  if (stated.crc32c !== undefined && stated.crc32c !== actual.crc32c) {
    const message = `Provided CRC32C "${stated.crc32c}" doesn't match calculated CRC32C "${actual.crc32c}".`;
    return fail('badDigest', message);
  }
  if (stated.md5 !== undefined && stated.md5 !== actual.md5) {
    const message = `Provided MD5 hash "${stated.md5}" doesn't match calculated MD5 hash "${actual.md5}".`;
    return fail('badDigest', message);
  }
  return null;
}
