/** Questions that a worker is asked, and the credentials that it asks for. */
import { describe, expect, it } from 'vitest';
import { OwnWord } from '../../../dist/protocol/context.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { Outcome, type Answer, type ObjectInfo } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import {
  answerOf,
  fetchOf,
  problem,
  STORE,
  stores,
  storeSpec,
  streamSpec,
  transform,
  workerOf,
} from './worker.kit.js';

describe('a question', () => {
  const info: ObjectInfo = { size: 5, version: '"1"', lastModifiedMs: null, contentType: null };
  const head = (jobId: number, more: Partial<JobMessage> = {}): JobMessage =>
    ({
      kind: 'head',
      jobId,
      stream: 1,
      store: STORE,
      key: Buffer.from('k'),
      open: null,
      stores: [],
      ...more,
    }) as JobMessage;
  const open = { open: streamSpec(1), stores };

  it('is answered by itself, from one slot, and asked again where that helps', async () => {
    const asked: string[] = [];
    const answers: Answer<ObjectInfo>[] = [
      { outcome: Outcome.Transient, value: null, error: problem, retryAfterMs: 0 },
      answerOf(info),
    ];
    const kit = workerOf({
      stores: {
        [STORE]: {
          head: (key) => {
            asked.push(Buffer.from(key).toString());
            return Promise.resolve(answers.shift()!);
          },
        },
      },
    });
    await kit.send(head(50, open));
    expect([asked, kit.stats().busy, kit.messages]).toEqual([['k'], 1, []]);
    await kit.untilQuiet();
    expect(kit.messages).toEqual([{ kind: 'info', jobId: 50, status: DoneStatus.Ok, info, error: null }]);
    expect([asked, kit.stats()]).toMatchObject([
      ['k', 'k'],
      { busy: 0, retries: 1, origins: [{ inFlight: 0 }] },
    ]);
  });

  it('gives back the slot that it had', async () => {
    const words: number[] = [];
    const kit = workerOf({
      concurrency: 1,
      stores: { [STORE]: { head: () => Promise.resolve(answerOf(info)) } },
      transform: () => void words.push(kit.ownWords[OwnWord.Transforming]!),
    });
    await kit.send(head(50, { open: streamSpec(1, { transform }), stores }));
    await kit.send(fetchOf(1, [{ id: 7, flags: JobFlag.Transform }]));
    kit.read('k7').answer();
    await kit.flow();
    expect(words).toEqual([7]);
  });

  it('is asked as often as its stream may ask', async () => {
    const unsure = { outcome: Outcome.Transient, value: null, error: problem, retryAfterMs: 0 };
    let asked = 0;
    const heads = () => {
      asked += 1;
      return Promise.resolve(unsure);
    };
    const kit = workerOf({ stores: { [STORE]: { head: heads } } });
    await kit.send(head(50, { open: streamSpec(1, { maxAttempts: 2 }), stores }));
    await kit.untilQuiet();
    expect([asked, kit.messages]).toMatchObject([
      2,
      [{ jobId: 50, status: DoneStatus.Failed, info: null, error: { code: ErrorCode.ServiceUnavailable } }],
    ]);
  });

  it('whose answer cannot be sent is answered with why, and the worker goes on', async () => {
    const broken = { ...info, contentType: (() => {}) as unknown as string };
    const kit = workerOf({ stores: { [STORE]: { head: () => Promise.resolve(answerOf(broken)) } } });
    await kit.send(head(50, open));
    expect(kit.messages).toMatchObject([
      {
        kind: 'info',
        jobId: 50,
        status: DoneStatus.Failed,
        info: null,
        error: { code: ErrorCode.Internal, context: { phase: 'head' } },
      },
    ]);
    expect([kit.stats().busy, kit.state.over]).toEqual([0, null]);
  });

  it.each([
    [false, false],
    [true, true],
  ])(
    'to write that a lost worker may have carried out (%s) says so in its error: %s',
    async (again, expected) => {
      const exists = new MillraceError(ErrorCode.AlreadyExists, 'there is one');
      const write = () =>
        Promise.resolve({ outcome: Outcome.Refused, value: null, error: exists, retryAfterMs: 0 });
      const kit = workerOf({ stores: { [STORE]: { write } } });
      const request = { kind: 'delete', key: Buffer.from('k') };
      await kit.send(head(50, { ...open, kind: 'write', request, again } as unknown as Partial<JobMessage>));
      const [message] = kit.messages as { error: { message: string } }[];
      expect(message!.error.message.includes('may be what made it')).toBe(expected);
    },
  );

  it('gives its slot to others while it waits for its origin, and has one again for its answer', async () => {
    const slowDown = { outcome: Outcome.Throttled, value: null, error: problem, retryAfterMs: 0 };
    const answers: Answer<ObjectInfo>[] = [slowDown, answerOf(info)];
    const heads = () => Promise.resolve(answers.shift()!);
    const kit = workerOf({ concurrency: 1, stores: { 4: { head: heads } } });
    await kit.send(
      head(50, {
        store: 4,
        open: streamSpec(1, { throttleTimeoutMs: 60_000 }),
        stores: [...stores, storeSpec(4)],
      }),
    );
    expect(kit.stats().busy).toBe(0);
    await kit.send(fetchOf(2, [{ id: 1 }], { open: streamSpec(2) }));
    expect(kit.stats().busy).toBe(1);
    kit.read('k1').answer();
    await kit.untilQuiet();
    expect(kit.messages.map(({ kind }) => kind)).toEqual(['done', 'info']);
    expect([kit.stats().busy, kit.messages[1]]).toMatchObject([0, { status: DoneStatus.Ok, info }]);
  });
});

describe('fresh credentials', () => {
  const stale = { outcome: Outcome.StaleCredentials, landed: 0, error: problem };
  const snapshot = { version: 2, expiresAtMs: null, config: null };

  it('are asked for by the version that was refused, and the job goes on when they come', async () => {
    const kit = workerOf();
    await kit.send(fetchOf(1, [{ id: 1 }], { open: streamSpec(1), stores }));
    kit.read('k1').answer(stale);
    await kit.flow();
    expect(kit.replies.at(-1)).toEqual({ kind: 'stale-store', id: STORE, version: 1 });
    await kit.control({ kind: 'store', id: STORE, snapshot });
    kit.read('k1').answer();
    await kit.flow();
    expect(kit.rows()).toMatchObject([{ status: DoneStatus.Ok }]);
  });

  it('that there are none of fail the job with the reason', async () => {
    const kit = workerOf();
    await kit.send(fetchOf(1, [{ id: 1 }], { open: streamSpec(1), stores }));
    kit.read('k1').answer(stale);
    await kit.flow();
    const error = new MillraceError(ErrorCode.Unauthenticated, 'the session is over').toWire();
    await kit.control({ kind: 'store-failed', id: STORE, error });
    expect(kit.rows()).toMatchObject([
      {
        status: DoneStatus.Failed,
        error: { code: ErrorCode.Unauthenticated, message: 'the session is over' },
      },
    ]);
  });
});
