/** What every measured process begins and ends with. Its one argument is JSON, and so is the one line that it prints. */
import { Runtime } from 'millrace';
import { runtimeOptions } from './objects.mjs';
import { FAILED } from './spawn.mjs';

/** @returns {any} */
export function given() {
  return JSON.parse(process.argv[2] ?? '{}');
}

/** @param {object} figures */
export function print(figures) {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/**
 * Runs `use` with a runtime for a load, and closes it whatever happens.
 * @template T
 * @param {{load: string, origin: import('./objects.mjs').Origin, memoryBudget?: string}} options
 * @param {(runtime: Runtime) => Promise<T>} use
 */
export async function withRuntime({ load, origin, memoryBudget }, use) {
  const runtime = await Runtime.start(runtimeOptions(load, origin, memoryBudget));
  try {
    return await use(runtime);
  } finally {
    await runtime.close();
  }
}

/** Why there are no figures: one line, that can stand in a report. */
process.once('uncaughtException', (error) => {
  process.stderr.write(`${FAILED}${error.message.replaceAll(/\s+/g, ' ')}\n`);
  process.exit(1);
});

let looked = 0;

/** A consumer at full speed: looks at a byte of each item, and goes on. @param {import('millrace').Batch} batch */
export function consume(batch) {
  for (const item of batch) looked += item.bytes[0] ?? 0;
  return looked;
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Highest resident set of this process so far, in bytes. */
export function peakRssBytes() {
  return process.resourceUsage().maxRSS * 1024;
}

/** Goes through a loader for so long, and then leaves it. @param {import('millrace').Loader} loader @param {number} ms */
export async function consumeFor(loader, ms) {
  const end = performance.now() + ms;
  let items = 0;
  for await (const batch of loader) {
    consume(batch);
    items += batch.length;
    if (performance.now() >= end) break;
  }
  return items;
}
