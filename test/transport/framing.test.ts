import { describe, expect, it } from 'vitest';
import type { BodySink, PreparedRequest } from '../../dist/protocol/http.js';
import { BodyState, judgeBody } from '../../dist/transport/body.js';
import { type BodyPlan, BodyMode, emptyPlan, planBody, type Refusal } from '../../dist/transport/framing.js';
import { HeadParser, HeadState } from '../../dist/transport/head.js';
import { land } from './kit.js';

const MAX_ERROR_BYTES = 77;
const TARGET = new Uint8Array(100);
const LAND = land(TARGET);
const COLLECT: BodySink = { kind: 'collect', maxBytes: 40 };

const REQUEST: PreparedRequest = {
  origin: { id: 'http://store:80', secure: false, host: 'store', port: 80, ca: null, serverName: null },
  method: 'GET',
  target: '/a',
  headers: [],
  body: null,
  range: null,
};

function headOf(text: string): HeadParser {
  const bytes = Buffer.from(`HTTP/1.1 ${text}\r\n\r\n`, 'latin1');
  const head = new HeadParser(4096);
  head.reset(0);
  expect(head.parse(bytes, bytes.length)).toBe(HeadState.Done);
  return head;
}

/** A plan that says the opposite of all that a new one says: one plan serves all answers of a connection. */
function usedPlan(): BodyPlan {
  return {
    mode: BodyMode.Chunked,
    length: 9,
    limit: 9,
    target: new Uint8Array(9),
    keepFirstPart: true,
    promised: 9,
    withheld: true,
    doubtful: true,
  };
}

function plan(
  answer: string,
  request: Partial<PreparedRequest> = {},
  sink: BodySink = LAND,
): { refusal: Refusal | null; plan: BodyPlan } {
  const filled = usedPlan();
  const refusal = planBody(headOf(answer), { ...REQUEST, ...request }, sink, MAX_ERROR_BYTES, filled);
  return { refusal, plan: filled };
}

const part = (start: number, length: number): Partial<PreparedRequest> => ({ range: { start, length } });
const LANDED = { target: TARGET, keepFirstPart: false, withheld: false, doubtful: false };

describe('the plan of a body that is used', () => {
  it('lands a whole object of known length, up to the end of the target', () => {
    expect(plan('200 OK\r\nContent-Length: 100')).toEqual({
      refusal: null,
      plan: { ...LANDED, mode: BodyMode.Length, length: 100, limit: 100, promised: -1 },
    });
    expect(plan('200 OK\r\nContent-Length: 0')).toMatchObject({
      refusal: null,
      plan: { mode: BodyMode.Length, length: 0 },
    });
    expect(plan('200 OK\r\nTransfer-Encoding: chunked')).toMatchObject({
      refusal: null,
      plan: { ...LANDED, mode: BodyMode.Chunked, limit: 100, promised: -1 },
    });
  });

  it('of a range never lands more than was asked for', () => {
    expect(plan('206 P\r\nContent-Range: bytes 5-14/99\r\nContent-Length: 10', part(5, 10))).toEqual({
      refusal: null,
      plan: { ...LANDED, mode: BodyMode.Length, length: 10, limit: 10, promised: 10 },
    });
    expect(plan('200 OK\r\nContent-Length: 10', part(0, 10)).refusal).toBeNull();
    expect(plan('200 OK\r\nContent-Length: 11', part(0, 10)).refusal).toEqual({
      outcome: 'too-long',
      code: 'ProtocolViolation',
      message: 'the body has 11 bytes, at most 10 were expected',
    });
  });

  it('collects up to the limit, with or without a length', () => {
    const collected = { target: null, keepFirstPart: false, limit: 40, promised: -1 };
    expect(plan('200 OK\r\nContent-Length: 40', {}, COLLECT)).toMatchObject({
      refusal: null,
      plan: { ...collected, mode: BodyMode.Length, length: 40 },
    });
    expect(plan('200 OK', {}, COLLECT)).toMatchObject({
      refusal: null,
      plan: { ...collected, mode: BodyMode.UntilClose },
    });
    expect(plan('200 OK\r\nContent-Length: 41', {}, COLLECT).refusal).toMatchObject({ outcome: 'too-long' });
  });

  it('lands none whose end cannot be verified', () => {
    expect(plan('200 OK').refusal).toEqual({
      outcome: 'refused',
      code: 'ProtocolViolation',
      message: 'the body has neither a Content-Length nor chunks, so its length cannot be verified',
    });
  });

  it('takes an encoding only where it was asked for', () => {
    const encoded = '200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip';
    expect(plan(encoded, { encoded: true }).refusal).toBeNull();
    for (const request of [{}, { encoded: false }]) {
      expect(plan(encoded, request).refusal).toEqual({
        outcome: 'refused',
        code: 'Unsupported',
        message:
          'the body has a Content-Encoding, which nobody asked for; if the object is stored so, ' +
          "the store's option allowContentEncoding reads the bytes as they are stored",
      });
    }
  });
});

describe('an answer to a range', () => {
  it.each([
    ['to its end', 'bytes 5-14/99', false],
    ['to the end of the object', 'bytes 5-9/10', false],
    ['of unknown total, cut short', 'bytes 5-9/*', true],
    ['cut short before the end of the object', 'bytes 5-9/11', true],
  ])('%s: whether bytes are withheld is known', (_, range, withheld) => {
    const answered = plan(`206 P\r\nContent-Range: ${range}`, part(5, 10), COLLECT);
    expect(answered.refusal).toBeNull();
    expect(answered.plan.withheld).toBe(withheld);
    expect(answered.plan.promised).toBe(range === 'bytes 5-14/99' ? 10 : 5);
  });

  const refusals: [string, string, Partial<PreparedRequest>, string][] = [
    [
      'a part of a whole',
      '206 P\r\nContent-Range: bytes 0-4/9',
      {},
      'the whole object was asked for, a part was served',
    ],
    [
      'several parts',
      '206 P\r\nContent-Type: multipart/byteranges',
      part(0, 5),
      'one range was asked for, several were served (multipart)',
    ],
    ['no Content-Range', '206 P', part(0, 5), 'the part has no Content-Range'],
    [
      'one that is not understood',
      '206 P\r\nContent-Range: bytes 0-x/9',
      part(0, 5),
      'the Content-Range cannot be understood',
    ],
    [
      'another start',
      '206 P\r\nContent-Range: bytes 1-4/9',
      part(0, 5),
      'bytes 0-4 were asked for, 1-4 were served',
    ],
    [
      'a later end',
      '206 P\r\nContent-Range: bytes 0-5/9',
      part(0, 5),
      'bytes 0-4 were asked for, 0-5 were served',
    ],
    [
      'the whole object',
      '200 OK\r\nContent-Length: 9',
      part(3, 5),
      'bytes from 3 on were asked for, the whole object was served',
    ],
  ];
  it.each(refusals)('with %s is refused', (_, answer, request, message) => {
    expect(plan(answer, request).refusal).toEqual({ outcome: 'refused', code: 'RangeRejected', message });
  });

  it('with a length that is not that of its range is refused, but for a HEAD, which has no body', () => {
    const answer = '206 P\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 9';
    expect(plan(answer, part(0, 5)).refusal).toEqual({
      outcome: 'refused',
      code: 'ProtocolViolation',
      message: 'the Content-Range promises 5 bytes, the Content-Length 9',
    });
    expect(plan(answer, { ...part(0, 5), method: 'HEAD' })).toMatchObject({
      refusal: null,
      plan: { mode: BodyMode.None, promised: -1 },
    });
    const empty = '206 P\r\nContent-Range: bytes 0-0/9\r\nContent-Length: 0';
    expect(plan(empty, part(0, 1)).refusal).toMatchObject({ code: 'ProtocolViolation' });
  });
});

describe('an answer without a body', () => {
  it.each([
    ['to a HEAD', '200 OK\r\nContent-Length: 5000', { method: 'HEAD' }, false],
    [
      'to a HEAD for a part of which less came',
      '206 P\r\nContent-Range: bytes 0-4/99',
      { ...part(0, 9), method: 'HEAD' },
      false,
    ],
    ['304', '304 Not Modified\r\nContent-Length: 5000', {}, false],
    ['204', '204 No Content', {}, false],
    ['204 with a length of none', '204 No Content\r\nContent-Length: 0', {}, false],
    ['204 that has a length after all', '204 No Content\r\nContent-Length: 5', {}, true],
    ['204 that has chunks after all', '204 No Content\r\nTransfer-Encoding: chunked', {}, true],
  ] as const)('%s: it is known whether its end is certain', (_, answer, request, doubtful) => {
    expect(plan(answer, request)).toMatchObject({
      refusal: null,
      plan: { mode: BodyMode.None, target: null, promised: -1, withheld: false, doubtful },
    });
  });
});

describe('an answer with another status', () => {
  it.each([
    ['404 Not Found\r\nContent-Length: 5000', BodyMode.Length],
    ['503 Slow Down\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip', BodyMode.Chunked],
    ['500 Oops', BodyMode.UntilClose],
    ['416 No\r\nContent-Range: bytes */9', BodyMode.UntilClose],
    ['207 Multi', BodyMode.UntilClose],
  ])('%j is never refused: the first part of its body is kept', (answer, mode) => {
    for (const request of [{}, part(3, 5)]) {
      expect(plan(answer, request)).toMatchObject({
        refusal: null,
        plan: {
          mode,
          limit: MAX_ERROR_BYTES,
          target: null,
          keepFirstPart: true,
          promised: -1,
          withheld: false,
          doubtful: false,
        },
      });
    }
  });
});

describe('a plan', () => {
  it('is empty at first', () => {
    expect(emptyPlan()).toEqual({
      mode: BodyMode.None,
      length: 0,
      limit: 0,
      target: null,
      keepFirstPart: false,
      promised: -1,
      withheld: false,
      doubtful: false,
    });
  });
});

describe('a body that has come to its end', () => {
  const judge = (fields: Partial<BodyPlan>, state: BodyState, bytes: number): unknown =>
    judgeBody({ ...emptyPlan(), limit: 10, ...fields }, state, bytes);
  const violation = (message: string): unknown => ({
    outcome: 'refused',
    code: 'ProtocolViolation',
    message,
  });

  it('is good when it is all that was promised, or nothing was', () => {
    expect(judge({}, BodyState.Done, 0)).toBe('good');
    expect(judge({ promised: 5 }, BodyState.Done, 5)).toBe('good');
    expect(judge({ promised: 0 }, BodyState.Done, 0)).toBe('good');
    expect(judge({ keepFirstPart: true }, BodyState.CutOff, 10)).toBe('good');
  });

  it('is short when it is less than was promised, or bytes were withheld', () => {
    expect(judge({ promised: 5 }, BodyState.Done, 4)).toBe('short');
    expect(judge({ promised: 5, withheld: true }, BodyState.Done, 5)).toBe('short');
  });

  it('is refused when it is broken or longer than it may be', () => {
    expect(judge({}, BodyState.Bad, 3)).toEqual(violation('the chunks of the body break their grammar'));
    for (const [state, bytes] of [
      [BodyState.Done, 6],
      [BodyState.Overflow, 5],
    ] as const)
      expect(judge({ promised: 5 }, state, bytes)).toEqual(
        violation('the body is longer than its Content-Range'),
      );
    expect(judge({ promised: 0 }, BodyState.Overflow, 0)).toEqual(
      violation('the body is longer than its Content-Range'),
    );
    expect(judge({}, BodyState.Overflow, 10)).toEqual({
      outcome: 'too-long',
      code: 'ProtocolViolation',
      message: 'the body has more than 10 bytes',
    });
  });
});
