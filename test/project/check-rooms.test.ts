import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { checkTree } from '../../scripts/lib/check.mjs';

const script = fileURLToPath(new URL('../../scripts/check-rooms.mjs', import.meta.url));
const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

function plant(files: Record<string, string>): string {
  const tree = mkdtempSync(join(tmpdir(), 'millrace-rooms-'));
  trees.push(tree);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  return tree;
}

function check(files: Record<string, string>): string[] {
  const tree = plant(files);
  return checkTree(tree, tree).findings;
}

/** Runs the check as `npm run lint` does. */
function runScript(files: Record<string, string>): { status: number | null; stdout: string; stderr: string } {
  const tree = plant(files);
  return spawnSync(process.execPath, [script, tree], { cwd: tree, encoding: 'utf8' });
}

function expectRed(path: string, text: string, found: RegExp): void {
  const findings = check({ [path]: text });
  expect(findings.join('\n')).toMatch(found);
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatch(/^\S+:\d+ [a-z-]+: found .+; .+$|^\S+:\d+ [a-z-]+: found .+, which .+$/);
}

function expectGreen(path: string, text: string): void {
  const findings = check({ [path]: text });
  expect(findings).toEqual([]);
}

const importing = (specifier: string): string => `import { x } from '${specifier}';\nexport const y = x;\n`;

describe('the arrows between rooms', () => {
  it.each([
    ['protocol/a.ts', '../transport/b.js'],
    ['transport/a.ts', '../backends/s3/data.js'],
    ['backends/s3/a.ts', '../../transport/b.js'],
    ['backends/s3/a.ts', '../file/b.js'],
    ['backends/s3/a.ts', '../shared.js'],
    ['actors/worker/a.ts', '../../runtime/threads/b.js'],
    ['actors/a.ts', '../loader/b.js'],
    ['loader/a.ts', '../host/b.js'],
    ['loader/a.ts', '../transport/b.js'],
    ['runtime/a.ts', './threads/b.js'],
    ['runtime/threads/a.ts', '../simulation/b.js'],
    ['runtime/simulation/a.ts', '../threads/b.js'],
    ['runtime/simulation/a.ts', '../../actors/b.js'],
    ['testing/origin/a.ts', '../../protocol/b.js'],
    ['testing/origin/s3/a.ts', '../../../backends/s3/data.js'],
    ['testing/origin/a.ts', '../kit.js'],
    ['host/a.ts', '../cli/main.js'],
    ['host/a.ts', '../index.js'],
    ['cli/a.ts', '../host/b.js'],
    ['index.ts', './actors/b.js'],
    ['index.ts', './transport/b.js'],
  ])('a file %s that imports %s is found', (path, specifier) => {
    expectRed(path, importing(specifier), /:1 rooms: found .* may not import /);
  });

  it.each([
    ['protocol/a.ts', './b.js'],
    ['transport/a.ts', '../protocol/b.js'],
    ['backends/s3/a.ts', '../../protocol/b.js'],
    ['backends/s3/deep/a.ts', '../data.js'],
    ['actors/worker/a.ts', '../../protocol/b.js'],
    ['actors/worker/a.ts', '../supervisor/b.js'],
    ['loader/samplers/a.ts', '../../actors/b.js'],
    ['runtime/threads/a.ts', '../b.js'],
    ['testing/a.ts', './origin/options.js'],
    ['testing/origin/s3/a.ts', '../../../backends/memory/pattern.js'],
    ['host/a.ts', '../backends/s3/data.js'],
    ['host/a.ts', '../runtime/simulation/b.js'],
    ['host/a.ts', '../loader/b.js'],
    ['cli/a.ts', '../index.js'],
    ['cli/a.ts', 'node:fs'],
    ['index.ts', './host/b.js'],
  ])('a file %s may import %s', (path, specifier) => {
    expectGreen(path, importing(specifier));
  });

  it.each([
    ['a type-only import', `import type { X } from '../host/b.js';\nexport type Y = X;\n`],
    ['a side-effect import', `import '../host/b.js';\n`],
    ['a re-export', `export * from '../host/b.js';\n`],
    ['an import over several lines', `import {\n  x,\n  y,\n} from "../host/b.js";\n`],
    ['a dynamic import', `export const x = await import('../host/b.js');\n`],
    ['a type by import()', `export type X = import('../host/b.js').X;\n`],
    ['a require', `const x = require('../host/b.js');\n`],
    ['a URL of a module', `export const x = new URL('../host/b.js', import.meta.url);\n`],
    ['an import.meta.resolve', `export const x = import.meta.resolve('../host/b.js');\n`],
  ])('%s is an arrow like any other', (_, text) => {
    const findings = check({ 'protocol/a.ts': text });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/ rooms: found \.\.\/host\/b\.js: protocol may not import host/);
  });

  it('an import named in a comment, a string or a template is none', () => {
    const text = [
      `// import { x } from '../host/b.js';`,
      `/* export * from '../host/b.js'; */`,
      'export const a = `import { x } from "../host/b.js"`;',
      `export const b = "import('../host/b.js')";`,
      `export const c = Array.from('../host/b.js');`,
    ].join('\n');
    expectGreen('protocol/a.ts', text);
  });

  it('a module loaded by a computed name is found, but where user modules are loaded', () => {
    const text = `export const load = (url: string) => import(url);\n`;
    expectRed('backends/s3/a.ts', text, /rooms: found a module loaded by a computed name/);
    expectRed('loader/a.ts', 'export const load = (n: string) => import(`./${n}.js`);', /computed name/);
    expectGreen('host/a.ts', text);
    expectGreen('runtime/threads/a.ts', text);
  });

  it('a file in a room that is not in the table is found', () => {
    expectRed('utils/a.ts', `export const x = 1;\n`, /rooms: found a file in no known room/);
    expectRed('helpers.ts', `export const x = 1;\n`, /rooms: found a file in no known room/);
  });

  it('an import that leaves src is found; a URL of a file outside, such as package.json, is not an import', () => {
    expectRed('host/a.ts', importing('../../scripts/x.mjs'), /which leaves src/);
    expectGreen('cli/a.ts', `export const p = new URL('../../package.json', import.meta.url);\n`);
  });

  it('piscina and comlink are known to host and the threads alone', () => {
    for (const name of ['piscina', 'comlink']) {
      expectRed('loader/a.ts', importing(name), new RegExp(`found an import of ${name} in loader`));
      expectRed('runtime/simulation/a.ts', importing(name), new RegExp(`found an import of ${name}`));
      expectGreen('host/a.ts', importing(name));
      expectGreen('runtime/threads/a.ts', importing(name));
    }
  });

  it('process is used as a global, so that its uses are seen', () => {
    expectRed('host/a.ts', `import { exit } from 'node:process';\n`, /found an import of node:process/);
    expectRed('cli/a.ts', `import { exit } from 'process';\n`, /found an import of process/);
  });

  it('a cloud SDK is loaded by its backend, and only when its scheme is used', () => {
    const name = '@aws-sdk/client-s3';
    expectRed('backends/s3/control.ts', importing(name), /loaded with the module/);
    expectRed('loader/a.ts', `export const x = await import('${name}');\n`, /found an import of @aws-sdk/);
    expectGreen(
      'backends/s3/control.ts',
      `import type { S3Client } from '${name}';\nexport const x = (): Promise<S3Client> => import('${name}').then(make);\n`,
    );
  });
});

describe('the bans in all of src', () => {
  const everywhere = (statement: string): string =>
    `export async function f(x: any): Promise<void> {\n  ${statement}\n}\n`;

  it.each([
    ['host/a.ts', 'await x.terminate();', /:2 no-terminate: found \.terminate/],
    ['host/a.ts', `await x['terminate']();`, /no-terminate/],
    ['cli/a.ts', 'await x?.terminate();', /no-terminate/],
    ['loader/a.ts', 'await x.destroy();', /no-destroy/],
    ['actors/a.ts', 'x.pool.destroy ();', /no-destroy/],
    ['protocol/a.ts', 'x.destroy?.();', /no-destroy/],
    ['host/a.ts', 'process.exit(1);', /no-process-exit: found process\.exit/],
    ['loader/a.ts', 'process.kill(process.pid);', /no-process-exit: found process\.kill/],
    ['host/a.ts', 'process.abort();', /no-process-exit/],
    ['host/a.ts', `x.kill('SIGKILL');`, /no-sigkill/],
    ['host/a.ts', 'x.kill(constants.signals.SIGKILL);', /no-sigkill/],
    ['loader/a.ts', 'await Promise.race([x, x]);', /no-leaking-race: found Promise\.race/],
    ['host/a.ts', 'await Promise.any([x, x]);', /no-leaking-race/],
    ['cli/a.ts', 'x.signal = AbortSignal.any([x]);', /no-leaking-race/],
  ])('%s with `%s` is found', (path, statement, found) => {
    expectRed(path, everywhere(statement), found);
  });

  it.each([
    ['host/a.ts', 'await x.destroy();'],
    ['transport/a.ts', 'x.socket.destroy();'],
    ['runtime/threads/a.ts', 'await x.destroy();'],
    ['backends/s3/control.ts', 'x.client.destroy();'],
    ['cli/a.ts', 'process.exit(1);'],
    ['cli/a.ts', `process.kill(process.pid, 'SIGKILL');`],
    ['host/a.ts', 'process.exitCode = 1;'],
    ['host/a.ts', 'x.terminated = true; x.destroyed = true;'],
    ['host/a.ts', 'await Promise.all([x]); await Promise.allSettled([x]);'],
  ])('%s with `%s` is allowed', (path, statement) => {
    expectGreen(path, everywhere(statement));
  });

  it('comments, strings, templates and regular expressions may speak of what is banned', () => {
    const text = [
      '/** Never worker.terminate(), never process.exit(), never Promise.race(). */',
      '// socket.destroy(), AbortSignal.any(), SIGKILL, Date.now(), Math.random()',
      `export const a = 'process.exit() and x.terminate() and a SIGKILL';`,
      'export const b = `Promise.race and ${1 + 1} Math.random() Date.now()`;',
      String.raw`export const c = /process.exit\(.terminate\(|['"]/;`,
      `export const d = "it's Promise.race";`,
    ].join('\n');
    expectGreen('actors/a.ts', text);
  });

  it('code inside a template is code', () => {
    expectRed('host/a.ts', 'export const a = `x ${[`y ${process.exit(1)}`]} z`;', /no-process-exit/);
  });

  it('a signal given to a pool is found, in files that know piscina', () => {
    const run =
      'export const f = (pool: P, signal: AbortSignal) => pool.run({ port }, { transferList: [port], signal });\n';
    expectRed('host/a.ts', `import type { P } from 'piscina';\n${run}`, /:2 no-pool-signal/);
    expectGreen('host/a.ts', `import type { P } from './pool.js';\n${run}`);
    expectGreen(
      'host/a.ts',
      `import type { P } from 'piscina';\nexport const g = (p: P) => p.run({ port }, { name: 'signal' });\n`,
    );
  });
});

describe('waits', () => {
  it('once() of node:events is found without a signal, and allowed with one', () => {
    const head = `import { once } from 'node:events';\n`;
    expectRed('host/a.ts', `${head}await once(x, 'exit');\n`, /:2 waits-end: found once\(\)/);
    expectGreen('host/a.ts', `${head}await once(x, 'exit', { signal });\n`);
    expectGreen('host/a.ts', `import type { EventEmitter } from 'node:events';\nx.once('exit', f);\n`);
  });

  it('on() of node:events is found', () => {
    expectRed(
      'host/a.ts',
      `import { on, once } from 'node:events';\nfor await (const e of on(x, 'data', { signal })) f(e);\n`,
      /:2 waits-end: found on\(\)/,
    );
    expectRed('host/a.ts', `import events from 'node:events';\nevents.on(x, 'data');\n`, /found on\(\)/);
    expectGreen('host/a.ts', `import { EventEmitter } from 'node:events';\nx.on('data', f);\n`);
  });

  it('timers/promises is found outside the command line', () => {
    expectRed('host/a.ts', importing('node:timers/promises'), /waits-end: found timers\/promises/);
    expectGreen('cli/a.ts', importing('node:timers/promises'));
  });

  it.each(['actors/a.ts', 'loader/a.ts', 'protocol/a.ts'])(
    'in %s a new Promise without a token is found',
    (path) => {
      expectRed(
        path,
        `export const f = () => new Promise<(x: Map<a, b>) => void>((resolve) => g(resolve));\n`,
        /waits-end: found new Promise/,
      );
      expectGreen(
        path,
        `export const f = (stop: S) => new Promise<void>((resolve) => {\n  const unlink = stop.onStop(() => resolve());\n});\n`,
      );
    },
  );

  it('in an actor or the loader NEVER as a token is found', () => {
    expectRed('actors/a.ts', `export const f = (p: P) => p.send(1, NEVER);\n`, /:1 waits-end: found NEVER/);
    expectRed('loader/a.ts', `export const f = (p: P) => p.receive(NEVER);\n`, /waits-end: found NEVER/);
    expectRed('loader/a.ts', `export const f = (stop: S = NEVER) => g(stop);\n`, /waits-end: found NEVER/);
    expectRed('actors/a.ts', `export const f = { ...NEVER, onTurn: g };\n`, /waits-end: found NEVER/);
    expectGreen(
      'actors/a.ts',
      `import { NEVER, type S } from '../protocol/stop.js';\nexport const f = (p: P, stop: S) => p.send(1, stop);\n`,
    );
  });

  it('a comment that says who ends the wait lets it stand, and only on its line or straight above', () => {
    const wait = `export const f = () => new Promise<void>((resolve) => g(resolve));\n`;
    expectGreen(
      'actors/a.ts',
      `// The pool is closed on drain.\n// Wait ends: when the slot is given back,\n// at the latest with the job.\n${wait}`,
    );
    expectGreen('actors/a.ts', `export const f = () => p.send(1, NEVER); // Wait ends: the port closes.\n`);
    expectRed('actors/a.ts', `// Wait ends: soon.\n\n${wait}`, /waits-end/);
    expectRed('actors/a.ts', `// Wait ends: soon.\nconst x = 1;\n${wait}`, /waits-end/);
    expectRed('actors/a.ts', `// A wait.\n${wait}`, /waits-end/);
    expectRed('actors/a.ts', `// Wait ends:\n${wait}`, /waits-end/);
  });
});

describe('actors', () => {
  it.each([
    'node:worker_threads',
    'node:fs',
    'node:timers',
    'node:crypto',
    'node:perf_hooks',
    'comlink',
    'events',
  ])('may not import %s', (name) => {
    expectRed('actors/a.ts', importing(name), /rooms: found an import of .*; an actor has its context/);
    expectRed('actors/a.ts', `import type { X } from '${name}';\n`, /an actor has its context/);
  });

  it.each([
    'Date.now()',
    'new Date()',
    'new Date',
    'performance.now()',
    'Math.random()',
    `Math['random']()`,
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'queueMicrotask(f)',
    'fetch(url)',
    'process.env.HOME',
    'globalThis.performance',
    'crypto.randomUUID()',
    'f(setTimeout)',
    'Atomics.wait(words, 0, 0)',
    'Atomics.waitAsync(words, 0, 0)',
    'new MessageChannel()',
  ])('may not use %s', (expression) => {
    expectRed('actors/worker/a.ts', `export const f = () => ${expression};\n`, /:1 actors-are-pure: found/);
    expectGreen('host/a.ts', `export const f = () => ${expression};\n`);
  });

  it('may not hide a wait in an iterator', () => {
    expectRed(
      'actors/a.ts',
      `export async function f(x: X) {\n  for await (const y of x) g(y);\n}\n`,
      /:2 actors-are-pure/,
    );
  });

  it('may have members and fields of these names, and dates of a given time', () => {
    expectGreen(
      'actors/a.ts',
      [
        'export interface J { fetch: number; process?: string; readonly performance: number }',
        'export const f = (c: C) => c.fetch(c.performance.now, { fetch: 1, process: 2 }, new Date(c.wallNow()));',
        'export const g = (c: C) => c.clock.now() + c.random() + Math.max(1, Atomics.load(c.words, 0));',
      ].join('\n'),
    );
  });
});

describe('what the check reads', () => {
  it('follows quotes, divisions, postfix operators and regular expressions to the line of a finding', () => {
    const text = [
      'const a = b / c; const d = e[0]! / 2; let i = 1; i++ / 2;',
      `const q = /[/'"]/.test(s) ? "'" : '"';`,
      String.raw`const r = s.replace(/\/\*/g, '/*') + '\'';`,
      "if (x) /'/.test(y);",
      'const t = `a ${ { b: `}${1}` }.b } \\` c`;',
      'const u = a !== b && !/"/.test(s) ? (a) / 2 : a / 2;',
      `const v = 'line \\`,
      `continued';`,
      'process.exit(1);',
    ].join('\n');
    expectRed('host/a.ts', text, /:9 no-process-exit/);
  });

  it('says so where it cannot follow, and does not pass', () => {
    expectRed(
      'host/a.ts',
      `const a = 'never ends;\nprocess.exit(1);\n`,
      /unreadable: found line 1: a string that never ends/,
    );
    expectRed('host/a.ts', 'const a = `never ends', /unreadable: found line 1: a template/);
    expectRed('host/a.ts', 'const a = 1; /* never ends', /unreadable: found line 1: a comment/);
  });

  it('does not pass over a folder without sources', () => {
    const { status, stderr } = runScript({ 'a.txt': '' });
    expect(stderr).toMatch(/found no \.ts file/);
    expect(status).toBe(1);
  });

  it('passes with what it read, where there is nothing to find', () => {
    const { status, stdout, stderr } = runScript({ 'protocol/c.ts': 'export const x = 1;\n' });
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'check-rooms: 1 files, 0 findings\n',
      stderr: '',
    });
  });

  it('reports every finding of every file, and fails', () => {
    const { status, stdout, stderr } = runScript({
      'host/a.ts': 'process.exit(1);\nx.terminate();\n',
      'loader/b.ts': 'await Promise.race([x]);\n',
      'protocol/c.ts': 'export const x = 1;\n',
    });
    expect(
      stderr
        .trim()
        .replaceAll(/: found.*/g, '')
        .split('\n'),
    ).toEqual(['host/a.ts:1 no-process-exit', 'host/a.ts:2 no-terminate', 'loader/b.ts:1 no-leaking-race']);
    expect(stdout).toBe('check-rooms: 3 files, 3 findings\n');
    expect(status).toBe(1);
  });
});
