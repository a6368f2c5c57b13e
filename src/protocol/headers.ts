/**
 * Headers of a request, and what may stand in them. Pure.
 *
 * Invariants:
 * 1. Nothing that could end a line or a head early gets into a head: what is not plain is refused, not repaired.
 * 2. Framing headers are the transport's alone.
 * 3. A refusal tells the place, never the value: headers carry signatures.
 */
import { ErrorCode, MillraceError } from './errors.js';

const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const OURS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
]);

/** Names that were found good: stores use the same few for every request. */
const goodNames = new Set<string>();
const MAX_GOOD_NAMES = 256;

/** Lines of a head. */
export interface HeaderLines {
  readonly text: string;
  /** How many of them are Host headers. */
  readonly hosts: number;
}

/** The lines of names and values in turn, each ended by CRLF, or what is wrong with them. */
export function headerLines(headers: readonly string[]): HeaderLines | string {
  if (headers.length % 2 !== 0) return 'the headers are not names and values in turn';
  let text = '';
  let hosts = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    const place = headerProblem(name, value);
    if (place !== '') return `the ${place} of request header ${i / 2 + 1}`;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    text += `${name}: ${value}\r\n`;
  }
  return { text, hosts };
}

function headerProblem(name: string, value: string): string {
  if (!goodNames.has(name)) {
    if (!NAME.test(name)) return 'name (not a token)';
    if (OURS.has(name.toLowerCase())) return "name (framing and connection headers are the transport's)";
    if (goodNames.size < MAX_GOOD_NAMES) goodNames.add(name);
  }
  return NOT_VALUE.test(value) ? 'value (a control character, or one outside latin1)' : '';
}

/**
 * Headers that many requests have in common, looked at and joined once. Doing that anew for each request was 1 us of
 * the CPU that an object of 4 KiB costs.
 */
export class HeaderBlock implements HeaderLines {
  readonly text: string;
  readonly hosts: number;

  /** @throws MillraceError InvalidArgument that tells which header is not plain */
  constructor(
    /** Names and values in turn. */
    readonly headers: readonly string[],
  ) {
    const lines = headerLines(headers);
    if (typeof lines === 'string') {
      throw new MillraceError(ErrorCode.InvalidArgument, `cannot make requests: ${lines}`, {
        phase: 'prepare',
      });
    }
    this.text = lines.text;
    this.hosts = lines.hosts;
  }
}
