/**
 * Runs every check over every .ts file of a folder, and writes the findings as lines.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { checkBans } from './bans.mjs';
import { checkArrows } from './rooms.mjs';
import { lineOf, readSource } from './source.mjs';

/**
 * @param {string} root folder that plays the part of src
 * @param {string} shownFrom folder that the paths in findings are relative to
 * @returns {{ files: number, findings: string[] }} lines `file:line rule: what was found, what to do`
 */
export function checkTree(root, shownFrom) {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  // A check that looked at nothing has not passed.
  const findings =
    files.length === 0
      ? [`${root}:1 rooms: found no .ts file; name the folder of sources`]
      : files.flatMap((file) => checkFile(root, file, relative(shownFrom, file)));
  return { files: files.length, findings };
}

/** @param {string} root @param {string} file @param {string} shown @returns {string[]} */
function checkFile(root, file, shown) {
  const path = relative(root, file).split(sep).join('/');
  const text = readFileSync(file, 'utf8');
  try {
    const source = readSource(text);
    return [...checkArrows(path, source), ...checkBans(path, source)]
      .sort((a, b) => a.offset - b.offset)
      .map(({ offset, rule, message }) => `${shown}:${lineOf(text, offset)} ${rule}: ${message}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [
      `${shown}:1 unreadable: found ${error.message}; write it so that scripts/lib/source.mjs can follow`,
    ];
  }
}
