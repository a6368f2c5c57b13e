/** The worker actor, run in the simulation: what it reports, whatever happens just before whichever step. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { DoneStatus } from '../../dist/protocol/tables.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { tries } from '../kit/effort.js';
import { firstWrongByte, Hand, patternObject, patternObjects, type HandOptions } from './kit.js';

const SIZES = { a: 3000, b: 1, c: 7000, d: 500, e: 64 };
const KEYS = Object.keys(SIZES);
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

function hand(seed: number, more: Partial<HandOptions> = {}): Hand {
  return new Hand({ seed, objects: patternObjects(SIZES), concurrency: 2, ...more });
}

/** Two messages, more rows than the worker has slots, and a retry. */
function begin(seed: number, more: Partial<HandOptions> = {}): Hand {
  const driven = hand(seed, { faults: [{ kind: 'reset', key: 'c', afterBytes: 1234 }], ...more });
  void driven.fetch(KEYS.slice(0, 3).map((key) => ({ key })));
  void driven.fetch(KEYS.slice(3).map((key) => ({ key })));
  return driven;
}

/** Steps that the undisturbed scenario takes until everything is reported. */
async function stepsOf(seed: number, more: Partial<HandOptions> = {}): Promise<number> {
  const driven = begin(seed, more);
  await driven.untilReported();
  return driven.sim.steps;
}

function expectNothingLeft(driven: Hand): void {
  expect(driven.lateWrites()).toBe(0);
  expect(driven.tokenListeners()).toBe(0);
  expect(driven.origin.underWay).toEqual([]);
}

describe('a fetch', () => {
  it('goes on behind the bytes that have landed after a reset', async () => {
    for (const seed of SEEDS) {
      const driven = begin(seed);
      await driven.untilReported();
      const reads = driven.origin.reads.filter((read) => read.key === 'c');
      expect(reads.map((read) => [read.start, read.length, read.version])).toEqual([
        [0, 7000, null],
        [1234, 5766, 'v0'],
      ]);
      const row = driven.rows.find((one) => one.request.key === 'c')!;
      expect([row.status, row.landed, row.retries, firstWrongByte(row)]).toEqual([
        DoneStatus.Ok,
        7000,
        1,
        -1,
      ]);
    }
  });

  it('says so when the object was replaced before the rest was read', async () => {
    const driven = hand(9, {
      faults: [
        { kind: 'reset', key: 'c', afterBytes: 100 },
        { kind: 'replace', key: 'c', object: patternObject('c', 7000, 1) },
      ],
    });
    void driven.fetch([{ key: 'c' }]);
    await driven.untilReported();
    expect(driven.statuses()).toEqual([DoneStatus.VersionChanged]);
  });

  it('reports the true size of an object that has another one', async () => {
    const driven = hand(9, { faults: [{ kind: 'replace', object: patternObject('c', 99, 1) }] });
    void driven.fetch([{ key: 'c' }]);
    await driven.untilReported();
    expect(driven.rows.map((row) => [row.status, row.size])).toEqual([[DoneStatus.SizeChanged, 99]]);
  });

  it('waits as long as a throttling service asks', async () => {
    const driven = hand(10, { faults: [{ kind: 'throttle', retryAfterMs: 45_000 }] });
    void driven.fetch([{ key: 'a' }]);
    await driven.untilReported();
    const [first, second] = driven.origin.reads;
    expect(second!.beganAtMs - first!.beganAtMs).toBeGreaterThanOrEqual(45_000);
    expect(driven.statuses()).toEqual([DoneStatus.Ok]);
  });

  it('goes on with fresh credentials once they came', async () => {
    const driven = hand(12, {
      faults: [{ kind: 'stale-credentials' }],
      simulation: { refreshStore: (_id, stale) => simStoreSpec(stale + 1) },
    });
    void driven.fetch([{ key: 'a' }]);
    await driven.untilReported();
    expect(driven.statuses()).toEqual([DoneStatus.Ok]);
    expect(driven.replies.map((reply) => reply.kind)).toEqual(['ready', 'stale-store']);
    // The wait ends with the snapshot, not with its own time limit of 20 s.
    expect(driven.sim.now).toBeLessThan(1000);
  });

  it('fails with the reason why there are no fresh credentials', async () => {
    const driven = hand(12, { faults: [{ kind: 'stale-credentials' }] });
    void driven.fetch([{ key: 'a' }]);
    await driven.untilReported();
    expect(driven.rows[0]!.error!.code).toBe(ErrorCode.Unauthenticated);
    expect(driven.rows[0]!.error!.message).toMatch(/no fresher credentials for store 3/);
  });

  it('fails at once for what is permanent, and after its attempts for what is not', async () => {
    const refusal = new MillraceError(ErrorCode.AccessDenied, 'no');
    const driven = hand(13, {
      maxAttempts: 3,
      faults: [
        { kind: 'refuse', key: 'a', error: refusal },
        { kind: 'throttle', key: 'b', retryAfterMs: 0, times: 99 },
      ],
    });
    void driven.fetch([{ key: 'a' }, { key: 'b' }, { key: 'missing' }]);
    await driven.untilReported();
    const byKey = Object.fromEntries(driven.rows.map((row) => [row.request.key, row.error!.code]));
    expect(byKey).toEqual({ a: 'AccessDenied', b: 'Throttled', missing: 'NotFound' });
    expect(driven.origin.reads.filter((read) => read.key === 'b')).toHaveLength(3);
  });
});

describe('a transform', () => {
  it('sees the bytes that landed, and what it makes of them is reported with the row', async () => {
    const driven = hand(15, {
      transform: (bytes, { key, uri }) =>
        key === 'd' ? [] : [bytes.subarray(0, 1), { uri, length: bytes.length }],
    });
    void driven.fetch([{ key: 'a' }, { key: 'd' }]);
    await driven.untilReported();
    const outputs = Object.fromEntries(driven.rows.map((row) => [row.request.key, row.outputs]));
    expect(outputs).toEqual({
      a: [
        { kind: 'lease', start: 0, length: 1 },
        { kind: 'value', value: { uri: 'sim://bucket/a', length: 3000 } },
      ],
      d: [],
    });
  });

  it('that returns what cannot be cloned makes its own row fail, and no other', async () => {
    const driven = hand(16, { transform: (_bytes, { key }) => (key === 'a' ? () => {} : null) });
    void driven.fetch([{ key: 'a' }, { key: 'b' }]);
    await driven.untilReported();
    const codes = Object.fromEntries(driven.rows.map((row) => [row.request.key, row.error?.code]));
    expect(codes).toEqual({ a: ErrorCode.TransformFailed, b: undefined });
  });
});

describe('a cancel just before any step', () => {
  for (const slowCancel of [false, true]) {
    it(`ends every wait and leaves nothing behind (${slowCancel ? 'slow' : 'quick'} reads)`, async () => {
      const statuses = new Set<DoneStatus>();
      for (const seed of SEEDS.slice(0, 4)) {
        const steps = await stepsOf(seed, { slowCancel });
        for (let step = 0; step < steps; step += tries(1, 7)) {
          const driven = begin(seed, { slowCancel });
          driven.sim.atStep(step, () => driven.cancel());
          await driven.untilReported();
          expect(driven.rows).toHaveLength(KEYS.length);
          for (const status of driven.statuses()) statuses.add(status);
          for (const row of driven.rows) {
            if (row.status === DoneStatus.Ok) expect(firstWrongByte(row)).toBe(-1);
          }
          const stats = driven.link.stats();
          let answered = false;
          void stats.then(() => {
            answered = true;
          });
          await driven.sim.run(() => answered, 500);
          expect(await stats).toMatchObject({ busy: 0, queued: 0 });
          driven.stop();
          expect(await driven.untilExit()).toEqual({ clean: true, cause: null });
          expectNothingLeft(driven);
        }
      }
      expect(statuses).toEqual(new Set([DoneStatus.Ok, DoneStatus.Cancelled]));
    });
  }

  it('sees a read that would never have ended, and a sleep of a minute, at once', async () => {
    const driven = hand(14, {
      faults: [
        { kind: 'silence', key: 'a', afterBytes: 10 },
        { kind: 'throttle', key: 'b', retryAfterMs: 60_000 },
      ],
    });
    void driven.fetch([{ key: 'a' }, { key: 'b' }]);
    await driven.sim.run(() => driven.origin.reads.length === 2 && driven.origin.underWay.length === 1, 500);
    const before = driven.sim.now;
    driven.cancel();
    await driven.untilReported();
    expect(driven.statuses()).toEqual([DoneStatus.Cancelled, DoneStatus.Cancelled]);
    expect(driven.sim.now - before).toBeLessThan(1000);
    // The sleep is over with the token: nothing is left that would fire later.
    expect(driven.sim.waiting().filter((line) => line.includes('sleep at 6'))).toEqual([]);
    expectNothingLeft(driven);
  });
});

describe('a drain just before any step', () => {
  it('delivers what is in flight, hands back the rest, and begins no request', async () => {
    const statuses = new Set<DoneStatus>();
    for (const seed of SEEDS.slice(0, 4)) {
      const steps = await stepsOf(seed);
      for (let step = 0; step < steps; step += tries(1, 7)) {
        const driven = begin(seed);
        let begun = -1;
        driven.sim.atStep(step, () => {
          driven.drain();
          begun = driven.origin.reads.length;
        });
        await driven.untilReported();
        expect(driven.origin.reads).toHaveLength(begun);
        for (const row of driven.rows) {
          statuses.add(row.status);
          if (row.status === DoneStatus.Ok) expect(firstWrongByte(row)).toBe(-1);
        }
        expectNothingLeft(driven);
      }
    }
    expect(statuses).toEqual(new Set([DoneStatus.Ok, DoneStatus.Left]));
  });
});

describe.each([{ resultsCapacity: 1 }, { resultsCapacity: 8 }])(
  'a stop just before any step (%o)',
  (simulation) => {
    it('reports every row that the port had taken, and counts them in its last message', async () => {
      let left = 0;
      for (const seed of SEEDS.slice(0, 4)) {
        const steps = await stepsOf(seed);
        for (let step = 0; step < steps; step += tries(1, 7)) {
          const driven = begin(seed, { simulation });
          driven.sim.atStep(step, () => driven.stop());
          expect(await driven.untilExit()).toEqual({ clean: true, cause: null });
          await driven.sim.run(() => driven.replies.at(-1)?.kind === 'stopped', 500);
          expect(driven.rows).toHaveLength(KEYS.length);
          const delivered = driven.statuses().filter((status) => status === DoneStatus.Ok).length;
          expect(driven.replies.at(-1)).toEqual({
            kind: 'stopped',
            delivered,
            left: KEYS.length - delivered,
            error: null,
          });
          left += KEYS.length - delivered;
          expect(driven.origin.open).toBe(0);
          expectNothingLeft(driven);
        }
      }
      expect(left).toBeGreaterThan(0);
    });
  },
);
