/**
 * Reads a TypeScript file far enough to search its code without being misled by comments, strings and regular
 * expressions. Not a parser: it knows where code is, not what it means.
 *
 * Invariants:
 * 1. `code` has the length and the lines of the text, so an offset in one is an offset in the other.
 * 2. In `code` every comment, string content and regular expression is blank; quotes, and the code inside `${}`, stay.
 * 3. A text whose end is reached inside a string, comment or expression throws: half a file is never searched in silence.
 */

/** A `/` after one of these words begins a regular expression; after any other word it divides. */
const OPERATOR_WORDS = new Set(
  'await case delete do else extends in instanceof new of return throw typeof void yield'.split(' '),
);
/** A `/` after the closing parenthesis that belongs to one of these begins a regular expression. */
const CONDITION_WORDS = new Set(['if', 'while', 'for', 'with']);

/** A string or template without substitutions: its content, and where its quotes are. */
/** @typedef {{ start: number, end: number, value: string }} Literal */
/** @typedef {{ text: string, code: string, strings: Literal[], comments: { start: number, end: number }[] }} Source */

/** @param {string} text @returns {Source} */
export function readSource(text) {
  const reader = new Reader(text);
  reader.read();
  return { text, code: reader.out.join(''), strings: reader.strings, comments: reader.comments };
}

/** The line of an offset, counted from 1. @param {string} text @param {number} offset */
export function lineOf(text, offset) {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/**
 * The offset behind the bracket that closes the one at `open`; the end of the code where none does.
 * @param {string} code @param {number} open
 */
export function closingOf(code, open) {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    const char = code[at];
    if (char === '(' || char === '[' || char === '{') depth += 1;
    else if (char === ')' || char === ']' || char === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return code.length;
}

/**
 * The code with `object['name']` written as `object.name`, so that a search for a member finds both spellings.
 * @param {Source} source
 */
export function withDottedMembers({ code, strings }) {
  const chars = code.split('');
  for (const { start, end, value } of strings) {
    if (code[start - 1] !== '[' || code[end] !== ']' || !/^[\w$]+$/.test(value)) continue;
    if (!/[\w$)\].]/.test(code[start - 2] ?? '')) continue;
    chars.fill(' ', start - 1, end + 1);
    chars[start - 1] = '.';
    for (let index = 0; index < value.length; index += 1) chars[start + index] = value[index];
  }
  return chars.join('');
}

class Reader {
  /** @type {string[]} */ out;
  /** @type {Literal[]} */ strings = [];
  /** @type {{ start: number, end: number }[]} */ comments = [];
  #text;
  #at = 0;
  /** Whether what came last is a value, so that a `/` divides. */
  #afterValue = false;
  #lastWord = '';
  /** @type {boolean[]} For each open parenthesis, whether it belongs to a condition. */ #conditions = [];
  /** @type {number[]} For each open `${`, how many braces are open inside it. */ #substitutions = [];

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
    this.out = text.split('');
  }

  read() {
    while (this.#at < this.#text.length) this.#step();
    if (this.#substitutions.length > 0) this.#fail('a template that never ends', this.#text.length - 1);
  }

  #step() {
    const char = this.#text[this.#at];
    const next = this.#text[this.#at + 1];
    if (char === '/' && next === '/') return this.#comment('\n', 0);
    if (char === '/' && next === '*') return this.#comment('*/', 2);
    if (char === "'" || char === '"') return this.#string(char);
    if (char === '`') return this.#template(this.#at);
    if (char === '/' && !this.#afterValue) return this.#regex();
    if (/[\w$]/.test(char)) return this.#word();
    return this.#punctuation(char, next);
  }

  #word() {
    const [word] = /^[\w$]+/.exec(this.#text.slice(this.#at, this.#at + 200)) ?? [''];
    const isMember = this.#text[this.#at - 1] === '.';
    this.#lastWord = word;
    this.#afterValue = isMember || !OPERATOR_WORDS.has(word);
    this.#at += word.length;
  }

  /** @param {string} char @param {string | undefined} next */
  #punctuation(char, next) {
    if (/\s/.test(char)) {
      this.#at += 1;
      return;
    }
    const wasValue = this.#afterValue;
    this.#afterValue = char === ')' || char === ']' || char === '}';
    if (char === '(') this.#conditions.push(CONDITION_WORDS.has(this.#lastWord));
    else if (char === ')') this.#afterValue = this.#conditions.pop() !== true;
    // `i++ / 2` and `table[i]! / 2` divide; `a != /b/` does not.
    else if ((char === '+' || char === '-') && next === char) {
      this.#afterValue = wasValue;
      this.#at += 1;
    } else if (char === '!' && next !== '=') this.#afterValue = wasValue;
    this.#lastWord = '';
    this.#at += 1;
    if (this.#substitutions.length === 0) return;
    const last = this.#substitutions.length - 1;
    if (char === '{') this.#substitutions[last] += 1;
    if (char === '}') this.#closeBrace(last);
  }

  /** @param {number} last */
  #closeBrace(last) {
    if (this.#substitutions[last] > 0) {
      this.#substitutions[last] -= 1;
      return;
    }
    this.#substitutions.pop();
    this.#template(null);
  }

  /** @param {string} end @param {number} endLength */
  #comment(end, endLength) {
    const start = this.#at;
    const found = this.#text.indexOf(end, start + 2);
    if (found === -1 && end !== '\n') this.#fail('a comment that never ends', start);
    this.#at = found === -1 ? this.#text.length : found + endLength;
    this.#blank(start, this.#at);
    this.comments.push({ start, end: this.#at });
  }

  /** @param {string} quote */
  #string(quote) {
    const start = this.#at;
    this.#at += 1;
    while (this.#text[this.#at] !== quote) {
      if (this.#text[this.#at] === '\\') this.#at += 1;
      if (this.#at >= this.#text.length || this.#text[this.#at] === '\n') {
        if (this.#text[this.#at - 1] !== '\\') this.#fail('a string that never ends', start);
      }
      this.#at += 1;
    }
    this.#at += 1;
    this.#blank(start + 1, this.#at - 1);
    this.strings.push({ start, end: this.#at, value: this.#text.slice(start + 1, this.#at - 1) });
    this.#afterValue = true;
    this.#lastWord = '';
  }

  /** From an opening backtick at `start`, or (null) from the end of a substitution. @param {number | null} start */
  #template(start) {
    const from = start === null ? this.#at : start + 1;
    this.#at = from;
    while (this.#text[this.#at] !== '`') {
      if (this.#at >= this.#text.length) this.#fail('a template that never ends', start ?? from);
      if (this.#text[this.#at] === '$' && this.#text[this.#at + 1] === '{') {
        this.#blank(from, this.#at);
        this.#at += 2;
        this.#substitutions.push(0);
        this.#afterValue = false;
        this.#lastWord = '';
        return;
      }
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    }
    this.#blank(from, this.#at);
    if (start !== null)
      this.strings.push({ start, end: this.#at + 1, value: this.#text.slice(from, this.#at) });
    this.#at += 1;
    this.#afterValue = true;
    this.#lastWord = '';
  }

  #regex() {
    const start = this.#at;
    let inClass = false;
    this.#at += 1;
    while (inClass || this.#text[this.#at] !== '/') {
      const char = this.#text[this.#at];
      if (char === undefined || char === '\n') this.#fail('a regular expression that never ends', start);
      if (char === '\\') this.#at += 1;
      else if (char === '[') inClass = true;
      else if (char === ']') inClass = false;
      this.#at += 1;
    }
    this.#at += 1;
    while (/[a-z]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
    this.#blank(start, this.#at);
    this.#afterValue = true;
    this.#lastWord = '';
  }

  /** @param {number} start @param {number} end */
  #blank(start, end) {
    for (let at = start; at < end; at += 1) if (this.out[at] !== '\n') this.out[at] = ' ';
  }

  /** @param {string} what @param {number} offset @returns {never} */
  #fail(what, offset) {
    throw new SyntaxError(`line ${lineOf(this.#text, offset)}: ${what}`);
  }
}
