/**
 * `npm start`: millrace against a scripted S3 server in a process of its own.
 *
 * First 1,000 objects of 0 B to 16 MiB are loaded by all cores, and every byte is looked at. Then the same again, and
 * the service is told to stop in the middle: the record of the drain must add up, and nothing may be asked for once the loop has ended.
 * Ends with 0 only if all of it holds.
 */
import { availableParallelism } from 'node:os';
import { CancellationToken, formatBytes, ObjectDataset, Runtime } from '../../dist/index.js';
import { objectIdOf, startOrigin, verifyPattern } from '../../dist/testing/index.js';
import { check, failures, printRecord, printRun } from './report.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;
const BUCKET = 'demo';
const PREFIX = `s3://${BUCKET}/`;
/** Taken in turn by the small objects; one byte around a page shows an end that is cut wrongly. */
const SMALL = [0, 1, 700, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1, 32 * KIB, 100_000, 256 * KIB, 777_777];
const LARGE = [2 * MIB, 3 * MIB + 1, 8 * MIB, 8 * MIB + 1, 16 * MIB];
const COUNTS = { small: 960, large: 40 };

const sum = (/** @type {number[]} */ sizes, /** @type {number} */ count) =>
  Array.from({ length: count }, (_, i) => sizes[i % sizes.length]).reduce((a, b) => a + b, 0);
const expected = {
  objects: COUNTS.small + COUNTS.large,
  bytes: sum(SMALL, COUNTS.small) + sum(LARGE, COUNTS.large),
};

/**
 * Goes through the whole prefix and looks at every byte.
 * @param {Runtime} runtime
 * @param {CancellationToken} token
 * @param {(objects: number) => void} onBatch
 */
async function loadAndVerify(runtime, token, onBatch) {
  const loader = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16, token });
  const seen = new Set();
  const figures = { objects: 0, bytes: 0, wrong: 0, elapsedMs: 0, cpuMs: 0 };
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  for await (const batch of loader) {
    for (const item of batch) {
      seen.add(item.key);
      figures.bytes += item.bytes.length;
      if (item.bytes.length !== item.size) figures.wrong += 1;
      else if (verifyPattern(objectIdOf(item.key), 0, item.bytes) !== -1) figures.wrong += 1;
    }
    onBatch(seen.size);
  }
  const used = process.cpuUsage(cpu);
  figures.objects = seen.size;
  figures.elapsedMs = performance.now() - startedAt;
  figures.cpuMs = (used.user + used.system) / 1000;
  return { figures, report: loader.report };
}

const origin = await startOrigin({
  objects: [
    { bucket: BUCKET, prefix: 'small/', count: COUNTS.small, sizes: SMALL, perFolder: 100 },
    { bucket: BUCKET, prefix: 'large/', count: COUNTS.large, sizes: LARGE },
  ],
});
const { accessKeyId, secretAccessKey } = origin.credentials;
const runtime = await Runtime.start({
  workers: availableParallelism(),
  memoryBudget: '128MiB',
  stores: {
    s3: { endpoint: origin.url, region: origin.region, credentials: { accessKeyId, secretAccessKey } },
  },
});
try {
  console.log(
    `millrace demo: ${expected.objects} objects, ${formatBytes(expected.bytes)}, ${availableParallelism()} workers, 128 MiB of memory`,
  );

  const whole = await loadAndVerify(runtime, new CancellationToken(), () => {});
  printRun('everything', whole.figures);
  check('every object came once', whole.figures.objects === expected.objects);
  check('every byte is the right one', whole.figures.wrong === 0 && whole.figures.bytes === expected.bytes);
  check(
    'the record says completed',
    whole.report?.reason === 'completed' && whole.report.listed === 'complete',
  );

  const stop = new CancellationToken();
  const half = await loadAndVerify(runtime, stop, (objects) => {
    if (objects >= expected.objects / 3) stop.drain('demo');
  });
  printRun('told to stop in the middle', half.figures);
  printRecord(half.report);
  const asked = (await origin.stats()).requests;
  const { planned, delivered, filtered, failed, dropped, left } = half.report;
  check('the drain ended it early', half.report.reason === 'demo' && delivered < expected.objects);
  check('planned is the sum of the five', planned === delivered + filtered + failed + dropped + left);
  check(
    'what was delivered was handed over, and right',
    delivered === half.figures.objects && half.figures.wrong === 0,
  );
  const record = await runtime.close();
  check('no worker is stuck', record.stuckWorkers.length === 0);
  check('nothing was asked for once the loop had ended', (await origin.stats()).requests === asked);
} finally {
  await runtime.close();
  await origin.stop();
}
console.log(failures() === 0 ? 'all of it holds' : `${failures()} checks failed`);
process.exitCode = failures() === 0 ? 0 : 1;
