/**
 * `npm run docs:backends` runs the conformance suite over every store and writes docs/backends.md.
 *
 * Exits with 1, and writes nothing, when a claim does not hold or was not run, as where a server is not installed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COLUMNS, LIMITS } from '../test/conformance/columns.mjs';
import { disproofs, renderBackends } from './lib/backends-page.mjs';

/** Lines that are printed of what does not hold; the first tell enough. */
const MAX_LINES = 40;
const root = fileURLToPath(new URL('..', import.meta.url));
const columns = Object.values(COLUMNS);
const page = renderBackends(columns, LIMITS);
const folder = mkdtempSync(join(tmpdir(), 'millrace-docs-backends-'));
try {
  const output = join(folder, 'results.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    vitest,
    'run',
    'test/conformance',
    '--reporter=dot',
    '--reporter=json',
    '--outputFile',
    output,
  ];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const { testResults } = JSON.parse(readFileSync(output, 'utf8'));
  const lines = disproofs(
    columns,
    testResults.flatMap((file) => file.assertionResults),
  );
  for (const line of lines.slice(0, MAX_LINES)) console.error(`docs-backends: ${line}`);
  if (status === 0 && lines.length === 0) writeFileSync(join(root, 'docs/backends.md'), page);
  else {
    console.error(`docs-backends: ${lines.length} claims do not hold or were not run; nothing was written`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
