/**
 * What comes too slowly: given up by the time-out that is for it, and only what is missing is asked for again.
 *
 * The time-outs are those of the transport (10 s for a connection, 30 for the first byte, 20 of silence, 30 for a rate),
 * so all cases of all services wait beside each other.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Runtime } from '../../dist/index.js';
import type { ConnectionRule, LoggedRequest, Origin, Rule } from '../../dist/testing/index.js';
import { backToBaseline, takeBaseline, type Holdings } from '../kit/leaks.mjs';
import { expectIdle, fault, KIB, MIB } from '../e2e/kit.js';
import { runtimeOf, SERVICES, startService, type Service } from '../e2e/stores.kit.js';

const BUCKET = 'stalls';
const SIZES: Readonly<Record<string, number>> = { small: 500 * KIB, large: 20 * MIB + 3 };
const LIMIT_MS = 150_000;

interface Case {
  readonly what: string;
  readonly rules: readonly (Rule | ConnectionRule)[];
  /** Requests that the service sees abandoned. */
  readonly aborted: number;
  /** Body bytes that each of those has sent, where that is exact. */
  readonly landed: number | null;
  readonly secure?: boolean;
}
const once = { op: 'get', times: 1 } as const;
const CASES: readonly Case[] = [
  {
    what: 'silence before the first byte',
    rules: Object.keys(SIZES).map((key) => ({ ...once, key, do: { stall: 'before-head' as const } })),
    aborted: 2,
    landed: 0,
  },
  {
    what: 'silence in mid-body',
    rules: Object.keys(SIZES).map((key) => ({ ...once, key, do: { stall: 300_000 } })),
    aborted: 2,
    landed: 300_000,
  },
  {
    what: 'a body that drips below the least rate',
    rules: [{ ...once, key: 'small', do: { drip: { bytes: 100, everyMs: 200, of: 'body' } } }],
    aborted: 1,
    landed: null,
  },
  {
    what: 'a connection that nobody reads',
    rules: [{ times: 2, connection: { accept: 'stall' } }],
    aborted: 0,
    landed: null,
  },
  {
    what: 'a TLS handshake that never ends',
    rules: [{ times: 2, connection: { handshake: { bytes: 1, everyMs: 3_600_000 } } }],
    aborted: 0,
    landed: null,
    secure: true,
  },
];
let baseline: Holdings;
beforeAll(async () => {
  baseline = await takeBaseline();
});
afterAll(() => backToBaseline(baseline));

/** First and last byte of what a request asked for. */
function spanOf({ range }: LoggedRequest, size: number): [first: number, last: number] {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? `bytes=0-${size - 1}`) ?? [];
  return [Number(first), Math.min(Number(last), size - 1)];
}

/** What was given up is asked for again from the byte on where it stood, and nothing else is asked for twice. */
async function expectOnlyTheMissing(origin: Origin, key: string): Promise<void> {
  const all = (await origin.requests({ op: 'get' })).filter((request) => request.key === key);
  const size = SIZES[key]!;
  let landed = 0;
  for (const request of all) {
    const [first, last] = spanOf(request, size);
    if (request.complete) landed += last - first + 1;
    else {
      landed += request.bodyBytes;
      const rest = all.filter((one) => one !== request && spanOf(one, size)[0] === first + request.bodyBytes);
      expect(rest.map((one) => spanOf(one, size)[1])).toEqual([last]);
    }
  }
  expect(landed).toBe(size);
}

async function read(runtime: Runtime, service: Service, origin: Origin): Promise<void> {
  await Promise.all(
    Object.entries(SIZES).map(async ([key, size]) => {
      const result = await runtime.get(service.uriOf(origin, BUCKET, key), { size, verify: 'never' });
      expect(fault(key, result.bytes, size)).toBeNull();
      result.release();
    }),
  );
}

async function givenUpAndResumed(service: Service, one: Case): Promise<void> {
  const { rules, secure = false } = one;
  const objects = Object.entries(SIZES).map(([key, size]) => ({ bucket: BUCKET, key, size }));
  const origin = await startService(service, { objects, secure });
  const stores = { [service.scheme]: service.options(origin, secure ? { ca: origin.ca } : {}) };
  const runtime = await runtimeOf(service, origin, { workers: 1, memoryBudget: '48MiB', stores });
  try {
    await origin.script([...rules]);
    await read(runtime, service, origin);
    const stats = await origin.stats();
    for (const [i, { times = 1 }] of rules.entries()) expect(stats.fired[String(i)]).toBe(times);
    expect(stats.aborted).toBe(one.aborted);
    const cut = (await origin.requests({ op: 'get' })).filter(({ complete }) => !complete);
    if (one.landed !== null) {
      expect(cut.map(({ bodyBytes }) => bodyBytes)).toEqual(cut.map(() => one.landed));
      for (const key of Object.keys(SIZES)) await expectOnlyTheMissing(origin, key);
    }
    await expectIdle(runtime);
  } finally {
    expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
    await origin.waitFor({ connections: 0, stalled: 0 });
    await origin.stop();
  }
}

// One test per service, because only so many tests may run beside each other.
test.concurrent.each(SERVICES)(
  '$scheme: silence before a head and in mid-body, drops, unread connections and endless handshakes are given up',
  async (service) => {
    const ends = await Promise.allSettled(CASES.map((one) => givenUpAndResumed(service, one)));
    const wrong = ends.flatMap((end, i) =>
      end.status === 'rejected' ? [`${CASES[i]!.what}: ${String(end.reason)}`] : [],
    );
    expect(wrong).toEqual([]);
  },
  LIMIT_MS,
);
