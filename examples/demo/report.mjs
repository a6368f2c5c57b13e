/** What the demo prints, and how many of its checks failed. */
import { formatBytes } from '../../dist/index.js';

let failed = 0;

export function failures() {
  return failed;
}

/** @param {string} claim @param {boolean} holds */
export function check(claim, holds) {
  if (!holds) failed += 1;
  console.log(`  ${holds ? 'ok    ' : 'FAILED'} ${claim}`);
}

/** @param {string} title @param {{objects: number, bytes: number, elapsedMs: number, cpuMs: number}} figures */
export function printRun(title, { objects, bytes, elapsedMs, cpuMs }) {
  const seconds = elapsedMs / 1000;
  const rate = `${formatBytes(bytes / seconds)}/s, ${Math.round(objects / seconds)} objects/s`;
  console.log(`\n${title}: ${objects} objects, ${formatBytes(bytes)} in ${seconds.toFixed(2)} s (${rate})`);
  console.log(`  CPU ${(cpuMs / 1000).toFixed(2)} s, the look at every byte included`);
}

/** @param {import('../../dist/index.js').TerminalRecord} record */
export function printRecord({ reason, planned, delivered, filtered, failed: broken, dropped, left, listed }) {
  console.log(
    `  record: ${reason}; planned ${planned} = delivered ${delivered} + filtered ${filtered} + failed ${broken} + ` +
      `dropped ${dropped} + left ${left}; listing ${listed}`,
  );
}
