/** The guide's example of `millrace/testing`, run by Node's own test runner over a store of ours. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeBehaviours } from '../../dist/testing/index.js';
import { runNode, type Exit } from '../kit/process.mjs';
import { blocks, ROOT } from '../project/markdown.js';

const root = fileURLToPath(ROOT);
const example = blocks('docs/guide.md').find(({ text }) => text.includes("'millrace/testing'"))!.text;
let folder: string;

beforeAll(() => {
  // Below the package, where its own name leads to its build.
  mkdirSync(join(root, '.tmp'), { recursive: true });
  folder = mkdtempSync(join(root, '.tmp/testing-'));
  copyFileSync(new URL('shelf.mjs', import.meta.url), join(folder, 'shelf.mjs'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, config: string): Promise<Exit> {
  const path = join(folder, name);
  const text = example.replace('config: {}', `config: ${config}`);
  writeFileSync(path, text);
  return runNode(path, { cwd: folder, execArgv: ['--test-reporter=tap'] }).exit();
}

/** Names of the tests that failed. */
function failures({ stdout }: Exit): string[] {
  return [...stdout.matchAll(/^not ok \d+ - (.*)$/gm)].map(([, name]) => name!.replaceAll('\\', ''));
}

it('passes over a store that does as it should, every behaviour a test', async () => {
  const exit = await run('good.test.mjs', '{}');
  expect(failures(exit)).toEqual([]);
  expect(exit.code).toBe(0);
  expect(exit.stdout).toContain(`# pass ${storeBehaviours({ writes: null }).length}\n`);
});

it.each([
  ['versions', 'version: says so when the object was replaced: the whole'],
  ['stray', 'read: leaves the rest of a longer target alone'],
  ['swapped', 'read: lands an object exactly, and nowhere else: 1048577 bytes'],
])('finds a store with flawed %s', async (flaw, name) => {
  const exit = await run(`${flaw}.test.mjs`, `{ flaw: '${flaw}' }`);
  expect(failures(exit)).toContain(name);
  expect(exit.code).toBe(1);
});
