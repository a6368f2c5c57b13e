/** What a question carries, what it is answered with, and what becomes of it when its worker is lost. */
import { describe, expect, it } from 'vitest';
import { answerIn, Asks } from '../../../dist/actors/supervisor/asks.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { createKeyPageBuilder } from '../../../dist/protocol/key-page.js';
import type { BareWriteRequest } from '../../../dist/protocol/messages.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { WRITTEN } from '../../../dist/protocol/writes.js';
import { isSettled } from '../../protocol/pipe.js';
import { createCrew, createStream, keyOf, MIB } from './kit.js';

const CONDITION = { ifAbsent: false, ifVersion: null };
const ATTRIBUTES = { contentType: null };
const { Ok } = DoneStatus;

function createAsks() {
  const { stream } = createStream(new Arena(MIB), []);
  const { at } = createCrew(2);
  const asks = new Asks();
  let id = 0;
  const send = (index: number): number => {
    id += 1;
    stream.jobsOut += 1;
    asks.sent(id, at(index));
    return id;
  };
  return { asks, stream, at, send };
}

describe('a write', () => {
  it.each<BareWriteRequest>([
    { kind: 'begin', key: keyOf(1), size: 7, ...CONDITION, ...ATTRIBUTES },
    { kind: 'complete', key: keyOf(2), upload: 'u', parts: ['p'], size: 7, ...CONDITION, ...ATTRIBUTES },
    { kind: 'abort', key: keyOf(3), upload: 'u' },
    { kind: 'delete', keys: [keyOf(4), keyOf(5)], ifVersion: 'v' },
    { kind: 'uploads', prefix: keyOf(6), continuation: 'c' },
    { kind: 'copy', key: keyOf(7), sourceStore: 's', sourceKey: keyOf(8), sourceVersion: 'v', ...CONDITION },
  ])('asks for what it was asked: $kind', (request) => {
    const { asks, stream } = createAsks();
    asks.write(stream, 3, request).catch(() => {});
    expect(asks.next!.body).toEqual({ kind: 'write', store: 3, request, again: false });
  });

  it('that may have been carried out by a worker that is lost says so, and other questions do not', () => {
    const { asks, stream, at, send } = createAsks();
    asks.write(stream, 1, { kind: 'abort', key: keyOf(0), upload: 'u' }).catch(() => {});
    asks.head(stream, 1, keyOf(0)).catch(() => {});
    send(0);
    send(0);
    asks.orphaned(at(0), null);
    expect(asks.next!.body).toMatchObject({ kind: 'write', again: true, request: { upload: 'u' } });
    send(1);
    expect(asks.next!.body).toEqual({ kind: 'head', store: 1, key: keyOf(0) });
  });
});

describe('a question whose workers are lost one after the other', () => {
  it.each([
    [ErrorCode.WorkerStuck, 'stopped answering'],
    [ErrorCode.WorkerCrashed, 'died'],
  ] as const)('says how: %s', async (code, verb) => {
    const { asks, stream, at, send } = createAsks();
    const head = asks.head(stream, 1, keyOf(0));
    const cause = new Error('it was so');
    for (let loss = 0; loss < 3; loss += 1) {
      expect(await isSettled(head)).toBe(false);
      send(1);
      asks.orphaned(at(1), cause, code);
    }
    await expect(head).rejects.toMatchObject({
      code,
      phase: 'head',
      worker: 'worker-1#0',
      message: `3 workers ${verb} while they answered a head`,
      cause,
    });
  });

  it('stays with the worker that it has when another one is lost', () => {
    const { asks, stream, at, send } = createAsks();
    asks.head(stream, 1, keyOf(0)).catch(() => {});
    const id = send(0);
    asks.orphaned(at(1), null);
    expect([asks.next, stream.jobsOut]).toEqual([null, 1]);
    expect(asks.take(id, at(0))).not.toBeNull();
  });

  it('is not with its worker any more when that is lost', () => {
    const { asks, stream, at, send } = createAsks();
    asks.head(stream, 1, keyOf(0)).catch(() => {});
    const id = send(0);
    const ask = asks.next;
    asks.orphaned(at(0), null);
    expect([ask, asks.take(id, at(0)), asks.next!.worker, asks.next!.crashes]).toEqual([null, null, null, 1]);
  });
});

describe('a worker', () => {
  it('has the questions of a stream that it was sent and has not answered', () => {
    const { asks, stream, at, send } = createAsks();
    const other = createStream(new Arena(MIB), []).stream;
    asks.head(stream, 1, keyOf(0)).catch(() => {});
    expect(asks.isWith(at(0), stream)).toBe(false);
    const id = send(0);
    expect([at(0), at(1)].map((worker) => asks.isWith(worker, stream))).toEqual([true, false]);
    expect(asks.isWith(at(0), other)).toBe(false);
    asks.take(id, at(0));
    expect(asks.isWith(at(0), stream)).toBe(false);
  });
});

describe('questions that wait', () => {
  it('are bounded', async () => {
    const { asks, stream, send } = createAsks();
    const key = keyOf(0);
    for (let i = 0; i < 65_536; i += 1) asks.head(stream, 1, key).catch(() => {});
    await expect(asks.head(stream, 1, key)).rejects.toMatchObject({
      code: 'Throttled',
      message: '65536 listings, heads and writes wait already: await some before asking for more',
    });
    send(0);
    const next = asks.head(stream, 1, key);
    expect(await isSettled(next)).toBe(false);
    asks.turned(stream);
    await expect(next).rejects.toThrow();
  });
});

describe('an answer', () => {
  const about = { jobId: 1, status: Ok, error: null };

  it('is the page, the object or the result that its message carries', () => {
    const page = createKeyPageBuilder().finish([], null);
    const info = { size: 1, version: null, lastModifiedMs: null, contentType: null };
    expect(answerIn({ kind: 'page', page, ...about })).toBe(page);
    expect(answerIn({ kind: 'info', info, ...about })).toBe(info);
    expect(answerIn({ kind: 'page', page: null, ...about })).toBeNull();
    expect(answerIn({ kind: 'written', result: null, failures: [], ...about })).toBeNull();
  });

  it('to a write has its failures as errors', () => {
    const error = new MillraceError(ErrorCode.AccessDenied, 'not this one');
    const result = { ...WRITTEN, version: 'v' };
    const answer = answerIn({ kind: 'written', result, failures: [[3, error.toWire()]], ...about });
    expect(answer).toEqual({ ...result, failures: [[3, expect.any(MillraceError)]] });
    expect(answer).toMatchObject({ failures: [[3, { code: 'AccessDenied', message: 'not this one' }]] });
  });
});
