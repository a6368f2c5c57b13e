/**
 * A strict pull scanner over the XML that S3 and Azure write, working on positions: no text is copied before it is wanted.
 *
 * Invariants:
 * 1. The document is read once, forwards. Every start tag must meet its end tag, and nothing but white space and
 *    comments may follow the root, so a document that is cut anywhere before its end is refused.
 * 2. Refused as well: document types, CDATA and processing instructions other than the declaration, which they never
 *    writes and which would only be a way in for surprises; nesting deeper than `MAX_DEPTH`.
 */

const MAX_DEPTH = 16;
const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;

/** The document is not the XML that was expected; the message says where. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
}

export class XmlScanner {
  /** Next character to read. */
  pos = 0;
  /** Text of the leaf that `leaf` has read: `[start, end)`. */
  start = 0;
  end = 0;
  readonly text: string;
  /** The start tag just read closed itself (`<a/>`). */
  #empty = false;

  constructor(text: string) {
    this.text = text;
  }

  fail(what: string): never {
    throw new XmlError(`${what} at byte ${this.pos} of ${this.text.length}`);
  }

  /** The element whose start tag was just read is `<a/>`: it has no children, and no end tag is to come. */
  get isEmpty(): boolean {
    return this.#empty;
  }

  /** Reads declaration, comments and the root's start tag, and gives the root's name. */
  root(): string {
    if (this.text.charCodeAt(0) === 0xef && this.text.startsWith('\u00ef\u00bb\u00bf')) this.pos = 3;
    if (this.text.startsWith('<?xml', this.pos)) {
      const end = this.text.indexOf('?>', this.pos);
      if (end < 0) this.fail('an XML declaration that never ends');
      this.pos = end + 2;
    }
    const name = this.open();
    return name ?? this.fail('an end tag before any element');
  }

  /** After the root's end tag: only white space and comments. */
  finish(): void {
    this.#skip();
    if (this.pos !== this.text.length) this.fail('more than one root');
  }

  /** The next child's name, with its start tag consumed; null when `parent`'s end tag came instead, also consumed. */
  child(parent: string): string | null {
    const name = this.open();
    if (name !== null) return name;
    this.#close(parent);
    return null;
  }

  /** Reads the content of a leaf element and its end tag; `start` and `end` then hold its text. */
  leaf(name: string): void {
    this.start = this.pos;
    this.end = this.pos;
    if (this.#empty) {
      this.#empty = false;
      return;
    }
    const lt = this.text.indexOf('<', this.pos);
    if (lt < 0) this.fail(`<${name}> that never ends`);
    this.end = lt;
    this.pos = lt;
    this.#close(name);
  }

  /** Passes over an element of which nothing is wanted, whatever it holds. */
  skip(name: string, depth = 0): void {
    if (this.#empty) {
      this.#empty = false;
      return;
    }
    if (depth > MAX_DEPTH) this.fail('elements nested too deep');
    for (;;) {
      const lt = this.text.indexOf('<', this.pos);
      if (lt < 0) this.fail(`<${name}> that never ends`);
      this.pos = lt;
      const inner = this.child(name);
      if (inner === null) return;
      this.skip(inner, depth + 1);
    }
  }

  /** Skips to the next tag. A start tag is consumed and named; at an end tag nothing is consumed and null is given. */
  open(): string | null {
    if (this.#empty) this.fail('an empty element that was read as a full one');
    this.#skip();
    if (this.text.charCodeAt(this.pos) !== LT) this.fail('text between elements');
    if (this.text.charCodeAt(this.pos + 1) === SLASH) return null;
    let at = this.pos + 1;
    while (isNameChar(this.text.charCodeAt(at))) at++;
    const name = this.text.slice(this.pos + 1, at);
    if (name === '') this.fail('markup that is not expected here');
    this.pos = at;
    this.#attributes();
    return name;
  }

  #attributes(): void {
    const { text } = this;
    if (text.charCodeAt(this.pos) === GT) {
      this.pos++;
      return;
    }
    let quote = 0;
    for (let at = this.pos; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (quote !== 0) {
        if (code === quote) quote = 0;
      } else if (code === 0x22 || code === 0x27) quote = code;
      else if (code === LT) break;
      else if (code === GT) {
        this.#empty = text.charCodeAt(at - 1) === SLASH;
        this.pos = at + 1;
        return;
      }
    }
    this.fail('a tag that never ends');
  }

  #close(name: string): void {
    const { text, pos } = this;
    const after = pos + 2 + name.length;
    if (!text.startsWith('</', pos) || !text.startsWith(name, pos + 2) || text.charCodeAt(after) !== GT) {
      this.fail(`expected </${name}>`);
    }
    this.pos = after + 1;
  }

  #skip(): void {
    const { text } = this;
    for (;;) {
      let code = text.charCodeAt(this.pos);
      while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
        code = text.charCodeAt(++this.pos);
      }
      if (code !== LT || !text.startsWith('<!--', this.pos)) return;
      const end = text.indexOf('-->', this.pos + 4);
      if (end < 0) this.fail('a comment that never ends');
      this.pos = end + 3;
    }
  }
}

function isNameChar(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code === 0x2d ||
    code === 0x3a ||
    code === 0x2e
  );
}
