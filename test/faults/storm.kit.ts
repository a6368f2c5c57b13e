/** A load over an origin that tells everybody to slow down for a while, and what that came to. */
import { ObjectDataset } from '../../dist/index.js';
import { RETRY_CAPACITY, RETRY_COST } from '../../dist/protocol/words.js';
import { startOrigin, type LoggedRequest } from '../../dist/testing/index.js';
import { fault, startRuntime } from '../e2e/kit.js';

const BUCKET = 'storm';
const SIZE = 4000;
/** What each answer takes when all is well: so that the rate is the origin's, however busy this machine is. */
const ANSWER_MS = 200;
/** Over all workers. */
const CONNECTIONS = 16;
/** Of the retry budget, and a tenth. */
export const MOST_EXTRA = (RETRY_CAPACITY / RETRY_COST) * 1.1;

export interface StormOptions {
  readonly workers: number;
  readonly objects: number;
  /** Objects that are delivered when it begins. */
  readonly beginsAfter: number;
  readonly stormMs: number;
}

export interface Storm {
  readonly wrong: readonly string[];
  readonly delivered: number;
  readonly failed: number;
  /** Requests beyond one for each object. */
  readonly extra: number;
  /** Answers that told us to slow down, as the loader's report has them, and as the origin does. */
  readonly throttled: readonly [reported: number, answered: number];
  /** Requests per second in the last second before, and the time from its end until nine tenths of that are reached again. */
  readonly before: number;
  readonly recoveredMs: number;
}

export async function rideOut({ workers, objects, beginsAfter, stormMs }: StormOptions): Promise<Storm> {
  const origin = await startOrigin({
    objects: [{ bucket: BUCKET, prefix: 'all/', count: objects, sizes: [SIZE] }],
    logLimit: 3 * objects,
  });
  const healthy = { op: 'get', do: { delayMs: ANSWER_MS } } as const;
  await origin.script(healthy);
  const runtime = await startRuntime(origin, { workers, maxConnections: CONNECTIONS });
  const wrong: string[] = [];
  let storm: Promise<number> | null = null;
  let came = 0;
  const blow = async (): Promise<number> => {
    const begun = performance.now();
    await origin.script({ do: { status: 503, code: 'SlowDown' } });
    await new Promise((resolve) => {
      setTimeout(resolve, stormMs);
    });
    await origin.script(healthy);
    return performance.now() - begun;
  };
  try {
    const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/all/`), { batchSize: 32 });
    for await (const batch of loader) {
      for (const { key, bytes } of batch) {
        const found = fault(key, bytes, SIZE);
        if (found !== null) wrong.push(found);
      }
      came += batch.length;
      if (came >= beginsAfter) storm ??= blow();
    }
    const lastedMs = (await storm) ?? 0;
    const gets = await origin.requests({ op: 'get' });
    const first = gets.find(({ status }) => status === 503);
    const { delivered, failed, throttled } = loader.report!;
    return {
      wrong,
      delivered,
      failed,
      extra: gets.length - objects,
      throttled: [throttled, gets.filter(({ status }) => status === 503).length],
      ...recovery(gets, first?.atMs ?? 0, lastedMs),
    };
  } finally {
    await runtime.close();
    await origin.stop();
  }
}

function recovery(gets: readonly LoggedRequest[], begunMs: number, lastedMs: number) {
  const rate = (fromMs: number, untilMs: number): number =>
    gets.filter(({ status, atMs }) => status < 300 && atMs >= fromMs && atMs < untilMs).length /
    ((untilMs - fromMs) / 1000);
  const before = rate(begunMs - 1000, begunMs);
  const ended = begunMs + lastedMs;
  const last = gets.at(-1)!.atMs;
  for (let atMs = ended; atMs + 1000 < last; atMs += 50) {
    if (rate(atMs, atMs + 1000) >= before * 0.9) return { before, recoveredMs: atMs - ended };
  }
  return { before, recoveredMs: Infinity };
}
