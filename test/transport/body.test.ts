import { describe, expect, it } from 'vitest';
import { BodyReader, BodyState } from '../../dist/transport/body.js';
import { BodyMode, emptyPlan } from '../../dist/transport/framing.js';
import type { BodyPlan } from '../../dist/transport/framing.js';
import { chunked, payload, randomOf } from './kit.js';

function planOf(fields: Partial<BodyPlan>): BodyPlan {
  return { ...emptyPlan(), ...fields };
}

/** Feeds pieces that end at `cuts`, the way a connection does: straight into the view where there is one. */
function feed(reader: BodyReader, wire: Uint8Array, cuts: readonly number[]): number {
  let at = 0;
  for (const cut of [...cuts, wire.length]) {
    while (at < cut && reader.state === BodyState.More) {
      const view = reader.view();
      if (view === null) {
        at = reader.accept(wire, at, cut);
        if (reader.state === BodyState.More) expect(at).toBe(cut);
      } else {
        expect(view.length).toBeGreaterThan(0);
        const piece = wire.subarray(at, Math.min(cut, at + view.length));
        view.set(piece);
        reader.wrote(piece.length);
        at += piece.length;
      }
    }
  }
  return at;
}

describe('a chunked body', () => {
  const body = payload(1, 97);
  const wire = chunked(body, [1, 16, 3, 40], 'X-Trailer: yes\r\nX-Two: 2\r\n');

  it('lands the same when it is cut at any byte, and one byte at a time', () => {
    for (let cut = 0; cut <= wire.length; cut++) {
      const target = new Uint8Array(body.length);
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: target.length, target }));
      expect(feed(reader, wire, [cut])).toBe(wire.length);
      expect(reader.state, `cut at ${cut}`).toBe(BodyState.Done);
      expect(Buffer.from(target).equals(body)).toBe(true);
      expect(reader.landed).toBe(body.length);
    }
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
    feed(reader, wire, [...wire.keys()]);
    expect(Buffer.from(reader.collected()!).equals(body)).toBe(true);
    expect(reader.landed).toBe(0);
  });

  it('is not done before its very last byte, and leaves what follows alone', () => {
    const more = Buffer.concat([wire, Buffer.from('HTTP/1.1 200 OK')]);
    for (let cut = 0; cut < wire.length; cut++) {
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
      feed(reader, wire.subarray(0, cut), []);
      expect(reader.state, `after ${cut} bytes`).toBe(BodyState.More);
      expect(reader.endOfStream()).toBe(false);
    }
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
    expect(reader.accept(more, 0, more.length)).toBe(wire.length);
  });

  it('goes straight into the target where a chunk is large, at random cuts', () => {
    const large = payload(2, 60_000);
    const framed = chunked(large, [5, 9000, 4096, 30_000, 1]);
    const random = randomOf(7);
    for (let round = 0; round < 50; round++) {
      const cuts = Array.from({ length: 12 }, () => random(framed.length)).sort((a, b) => a - b);
      const target = new Uint8Array(large.length);
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: target.length, target }));
      expect(feed(reader, framed, cuts)).toBe(framed.length);
      expect(reader.state).toBe(BodyState.Done);
      expect(Buffer.from(target).equals(large)).toBe(true);
    }
  });

  const bad: [string, string][] = [
    ['no size', '\r\nabc\r\n'],
    ['a size that is not hexadecimal', 'g\r\n'],
    ['a sign', '+3\r\nabc\r\n0\r\n\r\n'],
    ['a prefix', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['a space before the size', ' 3\r\nabc\r\n0\r\n\r\n'],
    ['a space after the size', '3 \r\nabc\r\n0\r\n\r\n'],
    ['a bare LF after the size', '3\nabc\r\n0\r\n\r\n'],
    ['a bare CR after the size', '3\rabc\r\n0\r\n\r\n'],
    ['data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['data shorter than its size', '3\r\nab\r\n0\r\n\r\n'],
    ['a bare LF after the data', '3\r\nabc\n0\r\n\r\n'],
    ['a size of thirteen digits', '0000000000003\r\nabc\r\n'],
    ['NUL in an extension', '3;a=\0\r\nabc\r\n0\r\n\r\n'],
    ['a bare LF in an extension', '3;a\nabc\r\n0\r\n\r\n'],
    ['an extension over the bound', `3;${'x'.repeat(1025)}\r\nabc\r\n0\r\n\r\n`],
    ['an extension without a name', '3;\r\nabc\r\n0\r\n\r\n'],
    ['an extension that is not a token', '3;a@b\r\nabc\r\n0\r\n\r\n'],
    ['a blank before an extension', '3; a=b\r\nabc\r\n0\r\n\r\n'],
    ['an extension without its value', '3;a=\r\nabc\r\n0\r\n\r\n'],
    ['a value that is not a token', '3;a=b/c\r\nabc\r\n0\r\n\r\n'],
    ['a quoted value that does not end', '3;a="b\r\nabc\r\n0\r\n\r\n'],
    ['text behind a quoted value', '3;a="b"c\r\nabc\r\n0\r\n\r\n'],
    ['an extension on the last chunk that breaks its grammar', '0;=\r\n\r\n'],
    ['a trailer without a colon', '0\r\nnonsense\r\n\r\n'],
    ['a trailer without a name', '0\r\n: x\r\n\r\n'],
    ['a space before the colon of a trailer', '0\r\nx : y\r\n\r\n'],
    ['a length in a trailer', '0\r\nx: 1\r\nContent-LENGTH: 3\r\n\r\n'],
    ['a framing in a trailer', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a trailer that begins with a space', '0\r\n x: 1\r\n\r\n'],
    ['NUL in a trailer', '0\r\nx: \0\r\n\r\n'],
    ['a bare LF after a trailer', '0\r\nx: 1\n\r\n'],
    ['trailers over the bound', `0\r\n${'x: 1234567890\r\n'.repeat(800)}\r\n`],
    ['a bare LF at the end', '0\r\n\n'],
  ];
  it.each(bad)('is refused with %s', (_name, text) => {
    const bytes = Buffer.from(text, 'latin1');
    for (const cuts of [[], [...bytes.keys()]]) {
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
      feed(reader, bytes, cuts);
      expect(reader.state).toBe(BodyState.Bad);
    }
  });

  it('may have extensions of each form and trailers with names like those of framing', () => {
    const text =
      '1;a\r\nx\r\n1;a=b;c="d;\\" \xe9\t"\r\ny\r\n1;a="";b\r\nz\r\n0;last=1\r\n' +
      'content-lengths: 1\r\nContent-Lengt: 2\r\ntransfer-encodin: 3\r\nX:\r\n\r\n';
    const bytes = Buffer.from(text, 'latin1');
    for (const cuts of [[], [...bytes.keys()]]) {
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
      expect(feed(reader, bytes, cuts)).toBe(bytes.length);
      expect(reader.state).toBe(BodyState.Done);
      expect(Buffer.from(reader.collected()!).toString()).toBe('xyz');
    }
  });

  it('counts the bound on extensions for each chunk anew', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Chunked, limit: 1000 }));
    const text = `1;${'x'.repeat(1000)}\r\na\r\n`.repeat(5) + '0\r\n\r\n';
    feed(reader, Buffer.from(text), []);
    expect(reader.state).toBe(BodyState.Done);
    expect(Buffer.from(reader.collected()!).toString()).toBe('aaaaa');
  });

  it('that outgrows its limit is an overflow, or is cut off there, and never writes past it', () => {
    for (const keepFirstPart of [false, true]) {
      const all = new Uint8Array(60).fill(1);
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, limit: 50, target: all.subarray(0, 50), keepFirstPart }));
      feed(reader, wire, [...wire.keys()]);
      expect(reader.state).toBe(keepFirstPart ? BodyState.CutOff : BodyState.Overflow);
      expect([...all.subarray(50)]).toEqual(Array.from({ length: 10 }, () => 1));
      if (keepFirstPart) expect(Buffer.from(all.subarray(0, 50)).equals(body.subarray(0, 50))).toBe(true);
    }
  });

  it('of exactly its limit is not too long', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Chunked, limit: body.length, keepFirstPart: true }));
    feed(reader, wire, [...wire.keys()]);
    expect(reader.state).toBe(BodyState.Done);
    expect(reader.collected()!.length).toBe(body.length);
  });
});

describe('a body of known length', () => {
  const body = payload(3, 50);

  it('ends with its last byte, wherever it is cut, and leaves the rest', () => {
    const more = Buffer.concat([body, Buffer.from('next')]);
    for (let cut = 0; cut <= body.length; cut++) {
      const target = new Uint8Array(body.length + 5);
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Length, length: body.length, limit: target.length, target }));
      expect(reader.accept(more, 0, cut)).toBe(cut);
      expect(reader.state).toBe(cut < body.length ? BodyState.More : BodyState.Done);
      expect(reader.accept(more, cut, more.length)).toBe(body.length);
      expect(Buffer.from(target.subarray(0, body.length)).equals(body)).toBe(true);
      expect([...target.subarray(body.length)]).toEqual([0, 0, 0, 0, 0]);
    }
  });

  it('keeps its first part where that is wanted', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Length, length: body.length, limit: 20, keepFirstPart: true }));
    feed(reader, body, [7]);
    expect(reader.state).toBe(BodyState.CutOff);
    expect(Buffer.from(reader.collected()!).equals(body.subarray(0, 20))).toBe(true);
  });

  it('asks for nothing and writes nothing once it is released', () => {
    const target = new Uint8Array(50);
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Length, length: 50, limit: 50, target }));
    reader.release();
    expect(reader.view()).toBeNull();
    expect(reader.accept(body, 0, 50)).toBe(0);
    expect(target.every((byte) => byte === 0)).toBe(true);
  });
});

describe('a body that ends with the connection', () => {
  it('grows up to its limit and not beyond', () => {
    const body = payload(4, 20_000);
    for (const limit of [20_000, 19_999]) {
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.UntilClose, limit }));
      feed(reader, body, [10, 5000, 5001]);
      expect(reader.state).toBe(limit === body.length ? BodyState.More : BodyState.Overflow);
      if (limit < body.length) continue;
      expect(reader.endOfStream()).toBe(true);
      expect(Buffer.from(reader.collected()!).equals(body)).toBe(true);
    }
  });
});
