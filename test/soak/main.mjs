/**
 * `npm run soak -- --minutes N`: a long-running service in miniature, with faults, that looks at its own memory, handles
 * and throughput. See CONTRIBUTING.md for what it promises and how to read it.
 */
import { randomInt } from 'node:crypto';
import { readOptions } from './options.mjs';
import { documentOf, headLine, isOk, sampleLine, textOf } from './report.mjs';
import { soak } from './soak.mjs';
import { judge } from './verdict.mjs';

const HEAD_EVERY = 20;
/** A process that does not end by itself when all is told holds something: that is a finding, not a reason to hang. */
const EXIT_LIMIT_MS = 20_000;

const options = readOptions(process.argv.slice(2), () => randomInt(2 ** 32));
if ('help' in options) {
  (options.isError ? process.stderr : process.stdout).write(`${options.help}\n`);
  process.exitCode = options.isError ? 1 : 0;
} else if (globalThis.gc === undefined) {
  process.stderr.write('the soak wants node --expose-gc: memory is looked at behind a collection\n');
  process.exitCode = 1;
} else await main(options);

/** @param {import('./options.mjs').SoakOptions} given */
async function main(given) {
  const progress = given.json ? process.stderr : process.stdout;
  let printed = 0;
  const run = await soak(given, {
    started: (seed) => progress.write(`seed ${seed}: the same draws with --seed ${seed}\n`),
    sampled: (sample) => {
      if (printed % HEAD_EVERY === 0) progress.write(`${headLine()}\n`);
      printed += 1;
      progress.write(`${sampleLine(sample)}\n`);
    },
    broken: (what) => progress.write(`broken: ${what}\n`),
  });
  const verdict = judge(run);
  const document = documentOf(run, verdict);
  process.stdout.write(given.json ? `${JSON.stringify(document)}\n` : `\n${textOf(document)}\n`);
  process.exitCode = isOk(verdict) ? 0 : 1;
  const late = setTimeout(() => {
    process.stderr.write(`still held when all was over: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  }, EXIT_LIMIT_MS);
  late.unref();
}
