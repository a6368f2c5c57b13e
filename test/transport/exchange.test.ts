import { afterEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import type { BodySink, Exchange, Transport, TransportLimits } from '../../dist/protocol/http.js';
import {
  COLLECT,
  SENTINEL,
  ScriptedServer,
  answer,
  chunked,
  closed,
  get,
  land,
  payload,
  sharedTarget,
  transportOf,
} from './kit.js';
import type { Seen } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';
import { tries } from '../kit/effort.js';

let server: ScriptedServer;
let transport: Transport;

async function serve(onRequest: (seen: Seen) => void, limits: Partial<TransportLimits> = {}): Promise<void> {
  server = await ScriptedServer.start(onRequest);
  transport = transportOf(limits);
}

afterEach(async () => {
  transport.close();
  await server.close();
});

type Range = { start: number; length: number } | null;

async function fetchOnce(
  sink: BodySink,
  range: Range = null,
  method: 'GET' | 'HEAD' = 'GET',
): Promise<Exchange> {
  return exchangeOnce(transport, { ...get(server.origin(), range), method }, sink, NEVER);
}

/** Calls `fn` after so many turns of the event loop. */
function later(turns: number, fn: () => void): void {
  setImmediate(() => (turns > 1 ? later(turns - 1, fn) : fn()));
}

/** A connection that ended with its exchange is not there for the next one. */
async function expectDestroyed(): Promise<void> {
  expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  await closed(server.sockets[0]!);
}

describe('landing', () => {
  it('puts the body into shared memory and nowhere else, and sends what was prepared', async () => {
    const body = payload(1, 5000);
    await serve(({ socket }) => socket.write(answer(body, 'HTTP/1.1 200 OK', 'X-Two: a\r\nx-two:  b \r\n')));
    const { target, guards } = sharedTarget(6000);
    const exchange = await fetchOnce(land(target));
    expect(exchange).toMatchObject({
      outcome: 'complete',
      status: 200,
      landed: 5000,
      contentLength: 5000,
      body: null,
      error: null,
    });
    expect(exchange.header('etag')).toBe('"v1"');
    expect(exchange.header('x-two')).toBe('a, b');
    expect(exchange.header('x-three')).toBeUndefined();
    expect(exchange.header('etag:')).toBeUndefined();
    expect(Buffer.from(target.subarray(0, 5000)).equals(body)).toBe(true);
    expect(target.subarray(5000).every((byte) => byte === SENTINEL)).toBe(true);
    expect(guards()).toBe(true);
    expect(server.seen[0]!.text).toBe(`GET /object?x=1 HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
  });

  it('lands 64 MiB byte for byte', async () => {
    const body = payload(2, tries(64, 4) << 20);
    await serve(({ socket }) => socket.write(answer(body)));
    const { target, guards } = sharedTarget(body.length);
    const exchange = await fetchOnce(land(target));
    expect(exchange).toMatchObject({ outcome: 'complete', landed: body.length });
    expect(Buffer.from(target).equals(body)).toBe(true);
    expect(guards()).toBe(true);
  });

  it('lands chunks, small and large', async () => {
    const body = payload(3, 300_000);
    const wire = chunked(body, [1, 100_000, 7, 4096, 16_384]);
    await serve(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write(wire);
    });
    const { target, guards } = sharedTarget(body.length);
    const exchange = await fetchOnce(land(target));
    expect(exchange).toMatchObject({ outcome: 'complete', landed: body.length, contentLength: -1 });
    expect(Buffer.from(target).equals(body)).toBe(true);
    expect(guards()).toBe(true);
    expect(transport.stats().idle).toBe(1);
  });

  it('completes an empty object into an empty target', async () => {
    await serve(({ socket }) => socket.write(answer(new Uint8Array(0))));
    const exchange = await fetchOnce(land(new Uint8Array(0)));
    expect(exchange).toMatchObject({ outcome: 'complete', landed: 0, contentLength: 0 });
    expect(transport.stats().idle).toBe(1);
  });

  it('completes a range, a range that the object cuts short, and a whole object for a range from 0', async () => {
    const part = payload(4, 10, 5);
    const heads = [
      '206 P\r\nContent-Range: bytes 5-14/100',
      '206 P\r\nContent-Range: bytes 5-14/15',
      '200 OK',
    ];
    await serve(({ socket, nth }) => socket.write(answer(part, `HTTP/1.1 ${heads[nth]}`)));
    for (const range of [
      { start: 5, length: 10 },
      { start: 5, length: 20 },
      { start: 0, length: 12 },
    ]) {
      const { target } = sharedTarget(20);
      const exchange = await fetchOnce(land(target), range);
      expect(exchange).toMatchObject({ outcome: 'complete', landed: 10, error: null });
      expect(Buffer.from(target.subarray(0, 10)).equals(part)).toBe(true);
    }
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 2 });
  });

  it.each(['/100', '/*'])(
    'does not take a shortened range (total %s) for the end of the object',
    async (total) => {
      const part = payload(4, 10, 5);
      await serve(({ socket }) =>
        socket.write(answer(part, `HTTP/1.1 206 P\r\nContent-Range: bytes 5-14${total}`)),
      );
      const { target } = sharedTarget(20);
      const exchange = await fetchOnce(land(target), { start: 5, length: 20 });
      expect(exchange).toMatchObject({ outcome: 'interrupted', status: 206, landed: 10 });
      expect(exchange.error).toMatchObject({
        code: 'ShortBody',
        retryable: true,
        phase: 'body',
        range: [5, 24],
      });
      expect(transport.stats().idle).toBe(1);
    },
  );

  it('collects the body of any other status, and keeps the connection', async () => {
    await serve(({ socket }) =>
      socket.write(answer(Buffer.from('<Error/>'), 'HTTP/1.1 404 Not Found', 'X-Request: 7\r\n')),
    );
    const { target } = sharedTarget(20);
    const exchange = await fetchOnce(land(target));
    expect(exchange).toMatchObject({ outcome: 'complete', status: 404, landed: 0, contentLength: 8 });
    expect(Buffer.from(exchange.body!).toString()).toBe('<Error/>');
    expect(exchange.header('x-request')).toBe('7');
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
    expect(transport.stats().idle).toBe(1);
  });

  it('keeps the first part of a long error body and gives the connection up', async () => {
    const body = payload(5, 5000);
    await serve(({ socket }) => socket.write(answer(body, 'HTTP/1.1 503 Slow')), { maxErrorBodyBytes: 100 });
    const exchange = await fetchOnce(land(sharedTarget(20).target));
    expect(exchange).toMatchObject({ outcome: 'complete', status: 503, contentLength: 5000 });
    expect(Buffer.from(exchange.body!).equals(body.subarray(0, 100))).toBe(true);
    await expectDestroyed();
  });

  it('reports an error status even when its body is encoded', async () => {
    await serve(({ socket }) =>
      socket.write(answer(Buffer.from('x'), 'HTTP/1.1 503 Slow', 'Content-Encoding: gzip\r\n')),
    );
    expect(await fetchOnce(COLLECT)).toMatchObject({ outcome: 'complete', status: 503 });
  });
});

describe('collecting', () => {
  it('takes a body of known length, in chunks, or up to the end of the connection', async () => {
    const body = payload(6, 40_000);
    await serve(({ socket, nth }) => {
      if (nth === 0) socket.write(answer(body));
      else if (nth === 1)
        socket.write(
          Buffer.concat([
            Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
            chunked(body, [999]),
          ]),
        );
      else socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), body]));
    });
    for (let i = 0; i < 3; i++) {
      const exchange = await fetchOnce(COLLECT);
      expect(exchange).toMatchObject({ outcome: 'complete', landed: 0 });
      expect(Buffer.from(exchange.body!).equals(body)).toBe(true);
    }
    await expectDestroyed();
  });

  it.each(['length', 'chunks'])('refuses a body over its bound as too long (%s)', async (how) => {
    const body = payload(6, 2000);
    const head = 'HTTP/1.1 200 OK\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n';
    await serve(({ socket }) =>
      socket.write(
        how === 'length' ? answer(body) : Buffer.concat([Buffer.from(head), chunked(body, [600])]),
      ),
    );
    const exchange = await fetchOnce({ kind: 'collect', maxBytes: 1999 });
    expect(exchange).toMatchObject({
      outcome: 'too-long',
      status: 200,
      body: null,
      contentLength: how === 'length' ? 2000 : -1,
    });
    expect(exchange.header('etag')).toBe('"v1"');
    await expectDestroyed();
  });

  it('has no body for HEAD, 204 and 304, whatever their heads promise', async () => {
    const lines = [
      '200 OK\r\nContent-Length: 77\r\nContent-Encoding: gzip',
      '204 No',
      '304 Not\r\nContent-Length: 5',
    ];
    await serve(({ socket, nth }) => socket.write(`HTTP/1.1 ${lines[nth]}\r\n\r\n`));
    expect(await fetchOnce(COLLECT, null, 'HEAD')).toMatchObject({
      outcome: 'complete',
      contentLength: 77,
      status: 200,
    });
    expect(await fetchOnce(COLLECT)).toMatchObject({ outcome: 'complete', status: 204 });
    expect(await fetchOnce(COLLECT)).toMatchObject({ outcome: 'complete', status: 304 });
    expect(transport.stats()).toMatchObject({ opened: 1, idle: 1 });
  });

  it('does not use a connection again on which a 204 promised a body', async () => {
    await serve(({ socket }) => socket.write('HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n'));
    expect(await fetchOnce(COLLECT)).toMatchObject({ outcome: 'complete', status: 204 });
    await expectDestroyed();
  });

  it('skips interim answers, also when they come in pieces', async () => {
    await serve(({ socket }) => {
      const text = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\nContent-Length: 3\r\n\r\n';
      socket.write(text.slice(0, 50));
      setImmediate(() => {
        socket.write(text.slice(50));
        socket.write(answer(Buffer.from('ok')));
      });
    });
    const exchange = await fetchOnce(COLLECT);
    expect(exchange).toMatchObject({ outcome: 'complete', status: 200, contentLength: 2 });
    expect(exchange.header('link')).toBeUndefined();
    expect(transport.stats().idle).toBe(1);
  });
});

describe('an answer that cannot be trusted', () => {
  const ten = 'Content-Length: 10\r\n';
  const body = '0123456789';
  const violations: [string, string, Range][] = [
    ['a broken status line', 'NOT HTTP\r\n\r\n', null],
    ['a bare LF', `HTTP/1.1 200 OK\n${ten}\r\n${body}`, null],
    ['101', 'HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n', null],
    [
      'an interim answer that closes the connection',
      'HTTP/1.1 102 P\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      null,
    ],
    [
      'an interim answer of HTTP/1.0',
      'HTTP/1.0 102 P\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      null,
    ],
    ['interim answers without end', 'HTTP/1.1 102 P\r\n\r\n'.repeat(9), null],
    ['a head over the bound', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, null],
    ['a body whose end cannot be verified', `HTTP/1.1 200 OK\r\n\r\n${body}`, null],
    ['two lengths', `HTTP/1.1 200 OK\r\n${ten}Content-Length: 9\r\n\r\n${body}`, null],
    ['length and chunks', `HTTP/1.1 200 OK\r\n${ten}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, null],
    [
      'chunks that break their grammar',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n`,
      null,
    ],
    [
      'a range and a length that differ',
      `HTTP/1.1 206 P\r\nContent-Range: bytes 5-13/99\r\n${ten}\r\n${body}`,
      { start: 5, length: 10 },
    ],
    [
      'more chunks than the range',
      `HTTP/1.1 206 P\r\nContent-Range: bytes 5-13/99\r\nTransfer-Encoding: chunked\r\n\r\na\r\n${body}\r\n0\r\n\r\n`,
      { start: 5, length: 10 },
    ],
  ];
  const wrongRange: [string, string, Range][] = [
    ['206 for the whole', `HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/10\r\n${ten}\r\n${body}`, null],
    ['206 without a Content-Range', `HTTP/1.1 206 P\r\n${ten}\r\n${body}`, { start: 5, length: 10 }],
    [
      'a Content-Range that is no range',
      `HTTP/1.1 206 P\r\nContent-Range: bytes */10\r\n${ten}\r\n${body}`,
      { start: 5, length: 10 },
    ],
    [
      'multipart',
      `HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Range: bytes 5-14/99\r\n${ten}\r\n${body}`,
      { start: 5, length: 10 },
    ],
    [
      'a range that begins earlier',
      `HTTP/1.1 206 P\r\nContent-Range: bytes 4-13/99\r\n${ten}\r\n${body}`,
      { start: 5, length: 10 },
    ],
    [
      'a range that ends later',
      `HTTP/1.1 206 P\r\nContent-Range: bytes 5-15/99\r\nContent-Length: 11\r\n\r\n${body}x`,
      { start: 5, length: 10 },
    ],
    ['200 for a range from 5', `HTTP/1.1 200 OK\r\n${ten}\r\n${body}`, { start: 5, length: 10 }],
  ];
  const cases = [
    ...violations.map((v) => [...v, 'ProtocolViolation'] as const),
    ...wrongRange.map((v) => [...v, 'RangeRejected'] as const),
    [
      'a Content-Encoding',
      `HTTP/1.1 200 OK\r\n${ten}Content-Encoding: gzip\r\n\r\n${body}`,
      null,
      'Unsupported',
    ] as const,
  ];
  it.each(cases)('is refused: %s', async (_name, text, range, code) => {
    await serve(({ socket }) => socket.write(text, 'latin1'));
    const { target, guards } = sharedTarget(20);
    const exchange = await fetchOnce(land(target), range);
    expect(exchange).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(exchange.error).toMatchObject({ code, retryable: false });
    expect(exchange.error!.message).toContain(server.origin().id);
    await expectDestroyed();
    expect(guards()).toBe(true);
  });

  it.each([
    [
      'NOT HTTP\r\n\r\n',
      'head',
      'the head of the answer is broken: its first line is not a status line of HTTP/1.0 or HTTP/1.1',
    ],
    ['HTTP/1.1 101 X\r\n\r\n', 'head', 'it switches protocols (101)'],
    ['HTTP/1.1 102 P\r\n\r\n'.repeat(9), 'head', 'it sent more than 8 interim answers'],
    [
      `HTTP/1.1 200 OK\r\n\r\n${body}`,
      'head',
      'the body has neither a Content-Length nor chunks, so its length cannot be verified',
    ],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx',
      'body',
      'the chunks of the body break their grammar',
    ],
  ])('%j is refused with where and why', async (text, phase, problem) => {
    await serve(({ socket }) => socket.write(text, 'latin1'));
    const { error } = await fetchOnce(land(new Uint8Array(20)));
    expect(error).toMatchObject({ phase, message: `${server.origin().id}: ${problem}` });
    // A status is only told where the head was whole.
    expect(error!.status).toBe(text.startsWith('HTTP/1.1 200') ? 200 : undefined);
  });

  it.each([null, { start: 0, length: 9 }])(
    'is too long when the body outgrows what was asked: range %o',
    async (range) => {
      await serve(({ socket }) => socket.write(`HTTP/1.1 200 OK\r\n${ten}ETag: "v2"\r\n\r\n${body}`));
      const { target } = sharedTarget(range === null ? 9 : 20);
      const exchange = await fetchOnce(land(target), range);
      expect(exchange).toMatchObject({ outcome: 'too-long', status: 200, contentLength: 10, landed: 0 });
      expect(exchange.header('etag')).toBe('"v2"');
      expect(exchange.error).not.toBeNull();
      expect(target.every((byte) => byte === SENTINEL)).toBe(true);
      await expectDestroyed();
    },
  );

  it('is too long when its chunks outgrow the target, which is not written past its end', async () => {
    const wire = chunked(payload(7, 100), [30]);
    await serve(({ socket }) =>
      socket.write(
        Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), wire]),
      ),
    );
    const { target, guards } = sharedTarget(50);
    expect(await fetchOnce(land(target))).toMatchObject({
      outcome: 'too-long',
      landed: 0,
      contentLength: -1,
    });
    expect(guards()).toBe(true);
    await expectDestroyed();
  });
});

describe('an answer that is cut short', () => {
  const body = payload(8, 40);

  for (const how of ['end', 'reset'] as const) {
    it(`is reported with exactly what landed, at every byte (${how})`, async () => {
      const wire = answer(body);
      const bodyAt = wire.length - body.length;
      const plan: number[] = [];
      await serve(({ socket, connection }) => {
        // Ended three turns of the one event loop later: the client has read by then what a reset would overtake.
        const cut = plan[connection]!;
        const end = (): void => void (how === 'end' ? socket.end() : socket.resetAndDestroy());
        if (cut === 0) end();
        else socket.write(wire.subarray(0, cut), () => later(3, end));
      });
      for (let cut = 0; cut < wire.length; cut++) {
        plan.push(cut);
        const { target, guards } = sharedTarget(body.length);
        const exchange = await fetchOnce(land(target));
        const landed = Math.max(0, cut - bodyAt);
        expect(exchange.outcome, `cut at ${cut}`).toBe(cut < bodyAt ? 'failed' : 'interrupted');
        expect(exchange.landed, `cut at ${cut}`).toBe(landed);
        expect(exchange.status).toBe(cut < bodyAt ? 0 : 200);
        expect(exchange.error).toMatchObject({
          code: cut >= bodyAt && how === 'end' ? 'ShortBody' : 'ConnectionFailed',
          phase: cut < bodyAt ? 'head' : 'body',
          retryable: true,
        });
        expect(Buffer.from(target.subarray(0, landed)).equals(body.subarray(0, landed))).toBe(true);
        expect(target.subarray(landed).every((byte) => byte === SENTINEL)).toBe(true);
        expect(guards()).toBe(true);
      }
      expect(transport.stats()).toMatchObject({ opened: wire.length, reused: 0, active: 0, idle: 0 });
    });
  }

  it('is the same answer when it comes in two pieces, cut at any byte', async () => {
    const wire = answer(body);
    let cut = 0;
    await serve(({ socket }) => {
      socket.write(wire.subarray(0, cut), () => setImmediate(() => socket.write(wire.subarray(cut))));
    });
    for (cut = 0; cut <= wire.length; cut++) {
      const { target } = sharedTarget(body.length);
      expect(await fetchOnce(land(target))).toMatchObject({ outcome: 'complete', landed: body.length });
      expect(Buffer.from(target).equals(body), `cut at ${cut}`).toBe(true);
    }
    expect(transport.stats().opened).toBe(1);
  });

  it('is short when the chunks stop before the last one, or before the end of the range', async () => {
    const wire = chunked(body, [10]);
    await serve(({ socket, nth }) => {
      const range = 'HTTP/1.1 206 P\r\nContent-Range: bytes 0-49/99\r\nTransfer-Encoding: chunked\r\n\r\n';
      if (nth === 0) socket.write(Buffer.concat([Buffer.from(range), wire]));
      else
        socket.end(
          Buffer.concat([
            Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
            wire.subarray(0, -5),
          ]),
        );
    });
    for (const range of [{ start: 0, length: 50 }, null]) {
      const { target } = sharedTarget(60);
      const exchange = await fetchOnce(land(target), range);
      expect(exchange).toMatchObject({ outcome: 'interrupted', landed: 40 });
      expect(exchange.error).toMatchObject({ code: 'ShortBody' });
      expect(Buffer.from(target.subarray(0, 40)).equals(body)).toBe(true);
    }
  });

  it('tells the status of an error whose body broke off', async () => {
    await serve(({ socket }) => socket.end('HTTP/1.1 503 Slow\r\nContent-Length: 9\r\n\r\nSlow'));
    const exchange = await fetchOnce(land(sharedTarget(9).target));
    expect(exchange).toMatchObject({ outcome: 'interrupted', status: 503, landed: 0 });
    expect(Buffer.from(exchange.body!).toString()).toBe('Slow');
  });
});
