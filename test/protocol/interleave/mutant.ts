/** A built module with one thing wrong in it, imported beside the one that ships. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What is taken out and what is put in its place, each found exactly once. */
export type Edit = readonly [was: string, is: string];

/**
 * @param path of the module in dist
 * @throws Error when a text is not there exactly once: the module was changed, and the edit has to follow it
 */
export async function importMutant<T>(path: string, edits: readonly Edit[]): Promise<T> {
  const url = new URL(`../../../dist/${path}`, import.meta.url);
  let source = await readFile(fileURLToPath(url), 'utf8');
  for (const [was, is] of edits) {
    const parts = source.split(was);
    if (parts.length !== 2)
      throw new Error(`${path} has this ${parts.length - 1} times and not once: ${was}`);
    source = parts.join(is);
  }
  source = source.replaceAll(/(from ')(\.[^']+)(')/g, (_, from: string, to: string, end: string) => {
    return `${from}${new URL(to, url).href}${end}`;
  });
  const directory = await mkdtemp(join(tmpdir(), 'mutant-'));
  try {
    const file = join(directory, 'mutant.mjs');
    await writeFile(file, source);
    return (await import(pathToFileURL(file).href)) as T;
  } finally {
    await rm(directory, { recursive: true });
  }
}
