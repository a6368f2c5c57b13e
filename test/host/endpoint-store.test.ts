import { describe, expect, it } from 'vitest';
import { EndpointStore, endpointSnapshots, verdictOf } from '../../dist/host/endpoint-store.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { Answer, ReadAnswer, ReadRequest, Store, StoreSnapshot } from '../../dist/protocol/store.js';
import { Outcome } from '../../dist/protocol/store.js';
import { readOnce } from '../kit/attempts.js';

/** Stores whose reads a test answers by hand. */
class Endpoints {
  nowMs = 0;
  readonly calls: { endpoint: number; answer: (known: Partial<ReadAnswer>) => void }[] = [];
  readonly updates: unknown[] = [];
  closed = 0;
  readonly store: EndpointStore;

  constructor(count: number) {
    const endpoints = Array.from({ length: count }, (_, i) => ({ name: `e${i}`, store: this.#one(i) }));
    this.store = new EndpointStore(endpoints, { now: () => this.nowMs, first: 0 });
  }

  #one(endpoint: number): Store {
    const ask = <T>(): Promise<Answer<T>> =>
      new Promise((resolve) => {
        this.calls.push({ endpoint, answer: (known) => resolve({ ...nothing, value: null, ...known }) });
      });
    return {
      read: (_request, _target, _stop, done) => {
        this.calls.push({ endpoint, answer: (known) => done({ ...nothing, ...known }) });
      },
      head: ask,
      list: ask,
      write: ask,
      update: ({ config }) => this.updates.push(config),
      close: () => (this.closed += 1),
    };
  }

  /** Begins a read; returns its endpoint, and the function that answers it. */
  read(request: ReadRequest): { endpoint: number; answer: (known: Partial<ReadAnswer>) => void } {
    this.store.read(request, new Uint8Array(0), NEVER, () => {});
    return this.calls.at(-1)!;
  }
}

const nothing: ReadAnswer = {
  outcome: Outcome.Complete,
  landed: 0,
  size: -1,
  version: null,
  error: null,
  retryAfterMs: 0,
};

const wanted = (length = 100): ReadRequest => ({
  key: Uint8Array.of(1),
  start: 0,
  length,
  whole: true,
  version: null,
  verify: 'never',
});

const failed = (code: ErrorCode, status?: number): MillraceError =>
  new MillraceError(code, 'it failed', status === undefined ? {} : { status });

describe('reads of a store with several endpoints', () => {
  it('go where the least is in flight, and leave nothing behind however they end', () => {
    const endpoints = new Endpoints(2);
    const reads = Array.from({ length: 10 }, () => endpoints.read(wanted()));
    expect(reads.map(({ endpoint }) => endpoint).toSorted((x, y) => x - y)).toEqual([
      0, 0, 0, 0, 0, 1, 1, 1, 1, 1,
    ]);
    const busy = { inFlight: 5, outstandingBytes: 500, ejected: false, answered: 0, failed: 0, latencyMs: 0 };
    expect(endpoints.store.stats('s3://logs')).toEqual([
      { store: 's3://logs', endpoint: 'e0', ...busy },
      { store: 's3://logs', endpoint: 'e1', ...busy },
    ]);
    endpoints.nowMs = 40;
    const outcomes = Object.values(Outcome);
    for (const [i, { answer }] of reads.entries()) answer({ outcome: outcomes[i % outcomes.length]! });
    for (const stats of endpoints.store.stats('s3://logs'))
      expect(stats).toMatchObject({ inFlight: 0, outstandingBytes: 0, latencyMs: 40 });
  });

  it('are answered to the one who asked, though the record of a read is used again', async () => {
    const endpoints = new Endpoints(2);
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 4 }, () =>
        readOnce(endpoints.store, wanted(), new Uint8Array(0), NEVER),
      );
      const calls = endpoints.calls.splice(0);
      for (const [i, { answer }] of calls.entries()) answer({ landed: 10 * round + i });
      expect((await Promise.all(asked)).map(({ landed }) => landed)).toEqual(
        [0, 1, 2, 3].map((i) => 10 * round + i),
      );
    }
  });

  it('may begin the next one as soon as they are answered, as workers do', () => {
    const endpoints = new Endpoints(2);
    endpoints.store.read(wanted(100), new Uint8Array(0), NEVER, () => {
      endpoints.store.read(wanted(7), new Uint8Array(0), NEVER, () => {});
    });
    endpoints.calls[0]!.answer({});
    const bytes = (): number[] => endpoints.store.stats('x').map((each) => each.outstandingBytes);
    expect(bytes().toSorted((x, y) => x - y)).toEqual([0, 7]);
    endpoints.calls[1]!.answer({});
    expect(bytes()).toEqual([0, 0]);
  });

  it.each([Outcome.Transient, Outcome.Interrupted, Outcome.Throttled])(
    'are tried again at another endpoint after "%s"',
    (outcome) => {
      const endpoints = new Endpoints(3);
      for (let i = 0; i < 6; i++) {
        const request = wanted();
        const first = endpoints.read(request);
        first.answer({ outcome });
        // So much that nothing else would lead away from the first.
        const others = [0, 1].map(() => endpoints.read(wanted(1 << 20)));
        const second = endpoints.read(request);
        expect(second.endpoint).not.toBe(first.endpoint);
        for (const { answer } of [...others, second]) answer({});
      }
    },
  );

  it('are tried again at the same endpoint when that has just learnt the time', () => {
    const endpoints = new Endpoints(3);
    const request = wanted();
    const first = endpoints.read(request);
    first.answer({ outcome: Outcome.ClockSkew });
    for (let i = 0; i < 3; i++) expect(endpoints.read(request).endpoint).toBe(first.endpoint);
  });

  it('stop going to an endpoint that fails, as questions do', async () => {
    const endpoints = new Endpoints(2);
    const error = failed(ErrorCode.ConnectionFailed);
    for (let i = 0; i < 20; i++) {
      const { endpoint, answer } = endpoints.read(wanted());
      endpoints.nowMs += 1;
      answer(endpoint === 0 ? { outcome: Outcome.Transient, error } : {});
    }
    expect(endpoints.store.stats('x').map(({ ejected }) => ejected)).toEqual([true, false]);
    const before = endpoints.calls.length;
    const list = { prefix: new Uint8Array(0), delimiter: null, continuation: null, limit: 10 };
    const questions = [endpoints.store.head(Uint8Array.of(1), NEVER), endpoints.store.list(list, NEVER)];
    const asked = endpoints.calls.slice(before);
    expect(asked.map(({ endpoint }) => endpoint)).toEqual([1, 1]);
    expect(endpoints.store.stats('x')[1]!.inFlight).toBe(2);
    for (const { answer } of asked) answer({ outcome: Outcome.Cancelled });
    await Promise.all(questions);
    expect(endpoints.store.stats('x')[1]!.inFlight).toBe(0);
  });
});

describe('a question', () => {
  it('that fails is asked of another endpoint', async () => {
    const endpoints = new Endpoints(2);
    const key = Uint8Array.of(7);
    for (let i = 0; i < 4; i++) {
      const question = endpoints.store.head(key, NEVER);
      endpoints.calls.at(-1)!.answer({ outcome: Outcome.Throttled });
      await question;
    }
    expect(endpoints.calls.map(({ endpoint }) => endpoint)).toEqual([0, 1, 0, 1]);
  });
});

describe('a write', () => {
  const key = Uint8Array.of(7);
  const body = new Uint8Array(5000);
  const put = { kind: 'put', key, body, contentType: null, ifAbsent: false, ifVersion: null } as const;

  it('counts with its body, and is tried again at another endpoint when it failed', async () => {
    const endpoints = new Endpoints(2);
    const first = endpoints.store.write(put, NEVER);
    expect(endpoints.store.stats('x').map(({ outstandingBytes }) => outstandingBytes)).toEqual([5000, 0]);
    endpoints.calls[0]!.answer({ outcome: Outcome.Transient });
    await first;
    const second = endpoints.store.write(put, NEVER);
    expect(endpoints.store.stats('x').map(({ outstandingBytes }) => outstandingBytes)).toEqual([0, 5000]);
    endpoints.calls[1]!.answer({});
    await second;
    expect(endpoints.store.stats('x').map(({ outstandingBytes }) => outstandingBytes)).toEqual([0, 0]);
  });

  it.each([
    { kind: 'delete', keys: [key], ifVersion: null } as const,
    { kind: 'uploads', prefix: key, continuation: null } as const,
    { kind: 'abort', key, upload: 'u' } as const,
  ])('without a body goes the same way ($kind)', async (request) => {
    const endpoints = new Endpoints(2);
    for (let i = 0; i < 4; i++) {
      const asked = endpoints.store.write(request, NEVER);
      endpoints.calls.at(-1)!.answer({ outcome: Outcome.Throttled });
      await asked;
    }
    expect(endpoints.calls.map(({ endpoint }) => endpoint)).toEqual([0, 1, 0, 1]);
  });
});

describe('a snapshot with endpoints', () => {
  it('gives each endpoint its own configuration, and the same version', () => {
    const snapshot: StoreSnapshot = {
      version: 4,
      expiresAtMs: 9,
      config: 'a',
      endpoints: [
        { name: 'e0', config: 'a' },
        { name: 'e1', config: 'b' },
      ],
    };
    expect(endpointSnapshots(snapshot)).toEqual([
      { version: 4, expiresAtMs: 9, config: 'a' },
      { version: 4, expiresAtMs: 9, config: 'b' },
    ]);
    const endpoints = new Endpoints(2);
    endpoints.store.update(snapshot);
    expect(endpoints.updates).toEqual(['a', 'b']);
    endpoints.store.close();
    expect(endpoints.closed).toBe(2);
  });

  it('without them is its own', () => {
    const snapshot: StoreSnapshot = { version: 1, expiresAtMs: null, config: 'a' };
    expect(endpointSnapshots(snapshot)).toEqual([snapshot]);
  });
});

describe('what an outcome says about the endpoint', () => {
  it.each([
    [Outcome.Complete, null, 'answered'],
    [Outcome.Refused, failed(ErrorCode.NotFound, 404), 'answered'],
    [Outcome.Refused, failed(ErrorCode.AccessDenied, 403), 'answered'],
    [Outcome.VersionChanged, failed(ErrorCode.VersionChanged, 412), 'answered'],
    [Outcome.StaleCredentials, failed(ErrorCode.Unauthenticated, 403), 'answered'],
    [Outcome.Transient, failed(ErrorCode.ServiceUnavailable, 500), 'failed'],
    [Outcome.Transient, failed(ErrorCode.TimedOut), 'failed'],
    [Outcome.Interrupted, failed(ErrorCode.ShortBody, 200), 'failed'],
    [Outcome.Refused, failed(ErrorCode.ConnectionFailed), 'failed'],
    [Outcome.Throttled, failed(ErrorCode.Throttled, 503), 'throttled'],
    [Outcome.Refused, failed(ErrorCode.InvalidArgument), 'unknown'],
    [Outcome.StaleConnection, failed(ErrorCode.ConnectionFailed), 'unknown'],
    [Outcome.Cancelled, null, 'unknown'],
  ] as const)('%s (%o): %s', (outcome, error, verdict) => {
    expect(verdictOf(outcome, error)).toBe(verdict);
  });
});
