import { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { Origin, PreparedRequest } from '../../dist/protocol/http.js';
import {
  connectFailed,
  connectionLost,
  contextOf,
  shortBodyMessage,
  timedOut,
} from '../../dist/transport/failures.js';
import { BodyMode, emptyPlan } from '../../dist/transport/framing.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';

const ORIGIN: Origin = {
  id: 'https://store:443',
  secure: true,
  host: 'store',
  port: 443,
  ca: null,
  serverName: null,
};

describe('a time-out', () => {
  it.each([
    ['connect', 'no connection to https://store:443 within 10000 ms (connectTimeoutMs)'],
    ['send', 'https://store:443 took too little of the request body for 20000 ms (idleTimeoutMs)'],
    ['firstByte', 'no answer from https://store:443 within 30000 ms (firstByteTimeoutMs)'],
    ['work', 'https://store:443 was silent over what it was asked to do for 300000 ms (workTimeoutMs)'],
    ['idle', 'no byte of the body from https://store:443 for 20000 ms (idleTimeoutMs)'],
    [
      'rate',
      'the body from https://store:443 came slower than 1024 bytes per second over 30000 ms ' +
        '(minRateBytesPerSecond, minRateWindowMs)',
    ],
  ] as const)('of %s names the origin, the limit and its value', (wait, message) => {
    const error = timedOut(wait, DEFAULT_TRANSPORT_LIMITS, { phase: 'head', status: 200 }, ORIGIN);
    expect(error).toMatchObject({ code: 'TimedOut', message, phase: 'head', status: 200 });
  });
});

describe('a connection that did not come about', () => {
  it('tells the code and the message of the system, once each', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
    const error = connectFailed(ORIGIN, refused, null);
    expect(error).toMatchObject({
      code: 'ConnectionFailed',
      phase: 'connect',
      retryable: true,
      cause: refused,
      message: 'no connection to https://store:443: connect ECONNREFUSED 127.0.0.1:1',
    });
    const bare = Object.assign(new Error('it hung up'), { code: 'ECONNRESET' });
    expect(connectFailed(ORIGIN, bare, {}).message).toBe(
      'no connection to https://store:443: ECONNRESET: it hung up',
    );
  });

  it('tells the first reason where several addresses were tried', () => {
    const several = Object.assign(new AggregateError([new Error('first'), new Error('second')]), {
      code: 'ETIMEDOUT',
    });
    expect(connectFailed(ORIGIN, several, null).message).toBe(
      'no connection to https://store:443: ETIMEDOUT: first',
    );
  });

  it.each([
    [null, 'ended by the other side'],
    [undefined, 'ended by the other side'],
    ['a text', 'a text'],
  ])('for %j says: %s', (cause, words) => {
    expect(connectFailed(ORIGIN, cause, null).message).toBe(`no connection to https://store:443: ${words}`);
  });

  it('is not worth another attempt where the certificate was looked at and refused', () => {
    const socket = Object.create(TLSSocket.prototype) as { authorizationError: unknown };
    for (const [verdict, retryable] of [
      [null, true],
      [undefined, true],
      [new Error('self-signed'), false],
    ] as const) {
      socket.authorizationError = verdict;
      const error = connectFailed(ORIGIN, new Error('self-signed certificate'), socket);
      expect([error.code, error.phase, error.retryable]).toEqual(['ConnectionFailed', 'connect', retryable]);
      expect(error.message).toBe(
        retryable
          ? 'no connection to https://store:443: self-signed certificate'
          : 'the certificate of https://store:443 is not accepted: self-signed certificate',
      );
    }
  });
});

describe('a connection that broke', () => {
  it('tells where, and why where that is known', () => {
    const cause = new Error('read failed');
    const known = connectionLost(ORIGIN, 'within the head of the answer', cause, { phase: 'head' });
    expect(known).toMatchObject({ code: 'ConnectionFailed', phase: 'head', cause });
    expect(known.message).toBe(
      'the connection to https://store:443 broke within the head of the answer: read failed',
    );
    const ended = connectionLost(ORIGIN, 'before an answer came', null, { phase: 'request' });
    expect(ended.message).toBe(
      'the connection to https://store:443 broke before an answer came: ended by the other side',
    );
    expect([ended.phase, 'cause' in ended]).toEqual(['request', false]);
  });
});

describe('a body that ended early', () => {
  it.each([
    ['of a known length', { mode: BodyMode.Length, length: 10, promised: 10 }, 'ended after 4 bytes of 10'],
    ['of a whole object', { mode: BodyMode.Length, length: 10 }, 'ended after 4 bytes of 10'],
    ['in chunks', { mode: BodyMode.Chunked }, 'ended after 4 bytes before its last chunk'],
    ['in chunks, of a part', { mode: BodyMode.Chunked, promised: 9 }, 'ended after 4 bytes of 9'],
    ['in chunks, of an empty part', { mode: BodyMode.Chunked, promised: 0 }, 'ended after 4 bytes of 0'],
  ])('%s: it says what was promised', (_, plan, end) => {
    expect(shortBodyMessage({ ...emptyPlan(), ...plan }, ORIGIN, 4)).toBe(
      `the body from https://store:443 ${end}`,
    );
  });

  it('because the service gave less than it was asked for says so', () => {
    expect(shortBodyMessage({ ...emptyPlan(), withheld: true }, ORIGIN, 4)).toBe(
      'https://store:443 served 4 bytes, fewer than asked for, though the object does not end there',
    );
  });
});

describe('the context of an error', () => {
  const request: PreparedRequest = {
    origin: ORIGIN,
    method: 'GET',
    target: '/a',
    headers: [],
    body: null,
    range: { start: 10, length: 5 },
  };

  it('has the first and the last byte that were asked for, and the status once there is one', () => {
    expect(contextOf(request, 'body', 206)).toEqual({ phase: 'body', status: 206, range: [10, 14] });
    expect(contextOf({ ...request, range: null }, 'head', 0)).toEqual({ phase: 'head' });
  });
});
