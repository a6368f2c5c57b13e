/** What the pages say, as far as a program can look: options, codes, links, code blocks, commands. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KINDS as AZURE_OPTIONS } from '../../dist/backends/azure/options.js';
import { KINDS as GCS_OPTIONS } from '../../dist/backends/gcs/options.js';
import { KINDS as S3_OPTIONS } from '../../dist/backends/s3/options.js';
import { readCommandLine } from '../../dist/cli/args.js';
import { COMMANDS, type OptionSpec } from '../../dist/cli/command-table.js';
import { CUSTOM_OPTIONS, DIRECT_OPTIONS, FILE_OPTIONS } from '../../dist/host/schemes.js';
import * as library from '../../dist/index.js';
import { LOADER_OPTIONS } from '../../dist/loader/options.js';
import { RUNTIME_OPTIONS } from '../../dist/loader/runtime-options.js';
import { ErrorCode, formatBytes, MillraceError, parseBytes, parseDuration } from '../../dist/index.js';
import { anchors, blocks, links, names, pages, read, ROOT, tableUnder } from './markdown.js';

const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const ENV = { cores: 8, schemes: [], budgetBytes: 512 * 2 ** 20, workers: 7, connections: 64 };

/** Documented options, each with what stands under its default. */
function documented(heading: string): Map<string, string> {
  const rows = tableUnder('docs/configuration.md', heading);
  const all = rows.flatMap(([cell, fallback]) => names(cell!).map((name) => [name, fallback!] as const));
  expect(new Set(all.map(([name]) => name)).size).toBe(all.length);
  return new Map(all);
}

/** Whether a text says a value: as it is, or as a size or a duration. */
function says(text: string, value: unknown): boolean {
  const quantities = [parseBytes, parseDuration].map((parse) => {
    try {
      return parse(text);
    } catch {
      return null;
    }
  });
  return (
    [String(value), `'${String(value)}'`, JSON.stringify(value)].includes(text) ||
    quantities.includes(value as number)
  );
}

describe('options', () => {
  it.each([
    ['`Runtime.start(options)`', RUNTIME_OPTIONS],
    ['`runtime.loader(dataset, options)`', LOADER_OPTIONS],
  ] as const)('under %s are those of the table in the source, with their defaults', (heading, table) => {
    const rows = documented(heading);
    expect([...rows.keys()].toSorted()).toEqual(Object.keys(table).toSorted());
    for (const [name, spec] of Object.entries(table)) {
      const { value, origin = 'default' } = spec.fallback(ENV);
      const cell = rows.get(name)!;
      if (value === null) expect(cell, name).toMatch(/^(none|what Node chooses|by scheme)$/);
      // What is computed from other values is described in words.
      else if (origin === 'default') {
        const said = cell.replaceAll('`', '').split(', ');
        expect(
          said.some((word) => says(word, value)),
          `${name}: ${cell}`,
        ).toBe(true);
      } else expect(cell, name).toMatch(/[a-z]{3}/);
    }
  });

  it('that are computed are computed as the page says', () => {
    const of = (name: 'batchBytes' | 'maxConcurrentObjects') => LOADER_OPTIONS[name].fallback(ENV).value;
    expect([of('batchBytes'), of('maxConcurrentObjects')]).toEqual([ENV.budgetBytes / 8, 4 * 64]);
    const workers = (cores: number) => RUNTIME_OPTIONS.workers.fallback({ cores, schemes: [] }).value;
    expect([workers(1), workers(8), workers(64)]).toEqual([1, 7, 16]);
  });

  it('of the stores are those that the stores take', () => {
    expect([...documented('`stores.s3`').keys()].toSorted()).toEqual(Object.keys(S3_OPTIONS).toSorted());
    expect([...documented('`stores.az`').keys()].toSorted()).toEqual(Object.keys(AZURE_OPTIONS).toSorted());
    expect([...documented('`stores.gs`').keys()].toSorted()).toEqual(Object.keys(GCS_OPTIONS).toSorted());
    expect([...documented('`stores.file`').keys()]).toEqual(FILE_OPTIONS);
    expect([...documented('`stores.direct`').keys()]).toEqual(DIRECT_OPTIONS);
    expect([...documented('A store of your own').keys()]).toEqual(CUSTOM_OPTIONS);
  });

  it('of the command all stand in the table of the page', () => {
    const rows = tableUnder('docs/configuration.md', 'The command').map(([cell]) => cell!);
    const said = rows.flatMap(names).flatMap((name) => name.match(/--[a-z-]+/g) ?? []);
    const known = Object.values(COMMANDS).flatMap(({ options }) => Object.keys(options));
    expect(new Set(said)).toEqual(new Set(known.map((name) => `--${name}`)));
  });

  it('of the command tell the defaults that the library has', () => {
    const { memory, connections } = COMMANDS.ls.options as Readonly<Record<string, OptionSpec>>;
    const fallback = (name: 'memoryBudget' | 'maxConnections') => RUNTIME_OPTIONS[name].fallback(ENV).value;
    expect(memory!.help).toContain(`default: ${formatBytes(fallback('memoryBudget')).replace(' ', '')}`);
    expect(connections!.help).toContain(`default: ${fallback('maxConnections')}`);
  });
});

describe('error codes', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([A-Z]\w+)` \|.*\| (yes|no) \|$/gm)];

  it('have one row each, and no row is of another', () => {
    expect(rows.map(([, code]) => code!).toSorted()).toEqual(Object.values(ErrorCode).toSorted());
  });

  it('are retryable where the page says so', () => {
    for (const [, code, retryable] of rows) {
      expect(new MillraceError(code as ErrorCode, 'x').retryable, code).toBe(retryable === 'yes');
    }
  });

  it('that a text names exist', () => {
    for (const page of pages()) {
      for (const [, code] of read(page).matchAll(
        /`(\w+(?:Crashed|Stuck|TooSmall|ByConsumer|Exceeded|Failed|Mismatch))`/g,
      )) {
        expect(Object.values(ErrorCode), page).toContain(code);
      }
    }
  });
});

describe('links', () => {
  it.each(pages())('of %s lead to a file, and to a heading of it', (page) => {
    for (const { path, anchor, text } of links(page)) {
      expect(existsSync(new URL(path, ROOT)), text).toBe(true);
      if (anchor !== null) expect(anchors(path), text).toContain(anchor);
    }
  });
});

describe('code blocks', () => {
  const scripts = pages().flatMap((page) =>
    blocks(page)
      .filter(({ language }) => ['js', 'ts', 'mjs'].includes(language))
      .map((block) => ({ ...block, where: `${page}:${block.line}` })),
  );

  it('of JavaScript parse as modules', () => {
    expect(scripts.length).toBeGreaterThan(10);
    const folder = mkdtempSync(join(tmpdir(), 'millrace-docs-'));
    try {
      for (const { text, where } of scripts) {
        const file = join(folder, 'block.mjs');
        writeFileSync(file, text);
        const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
        expect([status, stderr], where).toEqual([0, '']);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('import from millrace what it exports', () => {
    const imports = scripts.flatMap(({ text, where }) =>
      [...text.matchAll(/import \{([^}]*)\} from 'millrace'/g)].map(([, list]) => ({ where, list: list! })),
    );
    expect(imports.length).toBeGreaterThan(3);
    for (const { list, where } of imports) {
      for (const name of list.split(',')) expect(Object.keys(library), where).toContain(name.trim());
    }
  });

  it('give the command options that it has, and npm scripts that exist', () => {
    const lines = pages().flatMap((page) =>
      blocks(page)
        .filter(({ language }) => language === 'sh')
        .flatMap(({ text }) => text.split('\n')),
    );
    const commands = lines.flatMap((line) => /^(?:npx )?millrace (.*)$/.exec(line)?.[1] ?? []);
    expect(commands.length).toBeGreaterThan(3);
    for (const command of commands) {
      const argv = command
        .replace(/\s+#.*$/, '')
        .replace(/ \|.*$/, '')
        .trim()
        .split(/\s+/);
      expect(readCommandLine(argv, '0').kind, command).toBe('run');
    }
    const used = [...lines.join('\n').matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)];
    expect(used.length).toBeGreaterThan(1);
    for (const [, run, short] of used) expect(manifest.scripts).toHaveProperty((run ?? short)!);
  });
});
