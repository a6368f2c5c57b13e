/**
 * Secrets that are easy to find again, a server that repeats what it was sent, and a search through all that is told.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { MillraceError } from '../../dist/index.js';

/** So many characters in a row of a secret are more than a glimpse. */
const GLIMPSE_CHARS = 16;

/** Every way in which a text may hold a secret, cut to pieces of which one is enough. */
function piecesOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const forms = new Set([
    secret,
    encodeURIComponent(secret),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    // What JSON makes of the line ends of a key.
    JSON.stringify(secret).slice(1, -1),
  ]);
  // The text behind an account's key, or a credential that was encoded before.
  const decoded = Buffer.from(secret, 'base64').toString('latin1');
  if (/^[\x20-\x7e]{16,}$/.test(decoded)) forms.add(decoded);
  const pieces = new Set<string>();
  for (const form of forms) {
    for (let at = 0; at + GLIMPSE_CHARS <= form.length; at += 1)
      pieces.add(form.slice(at, at + GLIMPSE_CHARS));
  }
  return [...pieces];
}

export type Secrets = Readonly<Record<string, string>>;

/** Names of the secrets of which a text holds a piece, each with what stands around it. */
export function revealed(text: string, secrets: Secrets): string[] {
  const found: string[] = [];
  for (const [name, secret] of Object.entries(secrets)) {
    const piece = piecesOf(secret).find((one) => text.includes(one));
    if (piece === undefined) continue;
    const at = text.indexOf(piece);
    found.push(`${name} in ...${text.slice(Math.max(0, at - 120), at + 40)}...`);
  }
  return found;
}

/** All that can be seen of a value, and of an error and its causes. */
export function seen(value: unknown): string {
  const texts = [
    inspect(value, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null }),
  ];
  texts.push(
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? '',
  );
  let error = value;
  for (let depth = 0; error instanceof Error && depth < 20; depth += 1) {
    texts.push(error.message, String(error.stack), String(error));
    if (error instanceof MillraceError) texts.push(JSON.stringify(error.toWire()), inspect(error.context));
    error = error.cause;
  }
  return texts.join('\n');
}

/** What a call threw. */
export async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (thrown) {
    return thrown;
  }
  return null;
}

export interface EchoServer {
  readonly url: string;
  readonly requests: () => number;
  stop(): Promise<void>;
}

export const FORMATS = ['xml', 'json', 'html', 'word'] as const;
export const STATUSES = [200, 301, 400, 401, 403, 404, 409, 412, 416, 500, 503] as const;
/** A key to which the server answers with that status, and with everything that it was sent. */
export const keyOf = (status: number, format: string): string => `echo-${status}-${format}`;

/** The headers and the query, as a server that is chatty about a refusal repeats them. */
function echoOf({ headers, url = '' }: IncomingMessage, format: string): string {
  const query = new URLSearchParams(url.split('?', 2)[1] ?? '');
  const sent = [...Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`), url];
  const bare = [
    headers.authorization?.replace(/^Bearer /, ''),
    headers['x-amz-security-token'],
    query.get('sig'),
  ];
  // `word`: nothing but the credential, so that no name beside it tells what it is.
  const what =
    format === 'word'
      ? `denied ${bare.filter((one) => one !== undefined && one !== null).join(' ')}`
      : `${sent.join(' ')} ${bare.join(' ')}`;
  if (format === 'json') {
    const errors = [{ message: what, domain: 'global', reason: 'forbidden' }];
    return JSON.stringify({ error: { code: 403, message: what, errors } });
  }
  if (format === 'html') return `<html><body><h1>403</h1><pre>${what}</pre></body></html>`;
  const text = what.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<?xml version="1.0"?><Error><Code>Scripted</Code><Message>${text}</Message><AuthenticationErrorDetail>${text}</AuthenticationErrorDetail></Error>`;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, status = '403', format = 'xml'] =
    /echo-(\d+)-(\w+)/.exec(decodeURIComponent(request.url ?? '')) ?? [];
  const body = echoOf(request, format);
  response.statusCode = Number(status);
  response.setHeader(
    'Content-Type',
    format === 'json' ? 'application/json' : `text/${format === 'html' ? 'html' : 'xml'}`,
  );
  if (status === '301') response.setHeader('Location', `http://127.0.0.1:1${request.url}`);
  request.resume();
  request.on('end', () => response.end(body));
}

export async function startEcho(): Promise<EchoServer> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
