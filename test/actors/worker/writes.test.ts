import { describe, expect, it } from 'vitest';
import { attemptWrite, sinkRequest } from '../../../dist/actors/worker/writes.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { SinkSpec } from '../../../dist/protocol/messages.js';
import { NEVER, StopState } from '../../../dist/protocol/stop.js';
import { type Answer, type ObjectInfo, Outcome, type Store } from '../../../dist/protocol/store.js';
import {
  type CompleteRequest,
  type WriteRequest,
  type WriteResult,
  WRITTEN,
  written,
} from '../../../dist/protocol/writes.js';

const KEY = Uint8Array.of(0xff, 1);

function refused(code: ErrorCode, version: string | null = null): Answer<WriteResult> {
  const error = new MillraceError(code, 'no', { phase: 'write', uri: 'x:k' });
  const value = version === null ? null : { ...WRITTEN, version };
  return { outcome: Outcome.Refused, value, error, retryAfterMs: 0 };
}

/** A store that answers each write with `answer`, and each head with `head`. */
function storeOf(answer: Answer<WriteResult>, head?: Partial<Answer<Partial<ObjectInfo>>>) {
  const asked: string[] = [];
  const store = {
    write: (request: WriteRequest) => {
      asked.push(request.kind);
      return Promise.resolve(answer);
    },
    head: (key: Uint8Array) => {
      asked.push(`head ${key.join()}`);
      return Promise.resolve({
        outcome: Outcome.Complete,
        value: null,
        error: null,
        retryAfterMs: 0,
        ...head,
      });
    },
  } as unknown as Store;
  return { store, asked };
}

const PUT: WriteRequest = {
  kind: 'put',
  key: KEY,
  body: Uint8Array.of(1),
  ifAbsent: true,
  ifVersion: null,
  contentType: null,
};
const COMPLETE = {
  kind: 'complete',
  key: KEY,
  upload: 'u',
  size: 100,
  parts: [],
  ifAbsent: false,
  ifVersion: null,
} as unknown as CompleteRequest;

describe('the first attempt at a write', () => {
  it.each([ErrorCode.NotFound, ErrorCode.AlreadyExists, ErrorCode.VersionChanged])(
    'is what the store says of it: %s',
    async (code) => {
      for (const request of [PUT, COMPLETE]) {
        const { store, asked } = storeOf(refused(code));
        expect(await attemptWrite(store, request, NEVER, false)).toEqual(refused(code));
        expect(asked).toEqual([request.kind]);
      }
    },
  );
});

describe('a write whose attempt before had no answer', () => {
  it('is a success when it succeeds', async () => {
    const { store, asked } = storeOf(written({ version: 'v' }));
    expect(await attemptWrite(store, COMPLETE, NEVER, true)).toEqual(written({ version: 'v' }));
    expect(asked).toEqual(['complete']);
  });

  it.each([ErrorCode.AlreadyExists, ErrorCode.VersionChanged])(
    'and that finds %s says that it may have done that itself',
    async (code) => {
      for (const request of [PUT, COMPLETE]) {
        const { error, outcome } = await attemptWrite(storeOf(refused(code)).store, request, NEVER, true);
        expect(outcome).toBe(Outcome.Refused);
        expect(error).toMatchObject({
          code,
          phase: 'write',
          uri: 'x:k',
          message:
            'no; an earlier attempt of this very call had no answer and may be what made it: read the object to find out',
        });
      }
    },
  );

  it('is refused as it is where it cannot have done that', async () => {
    expect(await attemptWrite(storeOf(refused(ErrorCode.AccessDenied)).store, PUT, NEVER, true)).toEqual(
      refused(ErrorCode.AccessDenied),
    );
    const { store, asked } = storeOf(refused(ErrorCode.NotFound));
    expect(await attemptWrite(store, PUT, NEVER, true)).toEqual(refused(ErrorCode.NotFound));
    expect(asked).toEqual(['put']);
  });
});

describe('an upload that is gone when it is completed again', () => {
  const complete = async (
    head: Partial<Answer<Partial<ObjectInfo>>>,
    { more = {}, expected = null }: { more?: Partial<CompleteRequest>; expected?: string | null } = {},
  ): Promise<Answer<WriteResult>> => {
    const { store, asked } = storeOf(refused(ErrorCode.NotFound, expected), head);
    const answer = await attemptWrite(store, { ...COMPLETE, ...more }, NEVER, true);
    expect(asked).toEqual(['complete', 'head 255,1']);
    return answer;
  };
  const there = { value: { size: 100, version: 'v2' } };
  const unsure = {
    outcome: Outcome.Refused,
    error: { code: 'NotFound', message: expect.stringMatching(/^no; an/) },
  };

  it('was completed before when the object is there, in its size, and tells no version: that may be of another', async () => {
    expect(await complete(there)).toEqual(written({ version: null }));
    expect(await complete({ value: { size: 99, version: 'v2' } })).toMatchObject(unsure);
  });

  it('is not looked for once nobody wants to know, and still is while its stop is a drain', async () => {
    const stopped = async (state: StopState) => {
      const { store, asked } = storeOf(refused(ErrorCode.NotFound), there);
      const { outcome } = await attemptWrite(store, COMPLETE, { ...NEVER, state }, true);
      return { outcome, asked };
    };
    expect(await stopped(StopState.Cancelled)).toEqual({ outcome: Outcome.Cancelled, asked: ['complete'] });
    expect(await stopped(StopState.Draining)).toMatchObject({ outcome: Outcome.Complete });
  });

  it('was completed before when the object has the version that the upload makes', async () => {
    expect(await complete(there, { expected: 'v2' })).toEqual(written({ version: 'v2' }));
    expect(await complete(there, { expected: 'v3' })).toMatchObject(unsure);
    expect(await complete({ value: { size: 99, version: 'v2' } }, { expected: 'v2' })).toMatchObject(unsure);
  });

  it('under a condition is taken for completed by its version alone', async () => {
    for (const more of [{ ifAbsent: true }, { ifVersion: 'v1' }]) {
      expect(await complete(there, { more })).toMatchObject(unsure);
      expect(await complete(there, { more, expected: 'v2' })).toEqual(written({ version: 'v2' }));
    }
  });

  it('is not known to be completed where there is no object', async () => {
    const error = new MillraceError(ErrorCode.NotFound, 'gone');
    expect(await complete({ outcome: Outcome.Refused, error })).toMatchObject(unsure);
  });

  it('is asked about again where the question has no answer', async () => {
    const error = new MillraceError(ErrorCode.Throttled, 'slow down');
    expect(await complete({ outcome: Outcome.Throttled, error, retryAfterMs: 70 })).toEqual({
      outcome: Outcome.Throttled,
      value: null,
      error,
      retryAfterMs: 70,
    });
  });
});

describe('what a sink asks for', () => {
  const SINK: SinkSpec = {
    store: 2,
    prefix: Buffer.from('to/'),
    strip: 5,
    upload: null,
    ifAbsent: true,
    ifVersion: 'v',
    contentType: 'text/plain',
  };
  const source = Buffer.from('from/a\u00ff', 'latin1');
  const body = Uint8Array.of(1, 2, 3);

  it('is a put of the whole, under its prefix and without what is stripped of the source', () => {
    const request = sinkRequest(SINK, source, 0, body);
    expect(request).toEqual({
      kind: 'put',
      key: new Uint8Array(Buffer.from('to/a\u00ff', 'latin1')),
      body,
      ifAbsent: true,
      ifVersion: 'v',
      contentType: 'text/plain',
    });
    expect(sinkRequest({ ...SINK, strip: null }, source, 0, body)).toMatchObject({ key: SINK.prefix });
    expect(sinkRequest({ ...SINK, strip: 0 }, source, 0, body)).toMatchObject({
      key: new Uint8Array(Buffer.from('to/from/a\u00ff', 'latin1')),
    });
  });

  it.each([
    [9, 6, 3, 2, true],
    [9, 3, 3, 1, false],
    [9, 0, 3, 0, false],
    [10, 6, 3, 2, false],
    // Of an object whose size is not known the last part is the one that is not full.
    [-1, 6, 3, 2, false],
    [-1, 6, 4, 1, true],
  ])(
    'is a part of an upload of %i bytes, from %i on in parts of %i: number %i, last: %s',
    (size, start, partBytes, index, last) => {
      expect(sinkRequest({ ...SINK, upload: { id: 'u', partBytes, size } }, source, start, body)).toEqual({
        kind: 'part',
        key: new Uint8Array(Buffer.from('to/a\u00ff', 'latin1')),
        upload: 'u',
        index,
        start,
        body,
        last,
      });
    },
  );

  it('is the last and only part of an empty object', () => {
    const none = new Uint8Array(0);
    expect(
      sinkRequest({ ...SINK, upload: { id: 'u', partBytes: 4, size: 0 } }, source, 0, none),
    ).toMatchObject({
      index: 0,
      last: true,
    });
  });
});
