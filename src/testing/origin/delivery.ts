/**
 * Puts one response on one connection, byte for byte as the fault says.
 *
 * What it keeps true:
 * 1. Without a fault the answer is correct HTTP/1.1, and a small one is a single write.
 * 2. A cut ends the stream after exactly that many body bytes; a reset comes after at most that many have arrived,
 *    since the peer's kernel may drop what it holds.
 * 3. It ends as soon as the connection is gone, whatever it was waiting for.
 */
import { STATUS_CODES } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { bytesSource, NO_BODY, type Response } from './response.js';
import type { Drip, Fault, Lie, Place } from './rules.js';

const SMALL_BODY_BYTES = 65_536;
const CHUNK_BYTES = 262_144;
const SLOW_TICK_MS = 20;
const HUGE_HEAD_BYTES = 1_048_576;
const MAX_POOLED_BUFFERS = 32;

const pool: Buffer[] = [];

/** Where an answer goes; every promise says whether the connection is still there. */
export interface Link {
  write(bytes: Uint8Array | string): Promise<boolean>;
  /** Waits to be released, for at most so long where given. */
  stall(ms: number | undefined): Promise<boolean>;
  sleep(ms: number): Promise<boolean>;
  destroy(): void;
  reset(): void;
}

/** What became of an answer. */
export interface Delivered {
  /** Handed to the kernel. */
  bodyBytes: number;
  complete: boolean;
  /** Whether the connection takes another request. */
  keep: boolean;
}

/** Something that happens in the middle of an answer: -1 before the head, then counts of body bytes. */
interface Action {
  readonly at: number;
  readonly what: 'stall' | 'cut' | 'reset';
}

/** Of these statuses no answer has a body, nor the framing of one (RFC 9110, 6.4.1). */
const isBare = (status: number): boolean => status === 204 || status === 304;

/** Names and values in turn. */
function framing(response: Response, isHead: boolean, fault: Fault): string[] {
  if (isBare(response.status)) return [];
  if (fault.lie === 'no-length') return [];
  if (response.chunked) return ['Transfer-Encoding', 'chunked'];
  const by = fault.by ?? 1;
  const { length } = response.body;
  if (fault.lie === 'short-length') return ['Content-Length', String(Math.max(0, length - by))];
  if (fault.lie === 'long-length') return ['Content-Length', String(length + by)];
  if (fault.lie === 'two-lengths')
    return ['Content-Length', String(length), 'Content-Length', String(length + by)];
  return isHead && response.code !== null ? [] : ['Content-Length', String(length)];
}

function statusLine(status: number, lie: Lie | undefined): string {
  if (lie === 'bad-status-line') return `HTTP/1.1 2OO Okay\r\n`;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Scripted'}\r\n`;
}

function encodeHead(response: Response, isHead: boolean, close: boolean, fault: Fault): string {
  const { lie } = fault;
  const headers = [...response.headers, ...framing(response, isHead, fault)];
  let text = lie === 'interim' ? 'HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n' : '';
  text += statusLine(response.status, lie);
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  if (lie === 'folded-head') text += 'x-amz-meta-folded: one\r\n two\r\n';
  if (lie === 'huge-head') text += `x-amz-meta-huge: ${'h'.repeat(fault.by ?? HUGE_HEAD_BYTES)}\r\n`;
  if (close) text += 'Connection: close\r\n';
  text += '\r\n';
  return lie === 'bare-lf' ? text.replaceAll('\r\n', '\n') : text;
}

/** What happens in the answer, in its order. */
function actionsOf(fault: Fault): Action[] {
  const at = (place: Place): number => (place === 'before-head' ? -1 : place === 'after-head' ? 0 : place);
  const actions: Action[] = [];
  if (fault.stall !== undefined) actions.push({ at: at(fault.stall), what: 'stall' });
  if (fault.cutAfter !== undefined) actions.push({ at: at(fault.cutAfter), what: 'cut' });
  if (fault.reset !== undefined) actions.push({ at: at(fault.reset), what: 'reset' });
  return actions.sort((a, b) => a.at - b.at);
}

/** Returns false when the connection has ended, by the action or during it. */
async function act(action: Action, link: Link, fault: Fault): Promise<boolean> {
  if (action.what === 'stall') return link.stall(fault.stallMs);
  if (action.what === 'cut') link.destroy();
  else link.reset();
  return false;
}

/** How this part of the answer drips, or null. */
function dripOf({ drip, slow }: Fault, part: 'head' | 'body'): Drip | null {
  if (drip !== undefined && (drip.of ?? part) === part) return drip;
  return slow === undefined || part === 'head' ? null : dripAt(slow);
}

/** Those of a tick at once; where that is no whole number of bytes, the pause makes up for it. */
export function dripAt(bytesPerSecond: number): Drip {
  const ofTick = Math.floor((bytesPerSecond * SLOW_TICK_MS) / 1000);
  const bytes = Math.min(Math.max(1, ofTick), CHUNK_BYTES);
  return { bytes, everyMs: Math.round((bytes * 1000) / bytesPerSecond) };
}

/** Writes in small pieces where there is a drip, else at once. */
async function writePieces(link: Link, bytes: Buffer, drip: Drip | null): Promise<boolean> {
  if (drip === null) return link.write(bytes);
  for (let at = 0; at < bytes.length; at += drip.bytes) {
    if (!(await link.write(bytes.subarray(at, at + drip.bytes)))) return false;
    if (drip.everyMs === 0) await nextTurn();
    else if (!(await link.sleep(drip.everyMs))) return false;
  }
  return true;
}

/** What goes out behind the head. */
type Tail = Pick<Response, 'body' | 'chunked'>;

/** @param raw bytes that are the whole answer and have no head */
function tailOf(response: Response, isBodiless: boolean, raw: Fault['raw']): Tail {
  if (raw !== undefined) return { body: bytesSource(Buffer.from(raw)), chunked: false };
  return isBodiless ? { body: NO_BODY, chunked: false } : response;
}

/** Body bytes `[from, to)` in chunks; counts what was handed to the kernel. */
async function pump(
  link: Link,
  { body, chunked }: Tail,
  from: number,
  to: number,
  fault: Fault,
  sent: Delivered,
): Promise<boolean> {
  const drip = dripOf(fault, 'body');
  // What drips is counted piece by piece.
  const step = drip === null ? CHUNK_BYTES : drip.bytes;
  const buffer = pool.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (let at = from; at < to;) {
    const piece = buffer.subarray(0, Math.min(step, CHUNK_BYTES, to - at));
    body.fill(piece, at);
    if (chunked && !(await link.write(`${piece.length.toString(16)}\r\n`))) return false;
    // A buffer goes back to the pool only after a write that ended well: the kernel may still read the other ones.
    if (!(await writePieces(link, piece, drip))) return false;
    at += piece.length;
    sent.bodyBytes = at;
    if (chunked && !(await link.write('\r\n'))) return false;
  }
  if (pool.length < MAX_POOLED_BUFFERS) pool.push(buffer);
  return true;
}

/** Head and body of a small answer as one piece. */
function single(head: Buffer, { body, chunked: framed }: Tail): Buffer {
  const { length } = body;
  const before = framed && length > 0 ? `${length.toString(16)}\r\n` : '';
  const after = framed ? `${length > 0 ? '\r\n' : ''}0\r\n\r\n` : '';
  const at = head.length + before.length;
  const bytes = Buffer.allocUnsafe(at + length + after.length);
  bytes.set(head);
  bytes.write(before, head.length, 'latin1');
  if (length > 0) body.fill(bytes.subarray(at, at + length), 0);
  bytes.write(after, at + length, 'latin1');
  return bytes;
}

const PLAIN: Fault = Object.freeze({});

/** How one answer is to go out. */
export interface Manner {
  /** Of a HEAD request: no body. */
  readonly isHead: boolean;
  /** The connection ends after it, and says so. */
  readonly close: boolean;
  readonly fault: Fault | null;
}

export async function deliver(
  link: Link,
  response: Response,
  { isHead, close, fault: scripted }: Manner,
): Promise<Delivered> {
  const fault: Fault = scripted ?? PLAIN;
  const closes = close || fault.close === true;
  const { raw } = fault;
  const tail = tailOf(response, isHead || isBare(response.status), raw);
  const { length } = tail.body;
  const head = Buffer.from(encodeHead(response, isHead, closes, fault), 'latin1');
  if (scripted === null && length <= SMALL_BODY_BYTES) {
    const there = await link.write(single(head, tail));
    return { bodyBytes: there ? length : 0, complete: there, keep: there && !closes };
  }
  const sent: Delivered = { bodyBytes: 0, complete: false, keep: false };
  const actions = actionsOf(fault);
  const early = actions.filter(({ at }) => at < 0);
  if (fault.delayMs !== undefined && !(await link.sleep(fault.delayMs))) return sent;
  for (const action of early) if (!(await act(action, link, fault))) return sent;
  if (raw === undefined && !(await writePieces(link, head, dripOf(fault, 'head')))) return sent;
  const upTo = async (to: number): Promise<boolean> =>
    to <= sent.bodyBytes || pump(link, tail, sent.bodyBytes, to, fault, sent);
  for (const action of actions.slice(early.length)) {
    if (!(await upTo(Math.min(action.at, length))) || !(await act(action, link, fault))) return sent;
  }
  if (!(await upTo(length))) return sent;
  if (tail.chunked && !(await link.write('0\r\n\r\n'))) return sent;
  sent.complete = true;
  const ends = closes || fault.close === 'silent' || fault.lie === 'no-length' || fault.lie === 'long-length';
  sent.keep = raw === undefined ? !ends : fault.close === false;
  return sent;
}
