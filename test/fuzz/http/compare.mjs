/**
 * The transport's parser beside Node's own (strict), on the same bytes.
 *
 * What is a disagreement: ours takes what Node's refuses, body bytes of a message that breaks later included; both take a
 * message and differ in its status, its headers, what of them decides, its body, where it ends, or whether the connection
 * may be used again; ours gives something else when the bytes come in other pieces, or touches what is not its own.
 * That ours refuses what Node's takes is its purpose: each reason is counted, and `STRICTNESS` says why.
 */
import { RangeField } from '../../../dist/transport/head.js';
import { BodyMode } from '../../../dist/transport/framing.js';
import { shrink } from '../lib/mutate.mjs';
import { writeAnswer } from './answers.mjs';
import { Reference } from './reference.mjs';
import { MARGIN, Stand, Subject, UNTOUCHED } from './subject.mjs';
import { STRICTNESS } from './strictness.mjs';

const MAX_INPUT_BYTES = 64 * 1024;
const TARGET_BYTES = 4608;

/** What was asked, by turns: each way in which `planBody` tells answers apart. */
const ASKED = [
  { method: 'GET', range: null, sink: 'collect' },
  { method: 'GET', range: null, sink: 'land' },
  { method: 'GET', range: { start: 0, length: 5 }, sink: 'land' },
  { method: 'GET', range: { start: 10, length: 5 }, sink: 'collect' },
  { method: 'HEAD', range: null, sink: 'collect' },
  { method: 'PUT', range: null, sink: 'collect' },
  { method: 'GET', range: null, sink: 'encoded' },
];

/** @param {number} index */
function askedOf(index) {
  const { method, range, sink } = /** @type {typeof ASKED[number]} */ (ASKED[index % ASKED.length]);
  const memory = new Uint8Array(new SharedArrayBuffer(TARGET_BYTES + 2 * MARGIN)).fill(UNTOUCHED);
  return {
    request: {
      method,
      range,
      encoded: sink === 'encoded',
      target: '/',
      headers: [],
      body: null,
      origin: null,
    },
    sink:
      sink === 'land'
        ? { kind: 'land', target: memory.subarray(MARGIN, MARGIN + TARGET_BYTES) }
        : { kind: 'collect', maxBytes: 16_384 },
    memory,
    // Which lengths of the body are wanted at most: what is behind must stay as it was.
    wantedBytes: Math.min(range?.length ?? Infinity, TARGET_BYTES),
  };
}

export class HttpTarget {
  name = 'http';
  /** How often each strictness was met. @type {Map<string, number>} */
  strict = new Map();
  /** How inputs ended. */
  ends = { accepted: 0, refusedByBoth: 0, strict: 0, incomplete: 0 };
  #input = Buffer.alloc(MAX_INPUT_BYTES);
  #whole = new Subject(0x30);
  #pieces = new Subject(13);
  #reference = new Reference();
  #asked = ASKED.map((_, index) => askedOf(index));

  /** @param {import('../lib/dice.mjs').Dice} dice @param {number} index @returns {string | null} a disagreement */
  run(dice, index) {
    const length = writeAnswer(dice, this.#input);
    const asked = index % ASKED.length;
    const cuts = cutsOf(dice, length);
    const found = this.compare(this.#input, length, asked, cuts);
    if (found === null) return null;
    const smaller = shrink(Buffer.from(this.#input.subarray(0, length)), (bytes) => {
      const again = this.#compareQuietly(Buffer.from(bytes), asked);
      return again !== null && again.split(':', 1)[0] === found.split(':', 1)[0];
    });
    const shown = this.#compareQuietly(Buffer.from(smaller), asked) ?? found;
    return `${shown}; ${JSON.stringify(ASKED[asked])} ${JSON.stringify(Buffer.from(smaller).toString('latin1'))}`;
  }

  /** @param {Buffer} bytes @param {number} asked */
  #compareQuietly(bytes, asked) {
    const every = bytes.length < 2000 ? Array.from({ length: bytes.length }, (_, at) => at) : [];
    return this.compare(bytes, bytes.length, asked, every);
  }

  /**
   * @param {Buffer} input @param {number} length @param {number} askedIndex @param {readonly number[]} cuts
   * @returns {string | null}
   */
  compare(input, length, askedIndex, cuts) {
    const asked = /** @type {ReturnType<typeof askedOf>} */ (this.#asked[askedIndex]);
    const ours = this.#whole;
    const pieces = this.#pieces;
    pieces.receive(input, length, cuts, /** @type {any} */ (asked.request), /** @type {any} */ (asked.sink));
    const piecesBody =
      asked.sink.kind === 'land' && pieces.stand !== Stand.Refused ? Buffer.from(pieces.body) : pieces.body;
    ours.receive(input, length, [], /** @type {any} */ (asked.request), /** @type {any} */ (asked.sink));
    const own =
      ours.violation || pieces.violation || differsInPieces(ours, pieces, piecesBody) || this.#touched(asked);
    if (own) return `own: ${own}`;
    return this.#withReference(input, length, asked.request.method === 'HEAD');
  }

  /** @param {Buffer} input @param {number} length @param {boolean} isHead */
  #withReference(input, length, isHead) {
    const ours = this.#whole;
    const node = this.#reference;
    node.begin(isHead);
    if (ours.stand === Stand.Complete && ours.plan.mode !== BodyMode.UntilClose && !ours.cutOff) {
      // Complete with its last byte, and not before.
      node.feed(input.subarray(0, ours.consumed - 1));
      if (node.complete) return `end: Node's parser is done before byte ${ours.consumed}`;
      node.feed(input.subarray(ours.consumed - 1, ours.consumed));
      if (node.refusal === null && !node.complete)
        return `end: Node's parser wants more than ${ours.consumed} bytes`;
    } else if (ours.stand === Stand.Complete || ours.stand === Stand.Body) {
      node.feed(input.subarray(0, ours.consumed));
      if (ours.plan.mode === BodyMode.UntilClose && !ours.cutOff) node.end();
    } else {
      return this.#refused(input, length);
    }
    this.ends[ours.stand === Stand.Body ? 'incomplete' : 'accepted'] += 1;
    if (node.refusal !== null) return `accepts: Node's parser refuses it (${node.refusal})`;
    return this.#differs(isHead);
  }

  /** Ours has refused the bytes, or has no head yet. @param {Buffer} input @param {number} length */
  #refused(input, length) {
    const node = this.#reference;
    const ours = this.#whole;
    node.feed(input.subarray(0, length));
    node.end();
    const takes = node.refusal === null && node.complete;
    if (!takes) {
      this.ends[ours.stand === Stand.Head && node.refusal === null ? 'incomplete' : 'refusedByBoth'] += 1;
      return null;
    }
    if (ours.stand === Stand.Head) return 'waits: ours waits for more of a head that Node has whole';
    this.ends.strict += 1;
    this.strict.set(ours.reason, (this.strict.get(ours.reason) ?? 0) + 1);
    return ours.reason in STRICTNESS ? null : `strictness: unknown reason "${ours.reason}"`;
  }

  /** Both take it: in what do they differ? @param {boolean} isHead */
  #differs(isHead) {
    const ours = this.#whole;
    const node = this.#reference;
    if (node.status !== ours.head.status) return `status: ${ours.head.status}, Node's ${node.status}`;
    if (ours.body.length > node.bodyLength || ours.body.compare(node.body, 0, ours.body.length) !== 0)
      return 'body: other bytes';
    if (!ours.cutOff && ours.body.length !== node.bodyLength)
      return `body: ${ours.body.length} bytes, Node's ${node.bodyLength}`;
    return this.#differsInHeaders() ?? this.#differsInMeaning(isHead);
  }

  #differsInHeaders() {
    const { headers } = this.#reference;
    const { record } = this.#whole;
    for (let at = 0; at < headers.length; at += 2) {
      const name = /** @type {string} */ (headers[at]).toLowerCase();
      // A record is asked for names of letters, digits and hyphens.
      if (!/^[a-z0-9-]+$/.test(name)) continue;
      let value = '';
      let seen = 0;
      for (let other = 0; other < headers.length; other += 2) {
        if (headers[other]?.length !== name.length || headers[other]?.toLowerCase() !== name) continue;
        value = seen === 0 ? /** @type {string} */ (headers[other + 1]) : `${value}, ${headers[other + 1]}`;
        seen += 1;
      }
      const own = record?.header(name);
      if (own !== value) return `header: ${name} is ${JSON.stringify(own)}, Node's ${JSON.stringify(value)}`;
    }
    return null;
  }

  /** What the head parser made of the headers, against a plain reading of Node's. @param {boolean} isHead */
  #differsInMeaning(isHead) {
    const { head, reusable } = this.#whole;
    const { headers, keepAlive } = this.#reference;
    const said = {
      length: -1,
      chunked: false,
      encoded: false,
      multipart: false,
      range: '',
      ranges: 0,
      close: false,
    };
    for (let at = 0; at < headers.length; at += 2) {
      const value = /** @type {string} */ (headers[at + 1]);
      const name = /** @type {string} */ (headers[at]);
      switch (name.length < 10 || name.length > 17 ? '' : name.toLowerCase()) {
        case 'content-length':
          said.length = Number(value);
          break;
        case 'transfer-encoding':
          said.chunked = value.toLowerCase() === 'chunked';
          break;
        case 'content-encoding':
          said.encoded ||= value !== '' && value.toLowerCase() !== 'identity';
          break;
        case 'content-type':
          said.multipart ||= /^multipart\//i.test(value);
          break;
        case 'content-range':
          said.range = value;
          said.ranges += 1;
          break;
        case 'connection':
        case 'proxy-connection':
          said.close ||= value.split(',').some((word) => /^[ \t]*close[ \t]*$/i.test(word));
          break;
      }
    }
    if (head.contentLength !== said.length) return `meaning: Content-Length ${head.contentLength}`;
    if (head.chunked !== said.chunked) return `meaning: chunked ${head.chunked}`;
    if (head.encoded !== said.encoded) return `meaning: encoded ${head.encoded}`;
    if (head.multipart !== said.multipart) return `meaning: multipart ${head.multipart}`;
    if (head.close !== said.close) return `meaning: close ${head.close}`;
    // Of an answer to HEAD Node's parser thinks that its body, were there one, would end with the connection.
    if (reusable && !keepAlive && !isHead) return 'reuse: Node would close the connection';
    return differsInRange(head, said.range, said.ranges);
  }

  /** Whether anything around the target was written. @param {ReturnType<typeof askedOf>} asked */
  #touched({ memory, wantedBytes, sink }) {
    if (sink.kind !== 'land') return '';
    const behind = MARGIN + wantedBytes;
    const guards = memory[MARGIN - 1] === UNTOUCHED && memory[MARGIN + TARGET_BYTES] === UNTOUCHED;
    return guards && (wantedBytes === TARGET_BYTES || memory[behind] === UNTOUCHED)
      ? ''
      : 'bytes were written outside of the target';
  }
}

/** @param {import('../../../dist/transport/head.js').HeadParser} head @param {string} value @param {number} count */
function differsInRange(head, value, count) {
  if (count === 0)
    return head.range === RangeField.Absent ? null : 'meaning: a Content-Range that is not there';
  const given = count === 1 ? /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/i.exec(value) : null;
  let expected = RangeField.Malformed;
  if (given !== null) {
    const [, start, end, total] = given;
    const size = total === '*' ? Infinity : Number(total);
    if (start === undefined) expected = total === '*' ? RangeField.Malformed : RangeField.Unsatisfied;
    else if (Number(start) <= Number(end) && Number(end) < size) expected = RangeField.Given;
    if (
      expected === RangeField.Given &&
      (head.rangeStart !== Number(start) ||
        head.rangeEnd !== Number(end) ||
        head.rangeTotal !== (total === '*' ? -1 : size))
    )
      return `meaning: Content-Range ${head.rangeStart}-${head.rangeEnd}/${head.rangeTotal}`;
  }
  return head.range === expected ? null : `meaning: Content-Range ${JSON.stringify(value)} as ${head.range}`;
}

/** @param {Subject} ours @param {Subject} pieces @param {Buffer} piecesBody */
function differsInPieces(ours, pieces, piecesBody) {
  if (ours.stand !== pieces.stand)
    return `in pieces it ends as ${pieces.stand} (${pieces.reason}), whole as ${ours.stand} (${ours.reason})`;
  if (ours.reason !== pieces.reason)
    return `in pieces it is refused for "${pieces.reason}", whole for "${ours.reason}"`;
  if (ours.stand === Stand.Head || ours.stand === Stand.Refused) return '';
  if (ours.consumed !== pieces.consumed && !ours.cutOff)
    return `in pieces it takes ${pieces.consumed} bytes, whole ${ours.consumed}`;
  if (!ours.body.equals(piecesBody)) return 'in pieces it has another body';
  return '';
}

/** Where the input is cut into reads. @param {import('../lib/dice.mjs').Dice} dice @param {number} length */
function cutsOf(dice, length) {
  if (length === 0) return [];
  if (dice.chance(2)) return Array.from({ length }, (_, at) => at);
  if (dice.chance(50)) return [dice.below(length)];
  return [dice.below(length), dice.below(length), dice.below(length)].sort((a, b) => a - b);
}
