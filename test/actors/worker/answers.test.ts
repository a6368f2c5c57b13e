import { describe, expect, it } from 'vitest';
import { answerTo, attemptAt, bytesOf, type QuestionMessage } from '../../../dist/actors/worker/answers.js';
import { UNSIZED } from '../../../dist/actors/worker/latency.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import type { Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { WRITTEN } from '../../../dist/protocol/writes.js';

const about = { jobId: 7, stream: 1, store: 2, open: null, stores: [] };
const LIST: QuestionMessage = {
  ...about,
  kind: 'list',
  prefix: Uint8Array.of(1),
  delimiter: '/',
  continuation: 'c',
  limit: 9,
};
const HEAD: QuestionMessage = { ...about, kind: 'head', key: Uint8Array.of(2) };
const WRITE = {
  ...about,
  kind: 'write',
  request: { kind: 'abort' },
  again: false,
} as unknown as QuestionMessage;

describe('a question', () => {
  it('is put to the store in its own words, with its stop', async () => {
    const asked: unknown[] = [];
    const answer = { outcome: 'complete', value: null, error: null, retryAfterMs: 0 };
    const note =
      (verb: string) =>
      (...given: unknown[]) => {
        asked.push([verb, ...given]);
        return Promise.resolve(answer);
      };
    const store = { list: note('list'), head: note('head'), write: note('write') } as unknown as Store;
    for (const message of [LIST, HEAD, WRITE]) await attemptAt(message, store, NEVER, false);
    expect(asked).toEqual([
      ['list', { prefix: Uint8Array.of(1), delimiter: '/', continuation: 'c', limit: 9 }, NEVER],
      ['head', Uint8Array.of(2), NEVER],
      ['write', { kind: 'abort' }, NEVER],
    ]);
  });
});

describe('the time of an attempt at it', () => {
  it('is compared with that of its like, whatever it is about', () => {
    const complete = { ...WRITE, request: { kind: 'complete', size: 70 } } as unknown as QuestionMessage;
    const { abort, head, list } = UNSIZED;
    expect([WRITE, complete, HEAD, LIST].map((message) => bytesOf(message))).toEqual([
      abort,
      UNSIZED.complete,
      head,
      list,
    ]);
  });
});

describe('its answer', () => {
  const error = new MillraceError(ErrorCode.NotFound, 'gone', { uri: 'x:k' });
  const wire = expect.objectContaining({ code: 'NotFound', message: 'gone' });

  it.each([
    [LIST, 'page', 'page', { count: 3 }],
    [HEAD, 'info', 'info', { size: 3 }],
  ] as const)('has the job, the status, and the value or the error: %j', (message, kind, field, value) => {
    expect(answerTo(message, { status: DoneStatus.Ok, value: value as never, error: null })).toEqual({
      kind,
      jobId: 7,
      status: DoneStatus.Ok,
      error: null,
      [field]: value,
    });
    expect(answerTo(message, { status: DoneStatus.Failed, value: null, error })).toEqual({
      kind,
      jobId: 7,
      status: DoneStatus.Failed,
      error: wire,
      [field]: null,
    });
  });

  it('to a write has the failures beside the result, fit to travel', () => {
    const value = { ...WRITTEN, version: 'v', failures: [[4, error] as const] };
    expect(answerTo(WRITE, { status: DoneStatus.Ok, value, error: null })).toEqual({
      kind: 'written',
      jobId: 7,
      status: DoneStatus.Ok,
      error: null,
      result: { ...WRITTEN, version: 'v' },
      failures: [[4, wire]],
    });
    expect(answerTo(WRITE, { status: DoneStatus.Failed, value: null, error })).toEqual({
      kind: 'written',
      jobId: 7,
      status: DoneStatus.Failed,
      error: wire,
      result: null,
      failures: [],
    });
  });
});
