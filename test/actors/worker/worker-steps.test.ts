/** What a worker does with bytes that have landed. */
import { describe, expect, it } from 'vitest';
import { OwnWord, type TransformContext } from '../../../dist/protocol/context.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { SinkSpec } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type Answer, type ObjectInfo, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import type { PutRequest, WriteRequest, WriteResult } from '../../../dist/protocol/writes.js';
import {
  answerOf,
  byteOf,
  BYTES,
  fetchOf,
  type JobCells,
  problem,
  stores,
  storeSpec,
  streamSpec,
  transform,
  workerOf,
} from './worker.kit.js';

describe('a transform', () => {
  const transforming = async (
    apply: ((bytes: Uint8Array, context: TransformContext) => unknown) | Error,
    ...jobs: JobCells[]
  ) => {
    const kit = workerOf({ concurrency: 2, transform: apply });
    const rows = jobs.map((job) => ({ flags: JobFlag.Transform, ...job }));
    await kit.send(fetchOf(1, rows, { open: streamSpec(1, { transform }), stores }));
    return kit;
  };

  it('is given what landed and where it is from, and what it makes is reported with the row', async () => {
    const seen: unknown[] = [];
    const kit = await transforming(
      (bytes, { signal, ...about }) => {
        seen.push([[...bytes], signal.aborted, about]);
        return bytes.subarray(2, 5);
      },
      { id: 1, key: 'a/é', start: 50 },
    );
    kit.read('a/é').answer({ landed: 12, size: 62 });
    await kit.flow();
    const landed = Array.from({ length: 12 }, (_, at) => byteOf('a/é', 50 + at));
    expect(seen).toEqual([
      [
        landed,
        false,
        { uri: 's3://shelf-3/a/é', key: 'a/é', size: 12, version: '"v"', options: { of: 'the user' } },
      ],
    ]);
    expect(kit.rows()).toMatchObject([
      { id: 1, status: DoneStatus.Ok, landed: 12, outputs: [{ kind: 'lease', start: 2, length: 3 }] },
    ]);
  });

  it('is told of in shared memory while it runs, in the word of its slot', async () => {
    const words: number[][] = [];
    let finish = (): void => {};
    const kit = await transforming(
      () =>
        new Promise((resolve) => {
          words.push([...kit.ownWords.subarray(OwnWord.Transforming)]);
          finish = () => resolve(null);
        }),
      { id: 1 },
      { id: 0x8000_0002, offset: 64 },
    );
    kit.read('k1').answer();
    await kit.flow();
    kit.reads[0]!.answer();
    await kit.flow();
    expect(words).toEqual([
      [1, 0],
      [1, 2],
    ]);
    finish();
    await kit.flow();
    expect([...kit.ownWords.subarray(OwnWord.Transforming)]).toEqual([1, 0]);
  });

  it('is loaded once for its stream, and nothing is for one that has none', async () => {
    const kit = await transforming(() => null, { id: 1 }, { id: 2 });
    await kit.send(fetchOf(2, [{ id: 3, flags: JobFlag.Transform }], { open: streamSpec(2) }));
    const open = streamSpec(3, { transform: sink });
    await kit.send(fetchOf(3, [{ id: 4, flags: 0 }], { open }));
    expect(kit.loads).toEqual(['file:///transform.js']);
    kit.read('k1').answer();
    await kit.flow();
    kit.read('k3').answer();
    await kit.untilQuiet();
    const row = kit.rows().find(({ id }) => id === 3);
    expect(row).toMatchObject({ status: DoneStatus.Ok, outputs: null });
  });

  it('that throws fails its row, with an error that says so or its own', async () => {
    const own = new MillraceError(ErrorCode.AccessDenied, 'not this one');
    const kit = await transforming(
      (_bytes, { key }) => {
        throw key === 'k1' ? new RangeError('no such row') : own;
      },
      { id: 1 },
      { id: 2 },
    );
    kit.read('k1').answer();
    kit.read('k2').answer();
    await kit.flow();
    await kit.untilQuiet();
    expect(kit.rows()).toMatchObject([
      {
        id: 1,
        status: DoneStatus.Failed,
        error: { code: ErrorCode.TransformFailed, message: 'the transform threw: no such row' },
      },
      { id: 2, status: DoneStatus.Failed, error: { code: ErrorCode.AccessDenied, message: 'not this one' } },
    ]);
    expect([...kit.ownWords.subarray(OwnWord.Transforming)]).toEqual([0, 0]);
  });

  it('that cannot be loaded fails the rows, not the worker', async () => {
    const kit = await transforming(new MillraceError(ErrorCode.ModuleUnavailable, 'no such module'), {
      id: 1,
    });
    kit.read('k1').answer();
    await kit.flow();
    expect(kit.rows()).toMatchObject([
      { status: DoneStatus.Failed, error: { code: ErrorCode.ModuleUnavailable } },
    ]);
    expect(kit.state.over).toBe(null);
  });

  it('is applied to bytes that are there already, and not to a first part of which there is more', async () => {
    const seen: number[] = [];
    const kit = await transforming(
      (bytes) => {
        seen.push(bytes.length);
        return [];
      },
      { id: 1, flags: JobFlag.Transform | JobFlag.Landed },
      { id: 2, flags: JobFlag.Transform | JobFlag.First },
      { id: 3, flags: 0 },
      { id: 4 },
    );
    kit.read('k2').answer({ size: 900 });
    kit.read('k3').answer();
    kit.read('k4').answer({ outcome: Outcome.VersionChanged, landed: 0 });
    await kit.untilQuiet();
    expect(seen).toEqual([BYTES]);
    const byId = Object.fromEntries(kit.rows().map(({ id, status, outputs }) => [id, [status, outputs]]));
    expect(byId).toEqual({
      1: [DoneStatus.Ok, []],
      2: [DoneStatus.Ok, null],
      3: [DoneStatus.Ok, null],
      4: [DoneStatus.VersionChanged, null],
    });
  });

  it('hears of a cancel by its signal, and is not begun after one', async () => {
    let heard = false;
    let begun = 0;
    const kit = await transforming(
      (_bytes, { signal }) => {
        begun += 1;
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            heard = true;
            resolve(null);
          });
        });
      },
      { id: 1 },
      { id: 2 },
    );
    kit.read('k1').answer();
    await kit.flow();
    kit.words[1] = (kit.words[1]! & ~3) | StopState.Cancelled;
    // Its last bytes come before the message about the token does.
    kit.read('k2').answer();
    await kit.flow();
    expect([begun, heard]).toEqual([1, false]);
    await kit.turn(1, StopState.Cancelled);
    await kit.untilQuiet();
    expect(heard).toBe(true);
    expect(kit.rows().map(({ id, status }) => [id, status])).toEqual([
      [2, DoneStatus.Cancelled],
      [1, DoneStatus.Ok],
    ]);
  });

  it('has no listener on its token once it is over', async () => {
    const signals: AbortSignal[] = [];
    const kit = await transforming(
      (_bytes, { signal }) => {
        signals.push(signal);
        return null;
      },
      { id: 1 },
    );
    kit.read('k1').answer();
    await kit.flow();
    await kit.turn(1, StopState.Cancelled);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

const TARGET = 5;
const sink: SinkSpec = {
  store: TARGET,
  prefix: Buffer.from('copy/'),
  strip: 1,
  upload: null,
  ifAbsent: false,
  ifVersion: null,
  contentType: 'text/plain',
};

describe('a sink', () => {
  const sinking = async (
    answers: ((request: WriteRequest) => Answer<WriteResult> | Promise<Answer<WriteResult>>)[],
    flags = 0,
    spec: SinkSpec = sink,
  ) => {
    const requests: WriteRequest[] = [];
    const left = [...answers];
    const write: Store['write'] = async (request) => {
      requests.push(request);
      return await left.shift()!(request);
    };
    const kit = workerOf({
      concurrency: 2,
      stores: { [TARGET]: { write, head: () => Promise.reject(problem) } },
    });
    const job = { id: 1, start: 32, flags: JobFlag.Transform | flags };
    await kit.send(
      fetchOf(1, [job], {
        open: streamSpec(1, { transform: spec, throttleTimeoutMs: 0 }),
        stores: [...stores, storeSpec(TARGET)],
      }),
    );
    kit.read('k1').answer();
    await kit.flow();
    return { ...kit, requests };
  };
  const stored = answerOf<WriteResult>({
    version: '"new"',
    part: 'p',
    failures: [],
  } as unknown as WriteResult);
  const unsure: Answer<WriteResult> = {
    outcome: Outcome.Transient,
    value: null,
    error: problem,
    retryAfterMs: 0,
  };

  it('is given what landed, and its receipt is what is reported', async () => {
    let body: number[] = [];
    const kit = await sinking([
      (request) => {
        body = [...(request as { body: Uint8Array }).body];
        return stored;
      },
    ]);
    expect(body).toEqual(Array.from({ length: BYTES }, (_, at) => byteOf('k1', 32 + at)));
    expect(kit.requests).toMatchObject([{ kind: 'put', contentType: 'text/plain', ifAbsent: false }]);
    expect(Buffer.from((kit.requests[0] as PutRequest).key).toString()).toBe('copy/1');
    expect(kit.rows()).toMatchObject([
      {
        status: DoneStatus.Ok,
        landed: BYTES,
        retries: 0,
        error: null,
        outputs: [{ kind: 'value', value: { version: '"new"', part: 'p' } }],
      },
    ]);
  });

  it('is told where in the object a part begins', async () => {
    const upload = { id: 'u', partBytes: BYTES, size: 900 };
    const kit = await sinking([() => stored], 0, { ...sink, upload });
    expect(kit.requests).toMatchObject([{ kind: 'part', upload: 'u', index: 2, start: 32, last: false }]);
  });

  it('is asked again, which counts, in the row and of the worker', async () => {
    const slowDown = { ...unsure, outcome: Outcome.Throttled };
    const kit = await sinking([() => unsure, () => slowDown, () => stored]);
    await kit.untilQuiet();
    expect(kit.rows()).toMatchObject([{ status: DoneStatus.Ok, retries: 2, throttled: 1 }]);
    expect([kit.requests.length, kit.stats().retries]).toEqual([3, 2]);
  });

  it('fails the row with what it says, and nothing is reported as made', async () => {
    const refused = { ...unsure, outcome: Outcome.Refused };
    const kit = await sinking([() => refused]);
    expect(kit.rows()).toMatchObject([
      { status: DoneStatus.Failed, error: { code: ErrorCode.ServiceUnavailable }, outputs: null },
    ]);
  });

  it.each([
    [0, false],
    [JobFlag.Again, true],
  ])('with the flag %i may have been written to by a worker that was lost: %s', async (flags, again) => {
    const exists = new MillraceError(ErrorCode.AlreadyExists, 'there is one');
    const kit = await sinking([() => ({ ...unsure, outcome: Outcome.Refused, error: exists })], flags);
    expect(kit.rows()[0]!.error!.message.includes('may be what made it')).toBe(again);
  });

  it('is slow where writes of a size take longer than they did, not where larger ones take longer than heads', async () => {
    let tookMs = 10;
    const answered = <T>(answer: Answer<T>): Promise<Answer<T>> => {
      kit.state.now += tookMs;
      return Promise.resolve(answer);
    };
    const head = (): Promise<Answer<ObjectInfo>> => answered(answerOf({} as ObjectInfo));
    const means = { head, write: () => answered(stored) };
    const kit = workerOf({ concurrency: 2, stores: { [TARGET]: means } });
    const open = streamSpec(1, { transform: sink });
    await kit.send(fetchOf(1, [], { open, stores: [...stores, storeSpec(TARGET)] }));
    let id = 0;
    const put = (length: number): Promise<void> => {
      const flags = JobFlag.Transform | JobFlag.Landed;
      return kit.send(fetchOf(1, [{ id: (id += 1), offset: 0, length, flags }]));
    };
    const about = { stream: 1, store: TARGET, key: Buffer.from('k'), open: null, stores: [] };
    const fill = async (length: number): Promise<unknown> => {
      for (let i = 0; i < 40; i += 1) await put(length);
      return kit.stats().origins.at(-1);
    };
    for (let i = 0; i < 100; i += 1) {
      await kit.send({ kind: 'head', jobId: (id += 1), ...about });
      await put(BYTES);
    }
    tookMs = 500;
    expect(await fill(20 * 1024)).toMatchObject({ limit: 2, slow: false });
    expect(await fill(BYTES)).toMatchObject({ limit: 1, slow: true });
  });

  it('hears of a cancel', async () => {
    const stops: StopState[] = [];
    const write: Store['write'] = (_request, stop) =>
      new Promise((resolve) => {
        stop.onStop(() => {
          stops.push(stop.state);
          resolve({ outcome: Outcome.Cancelled, value: null, error: null, retryAfterMs: 0 });
        });
      });
    const kit = workerOf({ stores: { [TARGET]: { write } } });
    const open = streamSpec(1, { transform: sink });
    const job = { id: 1, flags: JobFlag.Transform };
    await kit.send(fetchOf(1, [job], { open, stores: [...stores, storeSpec(TARGET)] }));
    kit.read('k1').answer();
    await kit.flow();
    // A write is a request of its own, from a place of the store that is written to.
    expect(kit.stats().origins).toMatchObject([{ inFlight: 0 }, { inFlight: 1 }]);
    await kit.turn(1, StopState.Cancelled);
    expect([stops, kit.rows().map(({ status }) => status)]).toEqual([
      [StopState.Cancelled],
      [DoneStatus.Cancelled],
    ]);
  });
});
