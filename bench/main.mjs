/**
 * `npm run bench`: millrace beside other ways to fetch objects.
 *
 * What it keeps true: each pass is a process of its own; the contenders of a work take turns, round by round, so that
 * what else the machine does meets all of them; nothing is left behind, also not after a signal.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BASE, CONTENDERS } from './contenders/index.mjs';
import { writeAnnounced } from './lib/announced.mjs';
import { refusesDirect } from './contenders/fio.mjs';
import { flushData, writeData } from './lib/data.mjs';
import { installPackages } from './lib/install.mjs';
import { describeMachine } from './lib/machine.mjs';
import { parseOptions, USAGE } from './lib/options.mjs';
import { startOrigin } from './lib/origin.mjs';
import { runPass, WrongBytes } from './lib/runs.mjs';
import { ratio, summary } from './lib/statistics.mjs';
import { workTable } from './lib/table.mjs';
import { WORKS } from './lib/works.mjs';

const MIB = 2 ** 20;
const LENGTHS = {
  full: {
    verifyBytes: 256 * MIB,
    verifyObjects: 100_000,
    // So long the compilers of the engine are busy beside it; a service runs for months.
    warmSeconds: 3,
    passSeconds: 1.5,
    limitMs: 120_000,
  },
  quick: { verifyBytes: 64 * MIB, verifyObjects: 1024, warmSeconds: 0.6, passSeconds: 0.7, limitMs: 60_000 },
};

const progress = (text) => process.stderr.write(`${text}\n`);

/** @param {import('./lib/options.mjs').Options} options */
async function bench(options) {
  installPackages();
  const works = WORKS.filter(
    ({ name, quick }) => (options.work?.test(name) ?? true) && (quick || !options.quick),
  );
  if (works.length === 0) {
    const names = WORKS.map(({ name }) => name).join(', ');
    throw new Error(`no work is called like ${options.work}; there are: ${names}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  // After what else is done at the exit: the origin may write until it is gone, hence the retries.
  process.once('exit', () =>
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  );
  progress('writing the objects');
  writeData(
    folder,
    works.map(({ set }) => set),
  );
  for (const { set } of works.filter(({ protocol }) => protocol === 'direct')) flushData(folder, set);
  writeAnnounced(
    folder,
    works.filter(({ service }) => service === 'gs').map(({ set }) => set),
  );
  const origin = await startOrigin(folder);
  try {
    return await measure(options, works, folder, origin);
  } finally {
    await origin.stop();
  }
}

async function measure(options, works, folder, origin) {
  const wanted = CONTENDERS.filter(({ name }) => name === BASE || (options.contender?.test(name) ?? true));
  const unready = new Map(wanted.map((contender) => [contender.name, contender.missing?.(folder) ?? null]));
  const given = process.argv.slice(2).map((text) => (/[^\w-]/.test(text) ? `'${text}'` : text));
  const results = {
    machine: describeMachine(origin.version),
    command: ['npm run bench', ...(given.length === 0 ? [] : ['--', ...given])].join(' '),
    date: new Date().toISOString(),
    rounds: options.rounds,
    rows: [],
    missing: [],
    service: null,
  };
  for (const work of works) {
    const able = wanted.filter((contender) => contender.works(work));
    const noWork = work.protocol === 'direct' ? refusesDirect(folder) : null;
    const whyNot = (contender) => noWork ?? contender.unable?.(work) ?? unready.get(contender.name);
    for (const contender of able) {
      const why = whyNot(contender);
      if (why === null) continue;
      results.missing.push({ work: work.name, contender: contender.name, why, skipped: noWork !== null });
    }
    const ready = able.filter((contender) => whyNot(contender) === null);
    const rows = await measureWork(options, work, ready, folder, origin, results.missing);
    results.rows.push(...rows);
    if (!options.json) {
      const missing = results.missing.filter((entry) => entry.work === work.name);
      process.stdout.write(`${workTable(work.name, rows, missing)}\n\n`);
    }
  }
  return results;
}

/** Rounds of all contenders in turn. */
async function measureWork(options, work, contenders, folder, origin, missing) {
  const { limitMs, ...lengths } = options.quick ? LENGTHS.quick : LENGTHS.full;
  const passes = new Map(contenders.map(({ name }) => [name, new Map()]));
  const failed = new Set();
  for (let round = 1; round <= options.rounds; round++) {
    for (const contender of contenders) {
      const { name } = contender;
      if (failed.has(name)) continue;
      progress(`${work.name}  round ${round} of ${options.rounds}  ${name}`);
      const { http, https, caFile } = origin;
      const job = {
        contender: name,
        work,
        folder,
        origin: work.protocol === 'https' ? https : http,
        caFile,
        ...lengths,
      };
      const outcome = await runPass(contender, job, limitMs);
      if ('figures' in outcome) {
        passes.get(name).set(round, outcome.figures);
      } else {
        failed.add(name);
        progress(`  ${name}: ${outcome.why}`);
        missing.push({ work: work.name, contender: name, why: outcome.why });
      }
    }
  }
  const base = passes.get(BASE);
  return contenders
    .filter(({ name }) => !failed.has(name))
    .map(({ name, signed }) => {
      const own = passes.get(name);
      return {
        work: work.name,
        contender: name,
        signed: work.service === null ? null : signed,
        ...summary([...own.values()]),
        ratios: { cpu: ratio(own, base, 'cpuMicrosPerObject'), speed: ratio(own, base, 'objectsPerSecond') },
      };
    });
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
let options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  progress(`${error.message}\n${USAGE}`);
  process.exit(2);
}
try {
  const results = await bench(options);
  if (options.docs) {
    const { measureService } = await import('./service/main.mjs');
    results.service = await measureService({ quick: options.quick, progress });
    const { writeReport } = await import('./report/main.mjs');
    await writeReport(results);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  if (results.missing.some(({ contender, skipped }) => contender === BASE && !skipped)) process.exitCode = 1;
} catch (error) {
  progress(error instanceof WrongBytes ? error.message : (error.stack ?? String(error)));
  process.exitCode = 1;
}
