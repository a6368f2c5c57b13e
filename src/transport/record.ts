/**
 * What an exchange came to, as its caller gets it.
 *
 * Invariant: a record owns all it shows. The head is one string, copied from the connection's scratch before that is
 * used again; it is searched when somebody asks for a header, and never cut into all of them.
 *
 * Looking for a checksum asks for ten headers of each object. So where the lines begin is remembered from one question
 * to the next, of one head for the whole thread: searching each time was a tenth of the CPU of a 4 KiB object.
 */
import type { MillraceError } from '../protocol/errors.js';
import type { Exchange, ExchangeOutcome } from '../protocol/http.js';

export class ExchangeRecord implements Exchange {
  constructor(
    readonly outcome: ExchangeOutcome,
    readonly status: number,
    /** The raw head, latin1: already known to be well-formed. Empty where none came. */
    private readonly head: string,
    readonly landed: number,
    readonly contentLength: number,
    readonly body: Uint8Array | null,
    readonly error: MillraceError | null,
  ) {}

  /** Values of a header that was sent several times are joined by a comma (RFC 9110, 5.3). */
  header(name: string): string | undefined {
    const { head } = this;
    // A comparison of addresses where the same exchange is asked again.
    if (head !== indexed) index(head);
    let found: string | undefined;
    for (let line = 0; line < starts.length; line++) {
      const from = starts[line]!;
      if (lengths[line] !== name.length || !isName(head, from, name)) continue;
      const colon = from + name.length;
      const value = trimBlanks(head, colon + 1, head.indexOf('\r', colon));
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }
}

/** The head that `starts` is of: they follow from its text alone, so it does not matter whose it is. */
let indexed = '';
/** Where its lines begin, but for the first, and how long the name is in each. */
const starts: number[] = [];
const lengths: number[] = [];

function index(head: string): void {
  starts.length = 0;
  lengths.length = 0;
  for (let from = head.indexOf('\n') + 1; from > 0; from = head.indexOf('\n', from) + 1) {
    starts.push(from);
    lengths.push(head.indexOf(':', from) - from);
  }
  indexed = head;
}

/** Whether `name`, of lower-case letters, digits and hyphens, stands at `from` in any case: bit 5 folds those. */
function isName(head: string, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if ((head.charCodeAt(from + i) | 32) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** An exchange that ended before a head came. */
export function headless(outcome: ExchangeOutcome, error: MillraceError | null): ExchangeRecord {
  return new ExchangeRecord(outcome, 0, '', 0, -1, null, error);
}

/** Only spaces and tabs surround a value; `trim` would also take what latin1 has beyond ASCII. */
function trimBlanks(text: string, from: number, to: number): string {
  let first = from;
  let last = to;
  while (first < last && isBlank(text.charCodeAt(first))) first++;
  while (last > first && isBlank(text.charCodeAt(last - 1))) last--;
  return text.slice(first, last);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
