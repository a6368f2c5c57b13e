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
      const before = at;
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
      // What takes nothing would be offered the same for ever.
      if (reader.state === BodyState.More) expect(at).toBeGreaterThan(before);
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

describe('where the next read may write', () => {
  const target = new Uint8Array(new SharedArrayBuffer(20_000));
  const begin = (fields: Partial<BodyPlan>): BodyReader => {
    const reader = new BodyReader();
    reader.begin(planOf({ limit: target.length, target, ...fields }));
    return reader;
  };
  const place = (view: Uint8Array | null): unknown =>
    view === null ? null : [view.buffer === target.buffer, view.byteOffset, view.length];

  it('is the rest of a body of known length, in the target itself', () => {
    const reader = begin({ mode: BodyMode.Length, length: 100 });
    expect(place(reader.view())).toEqual([true, 0, 100]);
    reader.wrote(30);
    expect(place(reader.view())).toEqual([true, 30, 70]);
    reader.accept(payload(1, 20), 0, 20);
    expect(place(reader.view())).toEqual([true, 50, 50]);
    expect([reader.landed, reader.collected()]).toEqual([50, null]);
    reader.wrote(50);
    expect([reader.state, reader.view(), reader.landed]).toEqual([BodyState.Done, null, 100]);
  });

  it('never reaches beyond what may be kept', () => {
    const reader = begin({ mode: BodyMode.Length, length: 100, limit: 40, keepFirstPart: true });
    expect(place(reader.view())).toEqual([true, 0, 40]);
    reader.wrote(15);
    expect(place(reader.view())).toEqual([true, 15, 25]);
    reader.wrote(25);
    expect([reader.state, reader.view()]).toEqual([BodyState.CutOff, null]);
  });

  it('is in a chunk only where that is large, and no further than it', () => {
    for (const [size, direct] of [
      [4096, true],
      [4095, false],
    ] as const) {
      const reader = begin({ mode: BodyMode.Chunked, length: -1 });
      expect(reader.view()).toBeNull();
      const line = Buffer.from(`${size.toString(16)}\r\n`);
      expect(reader.accept(line, 0, line.length)).toBe(line.length);
      expect(place(reader.view())).toEqual(direct ? [true, 0, 4096] : null);
    }
    const reader = begin({ mode: BodyMode.Chunked, length: -1 });
    reader.accept(Buffer.from('2710\r\n'), 0, 6);
    reader.wrote(5000);
    expect(place(reader.view())).toEqual([true, 5000, 5000]);
    reader.wrote(904);
    expect(place(reader.view())).toEqual([true, 5904, 4096]);
    reader.wrote(1);
    expect(reader.view()).toBeNull();
  });

  it('is nowhere once all is there that may be kept of a chunk', () => {
    const reader = begin({ mode: BodyMode.Chunked, limit: 5000, keepFirstPart: true });
    reader.accept(Buffer.from('2710\r\n'), 0, 6);
    expect(place(reader.view())).toEqual([true, 0, 5000]);
    reader.wrote(5000);
    expect([reader.state, reader.view()]).toEqual([BodyState.More, null]);
    reader.accept(Uint8Array.of(1), 0, 1);
    expect(reader.state).toBe(BodyState.CutOff);
  });

  it('is nowhere for what is collected and may be of any length', () => {
    for (const mode of [BodyMode.Chunked, BodyMode.UntilClose]) {
      const reader = begin({ mode, length: -1, target: null });
      reader.accept(Buffer.from('2710\r\n'), 0, 6);
      expect(reader.view()).toBeNull();
    }
    const reader = begin({
      mode: BodyMode.Length,
      length: 5000,
      limit: 20,
      target: null,
      keepFirstPart: true,
    });
    expect([reader.view()!.length, reader.view()!.buffer.byteLength]).toEqual([20, 20]);
    expect(reader.landed).toBe(0);
  });
});

describe('a body of nothing', () => {
  it.each([
    ['no body at all, whatever length was said', { mode: BodyMode.None, length: 5000, limit: 0 }],
    ['a length of 0', { mode: BodyMode.Length, length: 0, limit: 10 }],
  ])('%s: it is over as it begins', (_, fields) => {
    const reader = new BodyReader();
    reader.begin(planOf(fields));
    expect([reader.state, reader.view(), reader.at]).toEqual([BodyState.Done, null, 0]);
    expect(reader.collected()).toHaveLength(0);
    expect(reader.endOfStream()).toBe(true);
  });

  it('may be all that is kept of one', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Length, length: 10, limit: 0, keepFirstPart: true }));
    expect(reader.state).toBe(BodyState.CutOff);
  });
});

describe('one reader', () => {
  it('reads one chunked body after the other, also after one that was broken off', () => {
    const reader = new BodyReader();
    const plan = planOf({ mode: BodyMode.Chunked, length: -1, limit: 1000 });
    for (let i = 0; i < 3; i++) {
      reader.begin(plan);
      const broken = Buffer.from('5;abc\r\nab');
      reader.accept(broken, 0, broken.length);
      reader.release();
      reader.begin(plan);
      const body = payload(i, 90);
      const wire = chunked(body, [7, 30], 'x: y\r\n');
      feed(reader, wire, [10, 50]);
      expect([reader.state, reader.at]).toEqual([BodyState.Done, 90]);
      expect(Buffer.from(reader.collected()!).equals(body)).toBe(true);
    }
  });

  it('takes bytes from the middle of a read until the connection ends', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.UntilClose, length: -1, limit: 100 }));
    const bytes = payload(5, 50);
    expect(reader.accept(bytes, 20, 50)).toBe(50);
    expect(reader.accept(bytes, 0, 10)).toBe(10);
    expect(reader.endOfStream()).toBe(true);
    expect(
      Buffer.compare(reader.collected()!, Buffer.concat([bytes.subarray(20), bytes.subarray(0, 10)])),
    ).toBe(0);
  });

  it('does not take the end of the connection for that of a body that was too long', () => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.UntilClose, length: -1, limit: 10 }));
    expect(reader.accept(payload(5, 50), 0, 50)).toBe(10);
    expect([reader.state, reader.endOfStream()]).toEqual([BodyState.Overflow, false]);
  });

  it('sees at its size that a chunk is too long, before any of it', () => {
    for (const [size, state] of [
      [10, BodyState.More],
      [11, BodyState.Overflow],
    ] as const) {
      const reader = new BodyReader();
      reader.begin(planOf({ mode: BodyMode.Chunked, length: -1, limit: 15 }));
      const wire = Buffer.from(`5\r\nabcde\r\n${size.toString(16)}\r\n`);
      reader.accept(wire, 0, wire.length);
      expect(reader.state).toBe(state);
    }
  });
});

describe('the framing of chunks', () => {
  const stateOf = (text: string): BodyState => {
    const reader = new BodyReader();
    reader.begin(planOf({ mode: BodyMode.Chunked, length: -1, limit: 100 }));
    const bytes = Buffer.from(text, 'latin1');
    feed(reader, bytes, []);
    return reader.state;
  };

  it('has a CR and a LF at each end of a line and of a chunk, and nothing in their place', () => {
    const wire = '3;a\r\nabc\r\n1\r\nd\r\n0\r\nx: y\r\nz:\r\n\r\n';
    expect(stateOf(wire)).toBe(BodyState.Done);
    for (const { 0: right, index } of wire.matchAll(/[\r\n]/g))
      for (const other of ['\0', '\r\r', '\n', '\x7f'].filter((each) => each !== right)) {
        const broken = wire.slice(0, index) + other + wire.slice(index + 1);
        expect(stateOf(broken), JSON.stringify(broken)).toBe(BodyState.Bad);
      }
    // A letter in place of a LF ends no line.
    for (const { index } of wire.matchAll(/\n/g))
      expect(stateOf(`${wire.slice(0, index)}x${wire.slice(index + 1)}`)).toBe(BodyState.Bad);
    expect(stateOf(`3\r\nabcx\n0\r\n\r\n`)).toBe(BodyState.Bad);
  });

  it('takes every hexadecimal digit in both cases, and none of their neighbours', () => {
    for (const digit of '123456789abcdefABCDEF') {
      const size = Number.parseInt(digit, 16);
      expect(stateOf(`${digit}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`), digit).toBe(BodyState.Done);
    }
    for (const other of '/:@G`g') expect(stateOf(`${other}\r\n`), other).toBe(BodyState.Bad);
  });

  it.each([
    ['a size of twelve digits', '000000000003\r\nabc\r\n0\r\n\r\n', BodyState.Done],
    ['an extension of the bound', `3;${'x'.repeat(1024)}\r\nabc\r\n0\r\n\r\n`, BodyState.Done],
    ['a tab in an extension and in a trailer', '3;a="\tb"\r\nabc\r\n0\r\nx:\ty\r\n\r\n', BodyState.Done],
    ['DEL in an extension', '3;\x7f\r\nabc\r\n0\r\n\r\n', BodyState.Bad],
    ['DEL in a trailer', '0\r\nx: \x7f\r\n\r\n', BodyState.Bad],
    ['a trailer of the bound', `0\r\nx:${'y'.repeat(8191)}\r\n\r\n`, BodyState.Done],
    ['a trailer over the bound', `0\r\nx:${'y'.repeat(8192)}\r\n\r\n`, BodyState.Bad],
    ['many trailers of the bound', `0\r\n${'x:\r\n'.repeat(8192)}\r\n`, BodyState.Done],
    ['many trailers over the bound', `0\r\n${'x:\r\n'.repeat(8193)}\r\n`, BodyState.Bad],
  ])('with %s', (_, text, state) => {
    expect(stateOf(text)).toBe(state);
  });
});
