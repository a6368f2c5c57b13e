import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../dist/cli/command-table.js';
import { ErrorCode } from '../../dist/protocol/errors.js';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  scripts: Record<string, string>;
  bin: Record<string, string>;
};

describe('the documentation', () => {
  it('has one row for every error code, and none for another', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([A-Z]\w+)` \|/gm)].map(([, code]) => code);
    expect(new Set(rows)).toEqual(new Set(Object.values(ErrorCode)));
    expect(rows).toHaveLength(Object.values(ErrorCode).length);
  });

  it('tells of each error code whether it is retryable by default', async () => {
    const { MillraceError } = await import('../../dist/protocol/errors.js');
    for (const [, code, retryable] of read('docs/errors.md').matchAll(
      /^\| `([A-Z]\w+)` \|.*\| (yes|no) \|$/gm,
    )) {
      const error = new MillraceError(code as ErrorCode, 'x');
      expect(retryable === 'yes', code).toBe(error.retryable);
    }
  });

  it('names only npm scripts that exist', () => {
    const used = [...read('README.md').matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)];
    expect(used.length).toBeGreaterThan(1);
    for (const [, run, short] of used) expect(manifest.scripts).toHaveProperty((run ?? short)!);
  });

  it('names only commands that exist', () => {
    expect(manifest.bin).toHaveProperty('millrace');
    const used = [...read('README.md').matchAll(/npx millrace (\w+)/g)].map(([, name]) => name);
    expect(new Set(used).size).toBeGreaterThan(3);
    for (const name of used) expect(Object.keys(COMMANDS)).toContain(name);
  });

  it('has no link to a file that is not there', () => {
    const pages = ['README.md', ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`)];
    for (const page of pages.filter((name) => name.endsWith('.md'))) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
        expect(() => readFileSync(new URL(target!, new URL(page, root))), `${page}: ${target}`).not.toThrow();
      }
    }
  });
});
