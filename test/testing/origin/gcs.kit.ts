/**
 * Requests to the origin as Cloud Storage, over plain HTTP, and what came back.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { request } from 'node:http';
import type { Origin } from '../../../dist/testing/index.js';

export const TOKEN = 'ya29.test';
export const BEARER = { authorization: `Bearer ${TOKEN}` };

export interface Answer {
  status: number;
  /** By lower-case name, repeated ones joined by commas. */
  headers: Record<string, string>;
  bytes: Buffer;
  text: string;
}
export interface Asked {
  headers?: Record<string, string>;
  body?: Uint8Array | string;
}

/** Sends exactly the headers given, beside Host and the length: no client of ours or of fetch's adds one. */
export function ask(
  origin: Pick<Origin, 'port'>,
  method: string,
  path: string,
  { headers = {}, body = '' }: Asked = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body);
    const length = method === 'GET' || method === 'HEAD' ? {} : { 'content-length': String(bytes.length) };
    const sent = request(
      {
        host: '127.0.0.1',
        port: origin.port,
        method,
        path,
        agent: false,
        headers: { ...length, ...headers },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const all = Buffer.concat(parts);
          const seen = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(seen) as Record<string, string>,
            bytes: all,
            text: all.toString('utf8'),
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
  });
}

/** A document of the service, with the fields that tests go on with; which of them it has, is for a test to know. */
export interface Document extends Record<string, unknown> {
  generation: string;
  items?: { name: string; size: string; generation: string }[];
  prefixes?: string[];
  nextPageToken?: string;
  done: boolean;
  rewriteToken: string;
  access_token: string;
  expires_in: number;
  error: unknown;
  error_description: string;
}

export const documentOf = (answer: Answer): Document => JSON.parse(answer.text) as Document;

/** Status and reason of a JSON error. */
export function errorOf(answer: Answer): [number, string] {
  const error = documentOf(answer).error as { code: number; errors: { reason: string }[] };
  return [error.code, error.errors[0]?.reason ?? ''];
}

/** Status and code of an XML error. */
export const xmlErrorOf = (answer: Answer): [number, string] => [
  answer.status,
  /<Code>(.*?)<\/Code>/.exec(answer.text)?.[1] ?? '',
];

/** CRC-32C bit by bit, from its definition in RFC 3720, as the service spells it. */
export function crc32cOf(bytes: Uint8Array): string {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const spelled = Buffer.alloc(4);
  spelled.writeUInt32BE(~crc >>> 0);
  return spelled.toString('base64');
}

export const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64');

let pair: { publicKey: string; privateKey: string } | undefined;

/** A key pair of a service account, made once per process. */
export function testKeyPair(): { publicKey: string; privateKey: string } {
  pair ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return pair;
}
