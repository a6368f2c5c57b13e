import { describe, expect, it } from 'vitest';
import { httpStore } from '../../dist/host/http-store.js';
import type { BodySink, Exchange, PreparedRequest, Transport } from '../../dist/protocol/http.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { ReadAnswer, ReadRequest } from '../../dist/protocol/store.js';
import type { WriteRequest } from '../../dist/protocol/writes.js';
import { data, exchange, NOW, refusal, request, utf8 } from '../backends/s3/kit.js';
import { readOnce } from '../kit/attempts.js';

/** A transport that gives these answers in turn, and what it was asked. */
function scripted(answers: Exchange[]): { transport: Transport; asked: PreparedRequest[]; rooms: number[] } {
  const asked: PreparedRequest[] = [];
  const rooms: number[] = [];
  const transport: Transport = {
    exchange: (prepared, sink, _stop, done) => {
      asked.push(prepared);
      rooms.push(sink.kind === 'land' ? sink.target.length : -1);
      const answer = answers.shift()!;
      queueMicrotask(() => done(answer));
    },
    close: () => {},
    stats: () => ({ opened: 0, reused: 0, active: 0, idle: 0 }),
  };
  return { transport, asked, rooms };
}

async function read(
  changes: Partial<ReadRequest>,
  ...answers: Exchange[]
): Promise<{ answer: ReadAnswer; asked: PreparedRequest[]; rooms: number[] }> {
  const { transport, asked, rooms } = scripted(answers);
  const store = httpStore(data(), transport, () => NOW);
  const answer = await readOnce(store, request(changes), new Uint8Array(100), NEVER);
  expect(answers).toEqual([]);
  return { answer, asked, rooms };
}

const bare = (): Exchange => refusal(416, 'InvalidRange');
const whole = (length: number, changes: Partial<Exchange> = {}): Exchange =>
  exchange(200, { 'content-length': String(length), etag: '"v"' }, changes);

describe('a range that is refused without the size of the object', () => {
  it('is that of an empty object only when the whole object is asked for and is empty', async () => {
    const { answer, asked, rooms } = await read({}, bare(), whole(0));
    expect(answer).toMatchObject({ outcome: 'complete', landed: 0, size: 0, version: '"v"' });
    expect(asked.map(({ range }) => range)).toEqual([{ start: 0, length: 100 }, null]);
    expect(rooms).toEqual([100, 0]);
  });

  it('is refused when the object is not empty, and never an empty success', async () => {
    const { answer } = await read({}, bare(), whole(1000, { outcome: 'too-long' }));
    expect(answer).toMatchObject({ outcome: 'refused', size: -1, error: { code: 'RangeRejected' } });
  });

  it('is asked about again when the second question fails in passing', async () => {
    const { answer } = await read({}, bare(), refusal(503, 'SlowDown'));
    expect(answer).toMatchObject({ outcome: 'throttled', error: { code: 'Throttled' } });
  });

  it('is not asked about when it does not begin at the first byte, or the size was told', async () => {
    const later = await read({ start: 5 }, bare());
    expect(later.answer).toMatchObject({ outcome: 'refused', error: { code: 'RangeRejected' } });
    const told = await read({}, exchange(416, { 'content-range': 'bytes */400' }));
    expect(told.answer).toMatchObject({ outcome: 'refused', size: 400 });
  });
});

describe('the URI of a bucket, which has no key', () => {
  it.each([{}, { whole: true }])('is no object that could be read (%j), and nothing is sent', async (how) => {
    const { answer, asked } = await read({ key: new Uint8Array(0), ...how });
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
    expect(answer.error!.message).toContain('s3://logs/ names a bucket, not an object');
    expect(asked).toEqual([]);
  });

  it('is no object that could be asked about', async () => {
    const { transport, asked } = scripted([]);
    const store = httpStore(data(), transport, () => NOW);
    const answer = await store.head(new Uint8Array(0), NEVER);
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
    expect(asked).toEqual([]);
  });
});

describe('a write', () => {
  const key = utf8('key');
  const always = { ifAbsent: false, ifVersion: null };
  const named = { key, upload: 'upload-1' };
  const object = { key, contentType: null, ...always };
  const part = { ...named, index: 0, start: 0, body: key, last: true };
  const source = { sourceStore: 's3://other', sourceKey: key, sourceVersion: null };
  const writes: [WriteRequest, boolean][] = [
    [{ kind: 'complete', ...named, parts: ['"tag" - 3'], size: 3, contentType: null, ...always }, true],
    [{ kind: 'copy', key, ...source, ...always }, true],
    [{ kind: 'put', body: key, ...object }, false],
    [{ kind: 'begin', size: 3, ...object }, false],
    [{ kind: 'part', ...part }, false],
    [{ kind: 'abort', ...named }, false],
    [{ kind: 'delete', keys: [key], ifVersion: null }, false],
    [{ kind: 'uploads', prefix: key, continuation: null }, false],
  ];

  for (const [write, works] of writes) {
    const what = works
      ? 'has minutes, for the service works on what it has'
      : 'is answered as quickly as any';
    it(`${what}: ${write.kind}`, async () => {
      const sinks: BodySink[] = [];
      const { transport } = scripted([exchange(200)]);
      const watched: Transport = {
        ...transport,
        exchange: (prepared, sink, stop, done) => {
          sinks.push(sink);
          transport.exchange(prepared, sink, stop, done);
        },
      };
      await httpStore(data(), watched, () => NOW).write(write, NEVER);
      expect(sinks.map((sink) => sink.kind === 'collect' && sink.afterWork === true)).toEqual([works]);
    });
  }
});
