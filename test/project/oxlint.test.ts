import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const long = (lines: number): string =>
  Array.from({ length: lines }, (_, i) => `export const v${i} = ${i};`).join('\n');
const longFunction = `export function f(): number {\n  let x = 0;\n${'  x += 1;\n'.repeat(68)}  return x;\n}\n`;

/** A file each, with the rules that must find something in it; none for a file that must pass. */
const CASES: Record<string, { text: string; rules: string[] }> = {
  'src/host/floating.ts': {
    text: `export function f(g: () => Promise<void>): void {\n  g();\n}\n`,
    rules: ['typescript(no-floating-promises)'],
  },
  'src/host/misused.ts': {
    text: `export function f(g: () => Promise<boolean>): number {\n  return g() ? 1 : 2;\n}\n`,
    rules: ['typescript(no-misused-promises)'],
  },
  'src/host/switch.ts': {
    text: `export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n  }\n}\n`,
    rules: ['typescript(switch-exhaustiveness-check)'],
  },
  'src/host/any.ts': {
    text: `export function f(x: any): void {\n  void x;\n}\n`,
    rules: ['typescript(no-explicit-any)'],
  },
  'src/host/types.ts': {
    text: `import { Any } from './any2.js';\nexport type B = Any;\n`,
    rules: ['typescript(consistent-type-imports)'],
  },
  'src/host/any2.ts': { text: `export type Any = unknown;\n`, rules: [] },
  'src/host/json.ts': {
    text: `export function f(x: string): number {\n  return JSON.parse(x).size;\n}\n`,
    rules: ['typescript(no-unsafe-member-access)', 'typescript(no-unsafe-return)'],
  },
  'src/host/throws.ts': { text: `throw 'a string';\n`, rules: ['typescript(only-throw-error)'] },
  'src/host/console.ts': { text: `console.log(1);\n`, rules: ['eslint(no-console)'] },
  'src/cli/console.ts': { text: `console.log(1);\nprocess.exit(0);\n`, rules: [] },
  'src/host/exit.ts': {
    text: `process.exit(1);\nprocess.kill(1);\n`,
    rules: ['eslint(no-restricted-properties)', 'eslint(no-restricted-properties)'],
  },
  'src/host/terminate.ts': {
    text: `export function f(x: { terminate(): void }): void {\n  x.terminate();\n}\n`,
    rules: ['eslint(no-restricted-properties)'],
  },
  'src/cli/terminate.ts': {
    text: `export function f(x: { terminate(): void }): void {\n  x.terminate();\n}\n`,
    rules: ['eslint(no-restricted-properties)'],
  },
  'src/loader/race.ts': {
    text: `export const f = async (x: Promise<void>): Promise<void> => Promise.race([x, x]);\nexport const { any } = AbortSignal;\n`,
    rules: [
      'eslint(no-restricted-properties)',
      'eslint(no-restricted-properties)',
      'typescript(unbound-method)',
    ],
  },
  'src/actors/worker/globals.ts': {
    text: `export const f = (g: () => void): unknown => [setTimeout, fetch, performance, process, g];\n`,
    rules: Array.from({ length: 4 }, () => 'eslint(no-restricted-globals)'),
  },
  'src/actors/worker/imports.ts': {
    text: `import type { Worker } from 'node:worker_threads';\nexport type W = Worker;\n`,
    rules: ['eslint(no-restricted-imports)'],
  },
  'src/actors/worker/pure.ts': {
    text: `import type { Any } from '../../host/any2.js';\nexport const f = (x: Any): unknown[] => [x];\n`,
    rules: [],
  },
  'src/host/lines401.ts': { text: `${long(401)}\n`, rules: ['eslint(max-lines)'] },
  'src/host/lines400.ts': { text: `${long(400)}\n`, rules: [] },
  'test/host/lines401.test.ts': { text: `${long(401)}\n`, rules: [] },
  'src/host/function.ts': { text: longFunction, rules: ['eslint(max-lines-per-function)'] },
  'src/host/cycle-a.ts': {
    text: `import { b } from './cycle-b.js';\nexport const a = (): number => b;\n`,
    rules: ['import(no-cycle)'],
  },
  'src/host/cycle-b.ts': {
    text: `import { a } from './cycle-a.js';\nexport const b = a();\n`,
    rules: ['import(no-cycle)'],
  },
  'test/host/focused.test.ts': {
    text: `import { it } from 'vitest';\nit.only('a', () => {});\n`,
    rules: ['vitest(no-focused-tests)'],
  },
  'bench/floating.ts': {
    text: `export function f(g: () => Promise<void>): void {\n  g();\n}\n`,
    rules: ['typescript(no-floating-promises)'],
  },
};

describe('the lint rules', () => {
  const found = new Map<string, string[]>();
  let tree = '';

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'millrace-lint-'));
    copyFileSync(join(root, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2024', 'dom'],
      types: [],
    };
    writeFileSync(join(tree, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const globals = 'declare const process: { exit(code: number): never; kill(pid: number): void };\n';
    writeFileSync(join(tree, 'globals.d.ts'), globals);
    writeFileSync(join(tree, 'package.json'), JSON.stringify({ type: 'module' }));
    for (const [path, { text }] of Object.entries(CASES)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
    const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
    const { stdout } = spawnSync(process.execPath, [oxlint, '--type-aware', '--format', 'json'], {
      cwd: tree,
      encoding: 'utf8',
    });
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
    for (const { code, filename } of diagnostics) found.set(filename, [...(found.get(filename) ?? []), code]);
  });
  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it.each(Object.entries(CASES).map(([path, { rules }]) => [path, rules] as const))(
    'find in %s: %j',
    (path, rules) => {
      expect((found.get(path) ?? []).toSorted()).toEqual(rules.toSorted());
    },
  );
});
