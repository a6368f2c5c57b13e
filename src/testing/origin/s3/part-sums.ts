/**
 * Checksums of multipart uploads: which an upload may be begun with, what each part must bring, and what its completion
 * must say again.
 *
 * What it keeps true:
 * 1. The sum of an upload is of the whole object or of the sums of its parts (COMPOSITE); only the latter needs one with
 *    each part, and again in the completion.
 * 2. A sum that is stated, for a part or the whole, is the one that the service has.
 *
 * Source: "Checking object integrity for multipart uploads" of the Amazon S3 user guide. Codes and texts are those that the
 * service answers with, as the projects floci and versitygw have measured them.
 */
import { isSumName, SUMS, type SumName } from '../checksums.js';
import { failure, type Failure } from '../failure.js';
import { refusalOfSum, type Sum } from './payload.js';

type Headers = ReadonlyMap<string, string>;

/** What an upload was begun with. */
export interface SumPlan {
  /** Null where it was begun with none: each part may then bring the one that it likes. */
  readonly sumName: SumName | null;
  readonly sumType: 'FULL_OBJECT' | 'COMPOSITE';
}

/** A part, as far as sums go. */
interface Summed {
  readonly bytes: Uint8Array;
  /** What it came with. */
  readonly sum: Sum | null;
}

const invalid = (message: string): Failure => failure(400, 'InvalidRequest', message);
const ALWAYS: Partial<Record<SumName, SumPlan['sumType']>> = {
  crc64nvme: 'FULL_OBJECT',
  sha1: 'COMPOSITE',
  sha256: 'COMPOSITE',
};

/** Of the headers that begin an upload. */
export function sumPlan(headers: Headers): SumPlan | Failure {
  const sumName = headers.get('x-amz-checksum-algorithm')?.toLowerCase();
  const sumType = headers.get('x-amz-checksum-type')?.toUpperCase();
  if (sumName !== undefined && !isSumName(sumName)) {
    return invalid('Checksum algorithm provided is unsupported.');
  }
  if (sumType !== undefined && sumType !== 'FULL_OBJECT' && sumType !== 'COMPOSITE') {
    return invalid('Value for x-amz-checksum-type header is invalid.');
  }
  if (sumName === undefined) {
    if (sumType === undefined) return { sumName: null, sumType: 'FULL_OBJECT' };
    return invalid(
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const only = ALWAYS[sumName];
  if (only !== undefined && sumType !== undefined && sumType !== only) {
    return invalid(`The ${sumType} checksum type cannot be used with the ${sumName} checksum algorithm.`);
  }
  return { sumName, sumType: sumType ?? only ?? 'COMPOSITE' };
}

/** Why a part may not come with this sum, or without one; or null. */
export function refusalOfPart({ sumName, sumType }: SumPlan, sum: Sum | null): Failure | null {
  if (sumName === null || sum?.name === sumName || (sum === null && sumType === 'FULL_OBJECT')) return null;
  return invalid(
    `Checksum Type mismatch occurred, expected checksum Type: ${sumName}, actual checksum Type: ${sum?.name ?? 'null'}`,
  );
}

/** The sum of a part that came by copy: the service makes it. */
export const copiedSum = ({ sumName }: SumPlan, bytes: Uint8Array): Sum | null =>
  sumName === null ? null : { name: sumName, value: SUMS[sumName](bytes) };

/** In documents. */
export const sumElement = (sum: Sum | null): string =>
  sum === null ? '' : `<Checksum${sum.name.toUpperCase()}>${sum.value}</Checksum${sum.name.toUpperCase()}>`;

/** The sum that a row of a completion states, or undefined. @param row its elements */
function statedSum(name: SumName, row: string): string | undefined {
  const element = `Checksum${name.toUpperCase()}`;
  return new RegExp(`<${element}>\\s*([^<\\s]*)\\s*</${element}>`).exec(row)?.[1];
}

/** What a completion says of a part's sum: it is that one, another, or none where there must be one. */
export function judgePart(
  { sumName, sumType }: SumPlan,
  part: Summed,
  row: string,
): 'right' | 'wrong' | 'missing' {
  if (sumName === null) return 'right';
  const stated = statedSum(sumName, row);
  if (stated === undefined) return sumType === 'COMPOSITE' ? 'missing' : 'right';
  return stated === (part.sum?.value ?? SUMS[sumName](part.bytes)) ? 'right' : 'wrong';
}

/** @param number of the part without */
export const missingSum = ({ sumName }: SumPlan, number: number): Failure =>
  invalid(
    `The upload was created using a ${sumName} checksum. The complete request must include the checksum for each part. ` +
      `It was missing for part ${number} in the request.`,
  );

/** The sum of a completed object; or why it is not what the request says. */
export function wholeSum(
  { sumName, sumType }: SumPlan,
  headers: Headers,
  parts: readonly Summed[],
  bytes: Uint8Array,
): Sum | Failure | null {
  if (sumName === null) return null;
  if ((headers.get('x-amz-checksum-type')?.toUpperCase() ?? sumType) !== sumType) {
    return invalid(
      `The upload was created using the ${sumType} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const given = headers.get(`x-amz-checksum-${sumName}`);
  if (sumType === 'FULL_OBJECT') {
    const refused = given === undefined ? null : refusalOfSum({ name: sumName, value: given }, bytes);
    return refused ?? { name: sumName, value: SUMS[sumName](bytes) };
  }
  const sums = parts.map((part) => Buffer.from(part.sum?.value ?? SUMS[sumName](part.bytes), 'base64'));
  const value = `${SUMS[sumName](Buffer.concat(sums))}-${parts.length}`;
  if (given === undefined || given === value) return { name: sumName, value };
  return failure(400, 'BadDigest', `The ${sumName} you specified did not match the calculated checksum.`);
}
