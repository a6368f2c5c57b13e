import { describe, expect, it } from 'vitest';
import { HeaderBlock, headerLines } from '../../dist/protocol/headers.js';

const lines = (...headers: string[]): unknown => headerLines(headers);

describe('headerLines', () => {
  it('writes names and values in turn, each line ended by CRLF', () => {
    expect(lines('Host', 'example.test', 'X-A', 'b c')).toEqual({
      text: 'Host: example.test\r\nX-A: b c\r\n',
      hosts: 1,
    });
    expect(lines()).toEqual({ text: '', hosts: 0 });
  });

  it('counts Host headers in any case, and nothing that only looks like one', () => {
    expect(lines('HOST', 'a', 'host', 'b', 'Hosts', 'c', 'mast', 'd', 'x-host', 'e')).toMatchObject({
      hosts: 2,
    });
  });

  it.each([
    ['a tab and a space', 'a\tb c'],
    ['the first and the last of ASCII', ' ~'],
    ['all that latin1 adds', '\u0080\u00ff'],
    ['nothing', ''],
  ])('takes a value with %s as it is', (_, value) => {
    expect(lines('x-a', value)).toEqual({ text: `x-a: ${value}\r\n`, hosts: 0 });
  });

  it.each([
    ['a line feed', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['a null', '\u0000'],
    ['the last control character', 'secret\u001f'],
    ['DEL', 'secret\u007f'],
    ['what latin1 has not', 'secret\u0100'],
    ['one at its very end', 'secret\n'],
  ])('refuses a value with %s, and tells its place but not the value', (_, value) => {
    expect(lines('x-a', 'good', 'x-b', value)).toBe(
      'the value (a control character, or one outside latin1) of request header 2',
    );
  });

  it.each(['', 'x a', 'x:', 'x\r\n', '(x)', 'x-\u00e9', 'x"', ' x', 'x '])('refuses the name %j', (name) => {
    expect(lines('ok', 'good', 'fine', 'good', name, 'secret')).toBe(
      'the name (not a token) of request header 3',
    );
  });

  it('takes every character of a token (RFC 9110, 5.6.2) in a name', () => {
    const name = "!#$%&'*+-.^_`|~09azAZ";
    expect(lines(name, 'v')).toMatchObject({ text: `${name}: v\r\n` });
  });

  it.each(['connection', 'Content-Length', 'TRANSFER-ENCODING', 'upgrade', 'expect', 'te', 'trailer'])(
    'leaves %s to the transport, each time',
    (name) => {
      for (let i = 0; i < 2; i += 1) {
        expect(lines(name, 'x')).toBe(
          "the name (framing and connection headers are the transport's) of request header 1",
        );
      }
    },
  );

  it('refuses a name without a value', () => {
    expect(lines('x-a', 'b', 'x-c')).toBe('the headers are not names and values in turn');
  });

  it('judges names alike, however many different ones there were before', () => {
    for (let i = 0; i < 600; i += 1) expect(lines(`x-${i}`, 'v')).toMatchObject({ text: `x-${i}: v\r\n` });
    expect(lines('x bad', 'v')).toMatch(/not a token/);
    expect(lines('x-599', 'v')).toMatchObject({ text: 'x-599: v\r\n' });
  });
});

describe('HeaderBlock', () => {
  it('is what its headers are, joined once', () => {
    const block = new HeaderBlock(['Host', 'h', 'accept', '*/*']);
    expect(block).toMatchObject({
      text: 'Host: h\r\naccept: */*\r\n',
      hosts: 1,
      headers: ['Host', 'h', 'accept', '*/*'],
    });
  });

  it('refuses what is not plain with the place of it, before any request', () => {
    expect(() => new HeaderBlock(['x-a', 'secret\n'])).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        phase: 'prepare',
        message:
          'cannot make requests: the value (a control character, or one outside latin1) of request header 1',
      }),
    );
  });
});
