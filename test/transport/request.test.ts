import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../dist/protocol/errors.js';
import type { PreparedRequest } from '../../dist/protocol/http.js';
import { HeaderBlock } from '../../dist/protocol/headers.js';
import { NEVER } from '../../dist/protocol/stop.js';
import { requestHead } from '../../dist/transport/request.js';
import { COLLECT, land, transportOf } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

const BASE: PreparedRequest = {
  origin: { id: 'http://store:80', secure: false, host: 'store', port: 80, ca: null, serverName: null },
  method: 'GET',
  target: '/a%20b?c=d',
  headers: ['Host', 'store', 'X-Date', 'caf\xe9\tau lait'],
  body: null,
  range: null,
};

describe('the request head', () => {
  it('is the request line, the headers as given, and the length of a body', () => {
    expect(requestHead(BASE, COLLECT)).toBe(
      'GET /a%20b?c=d HTTP/1.1\r\nHost: store\r\nX-Date: caf\xe9\tau lait\r\n\r\n',
    );
    const body = new Uint8Array(7);
    expect(requestHead({ ...BASE, method: 'PUT', body }, COLLECT)).toContain('\r\nContent-Length: 7\r\n\r\n');
    expect(requestHead({ ...BASE, method: 'POST' }, COLLECT)).toContain('\r\nContent-Length: 0\r\n\r\n');
  });

  it('tells of a PUT or POST without a body that there is none, and of no other', () => {
    const headOf = (method: PreparedRequest['method'], body: Uint8Array | null = null): unknown =>
      requestHead({ ...BASE, headers: ['Host', 'h'], method, body }, COLLECT);
    expect(headOf('PUT')).toBe('PUT /a%20b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n');
    expect(headOf('POST')).toContain('\r\nContent-Length: 0\r\n\r\n');
    expect(headOf('PUT', new Uint8Array(0))).toContain('\r\nContent-Length: 0\r\n\r\n');
    for (const method of ['GET', 'HEAD', 'DELETE'] as const)
      expect(headOf(method)).not.toContain('Content-Length');
  });

  it('begins with the headers that many requests have in common, the Host among them', () => {
    const constant = new HeaderBlock(['Host', 'h', 'Accept', '*/*']);
    expect(requestHead({ ...BASE, constant, headers: ['X-A', 'b'] }, COLLECT)).toBe(
      'GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nX-A: b\r\n\r\n',
    );
  });

  it.each([
    [{ start: 0, length: 1 }, 10],
    [{ start: 5, length: 10 }, 10],
    [{ start: 2 ** 40, length: 9 }, 10],
  ])('is made for %j and a target of %i bytes', (range, bytes) => {
    expect(typeof requestHead({ ...BASE, range }, land(new Uint8Array(bytes)))).toBe('string');
    expect(typeof requestHead({ ...BASE, range: { ...range, length: 2 ** 30 } }, COLLECT)).toBe('string');
  });

  const problems: [Partial<PreparedRequest>, string][] = [
    [{ method: 'get' as 'GET' }, 'the method is not a word in capital letters'],
    [
      { target: 'a' },
      'the request target must begin with a slash and have neither spaces nor control characters',
    ],
    [
      { target: '/a b' },
      'the request target must begin with a slash and have neither spaces nor control characters',
    ],
    [{ headers: ['Host'] }, 'the headers are not names and values in turn'],
    [{ headers: [] }, 'there must be one Host header, 0 were given'],
    [{ headers: ['Host', 'a', 'Host', 'b'] }, 'there must be one Host header, 2 were given'],
    [{ range: { start: 3, length: 0 } }, 'the range (start 3, length 0) is not one of at least one byte'],
    [{ range: { start: 3, length: 1.5 } }, 'the range (start 3, length 1.5) is not one of at least one byte'],
    [{ range: { start: 3, length: 11 } }, 'a range of 11 bytes was asked for, the target has 10'],
  ];
  it.each(problems)('with %j cannot be made, and says why', (fields, problem) => {
    expect(requestHead({ ...BASE, ...fields }, land(new Uint8Array(10)))).toMatchObject({
      code: 'InvalidArgument',
      phase: 'request',
      message: `cannot send a request to http://store:80: ${problem}`,
    });
  });

  const secret = 'SECRET';
  const bad: [string, Partial<PreparedRequest>][] = [
    ['CR LF in a value', { headers: ['Host', 'store', 'X-A', `${secret}\r\nX-B: 1`] }],
    ['LF in a value', { headers: ['Host', 'store', 'X-A', `${secret}\n`] }],
    ['NUL in a value', { headers: ['Host', 'store', 'X-A', `${secret}\0`] }],
    ['a character outside latin1 in a value', { headers: ['Host', 'store', 'X-A', `${secret}\u0100`] }],
    ['a character that latin1 would fold to LF', { headers: ['Host', 'store', 'X-A', `${secret}\u010a`] }],
    ['a colon in a name', { headers: ['Host', 'store', `${secret}:`, '1'] }],
    ['CR LF in a name', { headers: ['Host', 'store', `X\r\n${secret}`, '1'] }],
    ['an empty name', { headers: ['Host', 'store', '', secret] }],
    ['a name outside ASCII', { headers: ['Host', 'store', 'X-\xe9', secret] }],
    ['a value missing', { headers: ['Host', 'store', secret] }],
    ['no Host', { headers: ['X-A', secret] }],
    ['two Hosts', { headers: ['Host', 'store', 'host', secret] }],
    ['Connection', { headers: ['Host', 'store', 'connection', secret] }],
    ['Content-Length', { headers: ['Host', 'store', 'Content-Length', secret] }],
    ['Transfer-Encoding', { headers: ['Host', 'store', 'transfer-Encoding', secret] }],
    ['a space in the target', { target: `/a ${secret}` }],
    ['CR LF in the target', { target: `/a\r\n${secret}` }],
    ['NUL in the target', { target: `/\0${secret}` }],
    ['a target outside latin1', { target: `/\u0100${secret}` }],
    ['a target without a slash', { target: secret }],
    ['an empty target', { target: '' }],
    ['a method with a space', { method: `GET ${secret}` as 'GET' }],
    ['a method with CR LF', { method: `GET\r\n${secret}` as 'GET' }],
    ['an empty range', { range: { start: 0, length: 0 } }],
    ['a negative range', { range: { start: -1, length: 5 } }],
    ['a range that is not whole', { range: { start: 0.5, length: 5 } }],
    ['a range beyond exact numbers', { range: { start: 2 ** 53, length: 5 } }],
    ['a range larger than the target', { range: { start: 0, length: 11 } }],
  ];
  it.each(bad)('is refused with %s, and the refusal does not repeat it', async (_name, fields) => {
    const transport = transportOf();
    const sink = land(new Uint8Array(10));
    const exchange = await exchangeOnce(transport, { ...BASE, ...fields }, sink, NEVER);
    expect(exchange.outcome).toBe('refused');
    expect(exchange.error).toBeInstanceOf(MillraceError);
    expect(exchange.error!.code).toBe('InvalidArgument');
    expect(exchange.error!.phase).toBe('request');
    expect(exchange.error!.retryable).toBe(false);
    expect(exchange.error!.message).toContain('http://store:80');
    expect(exchange.error!.message).not.toContain(secret);
    expect(transport.stats().opened).toBe(0);
    transport.close();
  });
});
