import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** Runs vitest over a folder of tests with our reporter; inside the project, so that the tests find vitest. */
function runVitest(files: Record<string, string>): { status: number | null; lastLine: string } {
  mkdirSync(join(root, '.tmp'), { recursive: true });
  const tree = mkdtempSync(join(root, '.tmp', 'summary-'));
  trees.push(tree);
  writeFileSync(join(tree, 'vitest.config.mjs'), 'export default {};\n');
  for (const [path, text] of Object.entries(files)) {
    writeFileSync(join(tree, path), `import { beforeAll, describe, expect, it } from 'vitest';\n${text}`);
  }
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporter = join(root, 'scripts/summary-reporter.mjs');
  const { status, stdout } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', tree, '--reporter', 'default', '--reporter', reporter],
    { cwd: tree, encoding: 'utf8' },
  );
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1) ?? '' };
}

describe('the last line of a test run', () => {
  it('counts what passed, failed and was skipped over all files', () => {
    const { status, lastLine } = runVitest({
      'a.test.mjs': `it('a', () => {}); it('b', () => {}); it.skip('c', () => {}); it.todo('d');\n`,
      'b.test.mjs': `describe('x', () => { it('e', () => expect(1).toBe(2)); it('f', () => {}); });\n`,
    });
    expect(lastLine).toBe('3 passed, 1 failed, 2 skipped');
    expect(status).toBe(1);
  });

  it('says that nothing failed when nothing did', () => {
    const { status, lastLine } = runVitest({ 'a.test.mjs': `it('a', () => {});\n` });
    expect(lastLine).toBe('1 passed, 0 failed, 0 skipped');
    expect(status).toBe(0);
  });

  it('counts a file that does not load as failed', () => {
    const { status, lastLine } = runVitest({
      'a.test.mjs': `it('a', () => {});\n`,
      'b.test.mjs': `throw new Error('does not load');\n`,
    });
    expect(lastLine).toBe('1 passed, 1 failed, 0 skipped');
    expect(status).toBe(1);
  });

  it('counts a suite whose setup fails as failed, and its tests as skipped', () => {
    const { lastLine } = runVitest({
      'a.test.mjs': `describe('x', () => { beforeAll(() => { throw new Error('no'); }); it('a', () => {}); });\n`,
    });
    expect(lastLine).toBe('0 passed, 1 failed, 1 skipped');
  });

  it('counts an error outside every test as failed', () => {
    const { status, lastLine } = runVitest({
      'a.test.mjs': `it('a', async () => { Promise.reject(new Error('lost')); await new Promise(setImmediate); });\n`,
    });
    expect(lastLine).toBe('1 passed, 1 failed, 0 skipped');
    expect(status).toBe(1);
  });
});
