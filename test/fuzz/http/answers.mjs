/**
 * Answers of HTTP servers, from well-formed to hostile: a grammar with many wrong turns, then damage to bytes.
 */
import { mutate } from '../lib/mutate.mjs';

const latin = (/** @type {string} */ text) => Buffer.from(text, 'latin1');

const STATUS = [
  200, 200, 200, 200, 206, 206, 206, 204, 304, 301, 400, 403, 404, 412, 416, 429, 500, 503, 205,
];
const STATUS_LINES = [
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.0 200 OK',
  'HTTP/2.0 200 OK',
  'HTTP/0.9 200 OK',
  'HTTP/1.2 200 OK',
  'http/1.1 200 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1 0200 OK',
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1 099 Odd',
  'HTTP/1.1 600 Odd',
  'HTTP/1.1 999',
  'HTTP/1.1\t200 OK',
  'HTTP/1.1 200\tOK',
  'HTTP/01.1 200 OK',
  'HTTP/1.1 +20 OK',
  'HTTP/1.1 200 caf\xe9 \x80',
  '\r\nHTTP/1.1 200 OK',
  ' HTTP/1.1 200 OK',
  'HTTP/1.1 200OK',
  'HTTP/11 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 100 Continue',
  'ICY 200 OK',
  'GET / HTTP/1.1',
  'HTTP/1.1 200 O\0K',
];
const LENGTHS = [
  '0',
  '1',
  '5',
  '5',
  '5',
  '05',
  '005',
  '+5',
  '-5',
  '5.0',
  '0x5',
  '5,5',
  '5, 5',
  '5 5',
  '',
  ' ',
  '5\t',
  '\xb2',
  '5;',
  '"5"',
  '1e1',
  '999999999999999',
  '9999999999999999',
  '9007199254740993',
  '18446744073709551615',
  '18446744073709551616',
  '18446744073709551621',
  '00000000000000000005',
  '000000000000005',
  '65536',
  '4097',
  '\x0b5',
  '5\0',
];
const CODINGS = [
  'chunked',
  'chunked',
  'chunked',
  'Chunked',
  ' chunked \t',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  'identity',
  'gzip',
  '',
  'xchunked',
  'chunkedx',
  'chunked;q=1',
  '"chunked"',
  'chun ked',
  'chunked,',
  ',chunked',
  '\x0bchunked',
  'chunked\0',
  'deflate',
];
const CONNECTIONS = [
  'close',
  'Close',
  'keep-alive',
  'keep-alive, close',
  'close, keep-alive',
  'upgrade',
  'closed',
  'x, close',
  ' close ',
  'close,',
  ',close',
  'clos e',
  'keep-alive,Close ',
  'Upgrade, close',
  '"close"',
  'close;x',
  'close\t,x',
  'x,\tclose',
];
const RANGES = [
  'bytes 0-4/10',
  'bytes 0-4/5',
  'bytes 0-4/*',
  'bytes 10-14/20',
  'bytes 10-13/20',
  'bytes 10-13/14',
  'bytes 11-14/20',
  'bytes */10',
  'bytes */*',
  'bytes 0-4',
  'bytes 4-0/10',
  'bytes 0-10/10',
  'bytes 0-0/1',
  'bytes=0-4/10',
  'BYTES 0-4/10',
  'bytes  0-4/10',
  'bytes 0 - 4/10',
  'bytes 0-4/+10',
  'bytes 0-4/0x10',
  'bytes -4/10',
  'bytes 0-/10',
  'items 0-4/10',
  'bytes 0-4/10/10',
  'bytes 0--4/10',
  'bytes 0-99999999999999999999/99999999999999999999',
  'bytes 0-4/10,bytes 5-9/10',
  '',
  'bytes 0-4/',
  'bytes 10-14/*0',
];
const PLAIN = [
  'Date: Mon, 23 Nov 2026 10:00:00 GMT',
  'Server: nginx',
  'ETag: "0123456789abcdef"',
  'x-amz-request-id: 4442587FB7D0A2F9',
  'x-amz-checksum-crc32c: AAAAAA==',
  'x-goog-hash: crc32c=AAAAAA==',
  'x-goog-hash: md5=AAAAAAAAAAAAAAAAAAAAAA==',
  'Retry-After: 3',
  'Last-Modified: Mon, 23 Nov 2026 09:00:00 GMT',
  'x-ms-version-id: 2026-11-23T09:00:00.0000000Z',
  'Accept-Ranges: bytes',
  'Content-Type: application/octet-stream',
  'Content-Type: multipart/byteranges; boundary=x',
  'content-type: text/html',
  'Content-MD5: x',
  'X-Odd:',
  'X-Odd: \t ',
  'X-Latin: caf\xe9',
  'X-Colons: a:b:c',
  'X_Under.score~!: #$%&',
  'Vary: a\tb',
  'Trailer: X-Sum',
  'Upgrade: h2c',
  'Proxy-Connection: close',
  'Keep-Alive: timeout=5',
  'Age: 7',
  'Via: 1.1 x',
  'x: y',
];
const BROKEN = [
  'NoColon',
  ': nothing before',
  ' Folded: x',
  '\tfolded',
  'Space : x',
  'Tab\t: x',
  'Ctl: a\x01b',
  'Nul: a\0b',
  'Del: \x7f',
  'N\xe9me: x',
  'Vt: \x0b',
  'Content-Length : 5',
  ' Content-Length: 5',
  'Content-Length\0: 5',
  'Content Length: 5',
  'Content-Length;: 5',
  'X: a\rContent-Length: 5',
  'X: a\nContent-Length: 5',
  'X: a\r\n b',
  'Transfer-Encoding: gzip\r\n chunked',
  'Content-Length: 5\r\n 5',
  'Transfer-Encoding\x0b: chunked',
  'Transfer_Encoding: chunked',
  'Content-Length:\r\n 5',
  '"q": x',
  '(c): x',
  'a@b: x',
  '{x}: y',
  'x=y: z',
];
const ENCODINGS = [
  'identity',
  'Identity',
  'gzip',
  'br',
  '',
  ' identity ',
  'gzip, br',
  'identity, gzip',
  'aws-chunked',
];
const SIZE_LINES = [
  '5',
  '5',
  '05',
  '0000000000005',
  'A',
  'a',
  '0x5',
  '+5',
  '-5',
  ' 5',
  '5 ',
  '5\t',
  '',
  'g',
  '5g',
  'FFFFFFFFFFFF',
  'FFFFFFFFFFFFFFFF',
  '10000000000000005',
  '5;a=b',
  '5;a="b;c"',
  '5;a',
  '5;',
  '5; a=b',
  '5 ;a=b',
  '5;a=\x80',
  '5;a="\x80"',
  '5;=b',
  '5;a="b',
  '5;a==b',
  '5;a="b\\"c"',
  '5;a="b"c',
  '5;a="b";c=d',
  '5;a=b;c',
  '5;\0',
  '5;a\tb',
  '5\0',
  '5;a="\0"',
  '5,a',
  "5;a='b'",
  '5;@',
  '5;a=b c',
  '5;a=/',
  '5;a="\t"',
];
const TRAILERS = [
  'X-Sum: abc',
  'X-Sum:',
  'x',
  'x y: z',
  ': z',
  ' fold: x',
  '\tfold',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Connection: close',
  'X-Latin: \xe9',
  'X: a\0',
  'N\xe9: x',
  'X : y',
  'Content-Length: x',
  'X: a\r\n b',
  'X: a\nY: b',
  'Trailer: \x7f',
  'Upgrade: h2c',
  'Proxy-Connection: x',
  'Connection: upgrade',
  'Keep-Alive: 5',
  'Content-Range: bytes 0-4/10',
];
const ENDS = [...Array.from({ length: 14 }, () => '\r\n'), '\n', '\r', '\r\r\n', '\r\n '];

/** What damage is made of, beside single bytes. */
const WORDS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ': ',
  ' ',
  '\t',
  '\0',
  '0',
  '00',
  '5',
  '-',
  '+',
  ',',
  ';',
  '"',
  '=',
  '\\',
  'chunked',
  'Content-Length: 5\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Content-Range: bytes 0-4/10\r\n',
  '0\r\n\r\n',
  '5\r\nabcde\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 200 OK\r\n',
  '\r\n ',
  '9999999999999999999',
  '\x80',
  '\xff',
].map(latin);

/** @typedef {import('../lib/dice.mjs').Dice} Dice */

/** @param {Dice} dice */
function statusLine(dice) {
  if (dice.chance(7)) return dice.pick(STATUS_LINES);
  return `HTTP/1.${dice.chance(6) ? 0 : 1} ${dice.chance(6) ? dice.between(0, 1100) : dice.pick(STATUS)} Reason`;
}

const NAMES = ['Content-Length', 'content-length', 'CONTENT-LENGTH'];

/** @param {Dice} dice */
function headerLine(dice) {
  const kind = dice.below(100);
  if (kind < 62) return dice.pick(PLAIN);
  if (kind < 68) return `Connection: ${dice.pick(CONNECTIONS)}`;
  if (kind < 76) return `Content-Range: ${dice.pick(RANGES)}`;
  if (kind < 80) return `Content-Encoding:${dice.pick(ENCODINGS)}`;
  if (kind < 82) return `${dice.pick(NAMES)}:${dice.pick(LENGTHS)}`;
  if (kind < 84) return `Transfer-Encoding:${dice.pick(CODINGS)}`;
  if (kind < 86) return dice.pick(BROKEN);
  if (kind < 87)
    return `X-Long: ${'v'.repeat(dice.chance(3) ? dice.between(15_900, 16_500) : dice.between(0, 300))}`;
  return dice.pick(PLAIN);
}

const BYTES = latin('abcdefghijklmnopqrstuvwxyz0123456789\r\n\0\xff;:ABCDEFGHIJKLMNOPQRSTUVWXYZ').toString(
  'latin1',
);

/** @param {Dice} dice @param {number} length */
function bytesOf(dice, length) {
  const from = dice.below(20);
  return length + from <= BYTES.length
    ? BYTES.slice(from, from + length)
    : BYTES.repeat(Math.ceil((length + from) / BYTES.length)).slice(from, from + length);
}

/** A size line that says `length`, or something else. @param {Dice} dice @param {number} length */
function sizeLine(dice, length) {
  if (dice.chance(5)) return dice.pick(SIZE_LINES);
  return length.toString(16);
}

/** @param {Dice} dice */
function chunkedBody(dice) {
  let body = '';
  for (let chunks = dice.below(4); chunks > 0; chunks -= 1) {
    const length = dice.chance(5) ? dice.between(4000, 4300) : dice.between(1, 40);
    const end = dice.chance(3) ? dice.pick(ENDS) : '\r\n';
    body += `${sizeLine(dice, dice.chance(3) ? length + dice.between(-1, 1) : length)}${dice.chance(2) ? dice.pick(ENDS) : '\r\n'}${bytesOf(dice, length)}${end}`;
  }
  body += `${dice.chance(6) ? dice.pick(['00', '0000000000000000', '0;a=b', '0;', '-0', '0 ', '0x0', '', '0;a="b"']) : '0'}\r\n`;
  if (dice.chance(16))
    for (let lines = dice.between(1, 3); lines > 0; lines -= 1)
      body += `${dice.pick(TRAILERS)}${dice.pick(ENDS)}`;
  return `${body}${dice.pick(ENDS)}`;
}

/** @param {Dice} dice */
function finalAnswer(dice) {
  const lines = [statusLine(dice)];
  for (let count = dice.below(6); count > 0; count -= 1) lines.push(headerLine(dice));
  let body = '';
  const framing = dice.below(10);
  if (framing < 5) {
    const length = dice.chance(4) ? dice.between(3000, 5000) : dice.pick([0, 1, 5, 5, 5, 4, 17]);
    body = bytesOf(dice, length);
    lines.splice(
      dice.between(1, lines.length),
      0,
      `Content-Length: ${dice.chance(6) ? dice.pick(LENGTHS) : length}`,
    );
  } else if (framing < 9) {
    body = chunkedBody(dice);
    lines.splice(
      dice.between(1, lines.length),
      0,
      `Transfer-Encoding: ${dice.chance(8) ? dice.pick(CODINGS) : 'chunked'}`,
    );
  } else if (dice.chance(50)) {
    body = bytesOf(dice, dice.below(40));
  }
  const end = dice.chance(2) ? dice.pick(ENDS) : '\r\n';
  return `${lines.join(end)}\r\n${dice.chance(1) ? dice.pick(ENDS) : '\r\n'}${body}`;
}

/** @param {Dice} dice */
function interim(dice) {
  const lines = [`HTTP/1.1 ${dice.pick([100, 100, 100, 102, 103, 199, 101, 150])} Wait`];
  if (dice.chance(30)) lines.push(headerLine(dice));
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * Writes input number `index` into `into`; returns its length.
 * @param {Dice} dice @param {Buffer} into
 */
export function writeAnswer(dice, into) {
  let text = '';
  if (dice.chance(10))
    for (let count = dice.chance(10) ? dice.between(6, 10) : dice.between(1, 3); count > 0; count -= 1)
      text += interim(dice);
  text += finalAnswer(dice);
  if (dice.chance(15))
    text += dice.chance(60)
      ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'
      : bytesOf(dice, dice.between(1, 20));
  let length = into.latin1Write(text, 0);
  if (dice.chance(45)) length = mutate(dice, into, length, WORDS, dice.chance(70) ? 1 : dice.between(2, 6));
  if (dice.chance(8)) length = dice.below(length + 1);
  return length;
}
