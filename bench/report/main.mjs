/**
 * Writes docs/benchmarks.md and its charts. Charts of an earlier run that this one has no work for are removed, so that
 * page and folder always show one run.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { charts, CHARTS, page } from './page.mjs';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));

/**
 * @param {import('./figures.mjs').Results} results @param {string} [folder] that of the page
 * @returns {Promise<string[]>} the paths that were written
 */
export async function writeReport(results, folder = DOCS) {
  const files = charts(results);
  const beside = join(folder, CHARTS);
  await mkdir(beside, { recursive: true });
  for (const name of await readdir(beside)) {
    if (name.endsWith('.svg') && !files.has(name)) await rm(join(beside, name));
  }
  const written = [join(folder, 'benchmarks.md')];
  await writeFile(written[0], page(results));
  for (const [name, text] of files) {
    const path = join(beside, name);
    await writeFile(path, text);
    written.push(path);
  }
  return written;
}
