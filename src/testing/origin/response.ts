/**
 * What a service answers, as a value: status, headers and a source of body bytes. No socket, no clock, no fault.
 */
import { fillPattern } from '../../backends/memory/pattern.js';
import type { Stored } from './catalogue.js';

/** Bytes on demand. */
export interface Source {
  readonly length: number;
  /** Writes the bytes from `position` on into all of `target`. */
  fill(target: Uint8Array, position: number): void;
}

export interface Response {
  readonly status: number;
  /** Names and values in turn, without the framing. */
  readonly headers: readonly string[];
  readonly body: Source;
  readonly chunked: boolean;
  /** That of an error of the service, else null. */
  readonly code: string | null;
}

export const NO_BODY: Source = { length: 0, fill() {} };

export function bytesSource(bytes: Uint8Array): Source {
  return {
    length: bytes.length,
    fill: (target, position) => target.set(bytes.subarray(position, position + target.length)),
  };
}

export function objectSource(object: Stored, start: number, length: number): Source {
  if (object.body !== null) return bytesSource(object.body.subarray(start, start + length));
  return { length, fill: (target, position) => fillPattern(object.objectId, start + position, target) };
}

/** All bytes of an object at once: for sums and copies. */
export function objectBytes(object: Stored): Buffer {
  const bytes = Buffer.allocUnsafe(object.size);
  objectSource(object, 0, object.size).fill(bytes, 0);
  return bytes;
}

export const answer = (status: number, headers: readonly string[], body: Source = NO_BODY): Response => ({
  status,
  headers,
  body,
  chunked: false,
  code: null,
});

/** A document in XML, chunked as the services send them. */
export const xmlAnswer = (bytes: Uint8Array, headers: readonly string[] = []): Response => ({
  status: 200,
  headers: ['Content-Type', 'application/xml', ...headers],
  body: bytesSource(bytes),
  chunked: true,
  code: null,
});
