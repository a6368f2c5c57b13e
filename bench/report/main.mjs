/**
 * Writes docs/benchmarks.md and its charts. Charts of an earlier run that this one has no work for are removed, so that
 * page and folder always show one run.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { charts, CHARTS, page } from './page.mjs';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));

/**
 * @param {import('./figures.mjs').Results} results @param {string} [folder] that of the page
 * @returns {string[]} the paths that were written
 */
export function writeReport(results, folder = DOCS) {
  const files = charts(results);
  const beside = join(folder, CHARTS);
  mkdirSync(beside, { recursive: true });
  for (const name of readdirSync(beside)) {
    if (name.endsWith('.svg') && !files.has(name)) rmSync(join(beside, name));
  }
  const written = [join(folder, 'benchmarks.md')];
  writeFileSync(written[0], page(results));
  for (const [name, text] of files) {
    const path = join(beside, name);
    writeFileSync(path, text);
    written.push(path);
  }
  return written;
}
