/**
 * How S3 spells an error: the document, and the codes of statuses that a script names without one.
 */
import { escapeXml } from '../encoding.js';
import { NO_BODY, bytesSource } from '../response.js';
import type { Failure } from '../failure.js';
import type { Response } from '../response.js';

/** The second id that S3 gives each request, made from the first. */
export const hostIdOf = (requestId: string): string =>
  Buffer.from(`origin-${requestId}-host-identifier`).toString('base64');

function errorDocument(failed: Failure, requestId: string): Buffer {
  const element = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`;
  const extra = Object.entries(failed.extra).map(([name, text]) => element(name, text));
  const body = [
    element('Code', failed.code),
    element('Message', failed.message),
    ...extra,
    element('RequestId', requestId),
    element('HostId', hostIdOf(requestId)),
  ];
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error>${body.join('')}</Error>`);
}

export function failureResponse(failed: Failure, requestId: string, withBody: boolean): Response {
  return {
    status: failed.status,
    headers: ['Content-Type', 'application/xml', ...failed.headers],
    body: withBody ? bytesSource(errorDocument(failed, requestId)) : NO_BODY,
    chunked: true,
    code: failed.code,
  };
}

/** By status. */
export const CODES: ReadonlyMap<number, string> = new Map([
  [400, 'BadRequest'],
  [403, 'AccessDenied'],
  [404, 'NoSuchKey'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [502, 'BadGateway'],
  [503, 'SlowDown'],
  [504, 'GatewayTimeout'],
]);
