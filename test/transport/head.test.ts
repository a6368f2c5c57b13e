import { describe, expect, it } from 'vitest';
import { HeadParser, HeadState, RangeField } from '../../dist/transport/head.js';
import { randomOf } from './kit.js';
import { tries } from '../kit/effort.js';

const MAX = 4096;

function parse(text: string, max = MAX): { state: HeadState; head: HeadParser } {
  const bytes = Buffer.from(text, 'latin1');
  const head = new HeadParser(max);
  head.reset(0);
  return { state: head.parse(bytes, bytes.length), head };
}

function facts(head: HeadParser): unknown {
  const { status, minor, contentLength, chunked, close, encoded, multipart, range, end } = head;
  const { rangeStart, rangeEnd, rangeTotal } = head;
  return {
    status,
    minor,
    contentLength,
    chunked,
    close,
    encoded,
    multipart,
    range,
    rangeStart,
    rangeEnd,
    rangeTotal,
    end,
  };
}

const FULL =
  'HTTP/1.1 206 Partial Content\r\nDate: now\r\ncontent-LENGTH: \t5 \r\nContent-Range: bytes 10-14/20\r\n' +
  'Connection: Keep-Alive, Close\r\nContent-Type: MULTIPART/byteranges\r\nContent-Encoding: gzip\r\n' +
  'X-Odd:\r\nX-Latin: caf\xe9\r\n\r\n';

/** What a head says that has a status line alone. */
const NOTHING = {
  status: 0,
  minor: 1,
  contentLength: -1,
  chunked: false,
  close: false,
  encoded: false,
  multipart: false,
  range: RangeField.Absent,
  rangeStart: -1,
  rangeEnd: -1,
  rangeTotal: -1,
  end: 0,
};

describe('the head parser', () => {
  it('knows nothing before it has read', () => {
    const head = new HeadParser(MAX);
    expect([facts(head), head.problem]).toEqual([NOTHING, '']);
    head.reset(7);
    expect([facts(head), head.problem]).toEqual([{ ...NOTHING, end: 7 }, '']);
  });

  it('reads a head that begins anywhere in its bytes, and counts its own alone', () => {
    const text = 'HTTP/1.1 200\r\nX-A: 1\r\n\r\n';
    const bytes = Buffer.from(`${'x'.repeat(500)}${text}more`, 'latin1');
    const head = new HeadParser(text.length);
    head.reset(500);
    expect(head.parse(bytes, 510)).toBe(HeadState.More);
    expect(head.parse(bytes, bytes.length)).toBe(HeadState.Done);
    expect(facts(head)).toEqual({ ...NOTHING, status: 200, end: 500 + text.length });
    head.reset(500);
    expect(head.parse(Buffer.from(`${'x'.repeat(500)}HTTP/1.1 20\r\n\r\n`), 515)).toBe(HeadState.Bad);
  });

  it('looks at the whole name of a header', () => {
    const names = ['x-onnection', 'xonnection', 'xontent-type', 'xontent-range', 'xontent-length'];
    const others = [...names, 'xontent-encoding', 'xransfer-encoding'];
    const { state, head } = parse(
      `HTTP/1.1 200 OK\r\nxontent-type: multipart/x\r\n${others.map((name) => `${name}: close\r\n`).join('')}\r\n`,
    );
    expect(state).toBe(HeadState.Done);
    expect(facts(head)).toEqual({ ...NOTHING, status: 200, end: head.end });
  });

  const said: [string, Partial<HeadParser>][] = [
    ['Connection: close', { close: true }],
    ['Connection:close', { close: true }],
    ['Connection: a,close ,b', { close: true }],
    ['Connection: clone', { close: false }],
    ['Connection: ', { close: false }],
    ['Content-Type: multipart/', { multipart: true }],
    ['Content-Type:\tMultipart/mixed', { multipart: true }],
    ['Content-Type: multipart', { multipart: false }],
    ['Content-Type: application/octet-stream', { multipart: false }],
    ['Content-Encoding: ', { encoded: false }],
    ['Content-Encoding:', { encoded: false }],
    ['Content-Encoding: IDENTITY ', { encoded: false }],
    ['Content-Encoding: identity, gzip', { encoded: true }],
    ['Content-Encoding: gzipgzip', { encoded: true }],
    ['Content-Length: 0', { contentLength: 0 }],
    ['Content-Length: 000000000000005', { contentLength: 5 }],
    ['Content-Range: bytes 5-5/9', { range: RangeField.Given, rangeStart: 5, rangeEnd: 5, rangeTotal: 9 }],
    ['Content-Range: bytes */0', { range: RangeField.Unsatisfied, rangeTotal: 0 }],
  ];
  it.each(said)('takes %j for what it says', (line, expected) => {
    const { state, head } = parse(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n`);
    expect([state, head.problem]).toEqual([HeadState.Done, '']);
    expect(head).toMatchObject(expected);
  });

  it.each([100, 199, 204, 599])('takes the status %i', (status) => {
    expect(parse(`HTTP/1.1 ${status} X\r\n\r\n`)).toMatchObject({ state: HeadState.Done, head: { status } });
  });

  const problems: [string, string][] = [
    ['nonsense\r\n\r\n', 'its first line is not a status line of HTTP/1.0 or HTTP/1.1'],
    ['HTTP/1.1_200 OK\r\n\r\n', 'its first line is not a status line of HTTP/1.0 or HTTP/1.1'],
    ['HTTP/1.1 200_OK\r\n\r\n', 'its first line is not a status line of HTTP/1.0 or HTTP/1.1'],
    ['HTTP/1.1 600 OK\r\n\r\n', 'its status is not a number from 100 to 599'],
    ['HTTP/1.1 2x0 OK\r\n\r\n', 'its status is not a number from 100 to 599'],
    ['HTTP/1.1 200 OK\rx', 'a CR without LF'],
    ['HTTP/1.1 200 OK\n', 'a LF without CR'],
    ['HTTP/1.1 200 O\x01', 'the control character 1'],
    ['HTTP/1.1 200 O\x7f', 'the control character 127'],
    ['HTTP/1.1 200 OK\r\n a: b\r\n', 'a folded header line'],
    ['HTTP/1.1 200 OK\r\n\ta: b\r\n', 'a folded header line'],
    ['HTTP/1.1 200 OK\r\na b: c\r\n', 'a header name that is not a token'],
    ['HTTP/1.1 200 OK\r\n: c\r\n', 'a header name that is not a token'],
    ['HTTP/1.1 200 OK\r\nab\r\n', 'a header name that is not a token'],
    ['HTTP/1.1 200 OK\r\nContent-Length: x\r\n', 'a Content-Length that is not a number'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n', 'two Content-Lengths'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: deflate\r\n', 'a Transfer-Encoding other than chunked'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunkedx\r\n', 'a Transfer-Encoding other than chunked'],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n',
      'Content-Length together with Transfer-Encoding',
    ],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'Transfer-Encoding in HTTP/1.0'],
    ['x'.repeat(MAX), `it has more than ${MAX} bytes`],
  ];
  it.each(problems)('says what is wrong with %j', (text, problem) => {
    expect(parse(text)).toMatchObject({ state: HeadState.Bad, head: { problem } });
  });

  it('reads what matters, whatever the case of names and the blanks around values', () => {
    const { state, head } = parse(FULL + 'HELLO');
    expect(state).toBe(HeadState.Done);
    expect(facts(head)).toEqual({
      status: 206,
      minor: 1,
      contentLength: 5,
      chunked: false,
      close: true,
      encoded: true,
      multipart: true,
      range: RangeField.Given,
      rangeStart: 10,
      rangeEnd: 14,
      rangeTotal: 20,
      end: FULL.length,
    });
  });

  it('finds the same when the head comes in two pieces, cut at any byte, and one byte at a time', () => {
    const bytes = Buffer.from(FULL, 'latin1');
    const whole = facts(parse(FULL).head);
    for (let cut = 0; cut < bytes.length; cut++) {
      const head = new HeadParser(MAX);
      head.reset(0);
      expect(head.parse(bytes, cut), `cut at ${cut}`).toBe(HeadState.More);
      expect(head.parse(bytes, bytes.length)).toBe(HeadState.Done);
      expect(facts(head)).toEqual(whole);
    }
    const head = new HeadParser(MAX);
    head.reset(0);
    for (let to = 0; to < bytes.length; to++) expect(head.parse(bytes, to)).toBe(HeadState.More);
    expect(head.parse(bytes, bytes.length)).toBe(HeadState.Done);
    expect(facts(head)).toEqual(whole);
  });

  it('keeps nothing of the head before', () => {
    const fresh = {
      ...NOTHING,
      status: 200,
      end: 19,
    };
    const { head } = parse(FULL);
    const bytes = Buffer.from('HTTP/1.1 200 OK\r\n\r\n');
    head.reset(0);
    expect(head.parse(bytes, bytes.length)).toBe(HeadState.Done);
    expect(facts(head)).toEqual(fresh);
  });

  const good: [string, string, Partial<HeadParser>][] = [
    ['a status line without a reason', 'HTTP/1.1 200\r\n\r\n', { status: 200 }],
    ['an empty reason', 'HTTP/1.1 404 \r\n\r\n', { status: 404 }],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\n', { minor: 0 }],
    ['identity', 'HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\n', { encoded: false }],
    ['chunked in any case', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n', { chunked: true }],
    [
      'a range of unknown total',
      'HTTP/1.1 206 P\r\nContent-Range: bytes 0-1/*\r\n\r\n',
      { range: RangeField.Given, rangeTotal: -1 },
    ],
    [
      'an unsatisfied range',
      'HTTP/1.1 416 N\r\nContent-Range: bytes */9\r\n\r\n',
      { range: RangeField.Unsatisfied, rangeTotal: 9 },
    ],
    ['spaces behind chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked  \r\n\r\n', { chunked: true }],
    [
      'what a proxy says of its connection',
      'HTTP/1.1 200 OK\r\nProxy-Connection: Close\r\n\r\n',
      { close: true },
    ],
    ['closer is not close', 'HTTP/1.1 200 OK\r\nConnection: closer, xclose\r\n\r\n', { close: false }],
  ];
  it.each(good)('accepts %s', (_name, text, expected) => {
    const { state, head } = parse(text);
    expect(head.problem).toBe('');
    expect(state).toBe(HeadState.Done);
    expect(head).toMatchObject(expected);
  });

  const ok = 'HTTP/1.1 200 OK\r\n';
  const bad: [string, string][] = [
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['HTTP/2', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['lower case', 'http/1.1 200 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a signed status', 'HTTP/1.1 +20 OK\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 OK\r\n\r\n'],
    ['an empty first line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['a folded line', ok + 'X-A: 1\r\n folded\r\n\r\n'],
    ['a line folded by a tab', ok + 'X-A: 1\r\n\tfolded\r\n\r\n'],
    ['a bare LF after the status line', 'HTTP/1.1 200 OK\nX-A: 1\r\n\r\n'],
    ['a bare LF after a header', ok + 'X-A: 1\nX-B: 2\r\n\r\n'],
    ['a bare LF as the empty line', ok + 'X-A: 1\r\n\n'],
    ['a bare CR in a value', ok + 'X-A: 1\r2\r\n\r\n'],
    ['two CRs', ok + 'X-A: 1\r\r\n\r\n'],
    ['NUL in a value', ok + 'X-A: 1\0\r\n\r\n'],
    ['NUL in a name', ok + 'X\0A: 1\r\n\r\n'],
    ['DEL in a value', ok + 'X-A: \x7f\r\n\r\n'],
    ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
    ['a space before the colon', ok + 'Content-Length : 5\r\n\r\n'],
    ['a space within a name', ok + 'Content Length: 5\r\n\r\n'],
    ['an empty name', ok + ': 5\r\n\r\n'],
    ['a line without a colon', ok + 'nonsense\r\n\r\n'],
    ['a name that is not ASCII', ok + 'X-\xe9: 1\r\n\r\n'],
    ['a slash in a name', ok + 'X/A: 1\r\n\r\n'],
    ['two different lengths', ok + 'Content-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['the same length twice', ok + 'Content-Length: 5\r\nContent-Length: 5\r\n\r\n'],
    ['a list of lengths', ok + 'Content-Length: 5, 5\r\n\r\n'],
    ['a negative length', ok + 'Content-Length: -5\r\n\r\n'],
    ['a signed length', ok + 'Content-Length: +5\r\n\r\n'],
    ['a hexadecimal length', ok + 'Content-Length: 0x5\r\n\r\n'],
    ['an empty length', ok + 'Content-Length:\r\n\r\n'],
    ['a length too large to be exact', ok + 'Content-Length: 9999999999999999\r\n\r\n'],
    ['a tab behind the length', ok + 'Content-Length: 5\t\r\n\r\n'],
    ['a tab behind chunked', ok + 'Transfer-Encoding: chunked\t\r\n\r\n'],
    ['length and chunks', ok + 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['chunks and length', ok + 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n'],
    ['gzip, chunked', ok + 'Transfer-Encoding: gzip, chunked\r\n\r\n'],
    ['transfer-encoding identity', ok + 'Transfer-Encoding: identity\r\n\r\n'],
    ['transfer-encoding xchunked', ok + 'Transfer-Encoding: xchunked\r\n\r\n'],
    ['chunked twice', ok + 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ];
  it.each(bad)('refuses %s, however it is cut', (_name, text) => {
    const { state, head } = parse(text);
    expect(state).toBe(HeadState.Bad);
    expect(head.problem).not.toBe('');
    const bytes = Buffer.from(text, 'latin1');
    const slow = new HeadParser(MAX);
    slow.reset(0);
    let last: HeadState = HeadState.More;
    for (let to = 1; to <= bytes.length && last === HeadState.More; to++) last = slow.parse(bytes, to);
    expect(last).toBe(HeadState.Bad);
    expect(slow.problem).toBe(head.problem);
  });

  const malformed = [
    'bytes 0-1',
    'bytes 0-1/',
    'bytes 1-0/5',
    'bytes 0-5/5',
    'bytes -1/5',
    'bytes 0-/5',
    'items 0-1/5',
    '0-1/5',
    'bytes */*',
    'bytes 0-1/x',
    'bytes 0-1/*5',
    'bytes 0-1/*x',
    'bytes */*5',
    'bytes a-b/5',
    'bytes 0-1,3-4/5',
    'bytes  0-1/5',
    'bytes 0-1/5/6',
    'bytes=0-1/5',
    'bytes 0-1/*x',
    'bytes 0-1/**',
    'bytes */',
    'bytes *-5/9',
    'bytes 5/9',
    'bytes 0-1/0',
    'bytes/5',
  ];
  it.each(malformed)('says that the Content-Range "%s" cannot be understood', (value) => {
    expect(parse(`HTTP/1.1 206 P\r\nContent-Range: ${value}\r\n\r\n`).head.range).toBe(RangeField.Malformed);
  });

  it('does not choose between two Content-Ranges', () => {
    const line = 'Content-Range: bytes 0-1/5\r\n';
    expect(parse(`HTTP/1.1 206 P\r\n${line}${line}\r\n`).head.range).toBe(RangeField.Malformed);
  });

  it('takes a head of exactly the bound, and refuses one byte more as soon as it is there', () => {
    const text = `${ok}X-A: ${'x'.repeat(100)}\r\n\r\n`;
    expect(parse(text, text.length).state).toBe(HeadState.Done);
    expect(parse(text, text.length - 1).state).toBe(HeadState.Bad);
    expect(parse('HTTP/1.1 200 ' + 'x'.repeat(200), 128).state).toBe(HeadState.Bad);
    expect(parse('HTTP/1.1 200 ' + 'x'.repeat(114), 128).state).toBe(HeadState.More);
  });
});

describe('the head parser under fuzz', () => {
  const pieces = [
    'HTTP/1.1 200 OK',
    'HTTP/1.0 206 P',
    '\r\n',
    '\r',
    '\n',
    ' ',
    '\t',
    ':',
    ',',
    '\0',
    '\x7f',
    '\xff',
    'Content-Length',
    ': 5',
    ': 05',
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Content-Range: bytes 0-4/9',
    'X-A: b',
    '\r\n\r\n',
    '9'.repeat(20),
  ];

  /** A second opinion, slow and by other means: the whole head against a grammar. */
  function wellFormed(head: string): boolean {
    const text = '[\\t\\x20-\\x7e\\x80-\\xff]*';
    const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
    return new RegExp(`^HTTP/1\\.[01] [1-5]\\d\\d(?: ${text})?\\r\\n(?:${token}:${text}\\r\\n)*\\r\\n$`).test(
      head,
    );
  }

  it('agrees with the grammar about 20,000 heads, and the cuts make no difference', () => {
    const random = randomOf(20_261_121);
    let done = 0;
    for (let i = 0; i < tries(20_000, 1000); i++) {
      let text = random(4) === 0 ? '' : 'HTTP/1.1 200 OK\r\n';
      for (let n = random(8); n > 0; n--)
        text += pieces[random(pieces.length)]! + (random(2) === 0 ? '\r\n' : '');
      if (random(2) === 0) text += '\r\n';
      const bytes = Buffer.from(text, 'latin1');
      const once = parse(text, 512);
      const cut = random(bytes.length + 1);
      const twice = new HeadParser(512);
      twice.reset(0);
      let state = twice.parse(bytes, cut);
      if (state === HeadState.More) state = twice.parse(bytes, bytes.length);
      expect(state, JSON.stringify(text)).toBe(once.state);
      if (state !== HeadState.Done) continue;
      done++;
      expect(facts(twice)).toEqual(facts(once.head));
      expect(wellFormed(text.slice(0, twice.end)), JSON.stringify(text)).toBe(true);
    }
    expect(done).toBeGreaterThan(tries(1000, 30));
  });
});
