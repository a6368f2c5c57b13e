/** The package as it is packed, installed in a folder of its own without the SDK. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runNode, type Exit } from '../kit/process.mjs';
import { blocks, links, pages, ROOT } from './markdown.js';

const root = fileURLToPath(ROOT);
/** A fiftieth above what it is with every scheme, writes, the suite, the simulated runtime, hedging and the scripted origin; more than that wants a reason. */
const MAX_PACKED_BYTES = 781_000;
let folder: string;
let installed: string;
let files: string[];
let packedBytes: number;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-package-'));
  const modules = join(folder, 'node_modules');
  installed = join(modules, 'millrace');
  mkdirSync(installed, { recursive: true });
  // Without its scripts: they would clean and build `dist` under the tests beside this one.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const output = execFileSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const packs = JSON.parse(output) as Record<string, Pack>;
  const pack = Object.values(packs)[0]!;
  files = pack.files.map(({ path }) => path);
  packedBytes = pack.size;
  execFileSync('tar', ['xzf', join(folder, pack.filename), '-C', installed, '--strip-components=1']);
  for (const dependency of ['comlink', 'piscina', '@napi-rs']) {
    const from = join(root, 'node_modules', dependency);
    if (existsSync(from)) symlinkSync(from, join(modules, dependency));
  }
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  mkdirSync(join(folder, 'data'));
  for (const name of ['a', 'b']) writeFileSync(join(folder, 'data', name), `bytes of ${name}`);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Pack {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

function script(name: string, text: string): Promise<Exit> {
  const path = join(folder, name);
  writeFileSync(path, text);
  return runNode(path, { cwd: folder }).exit();
}

/** The five lines of the README, over a folder and with something to call. */
function fiveLines(): string {
  const lines = blocks('README.md').find(({ language }) => language === 'js')!.text;
  const data = pathToFileURL(join(folder, 'data/')).href;
  return lines.replace(/s3:\/\/[^']+/, data);
}

describe('the packed package', () => {
  it('holds the build, the pages and the licence, and nothing else', () => {
    const beside = files.filter((path) => !path.startsWith('dist/'));
    const charts = readdirSync(join(root, 'docs/benchmarks')).map((name) => `docs/benchmarks/${name}`);
    expect(new Set(beside)).toEqual(new Set([...pages(), ...charts, 'LICENSE', 'package.json']));
    const others = files.filter((path) => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path));
    expect(others).toEqual([]);
    expect(packedBytes).toBeLessThan(MAX_PACKED_BYTES);
  });

  it('has types for every module, a source for each, and no map that points nowhere', () => {
    const modules = files.filter((path) => path.endsWith('.js'));
    expect(modules.length).toBeGreaterThan(100);
    for (const path of modules) {
      expect(files).toContain(path.replace(/\.js$/, '.d.ts'));
      expect(existsSync(join(root, path.replace(/^dist\/(.*)\.js$/, 'src/$1.ts'))), path).toBe(true);
      expect(readFileSync(join(installed, path), 'utf8'), path).not.toContain('sourceMappingURL');
    }
  });

  it('has every file that its pages link to', () => {
    for (const page of pages()) for (const { path, text } of links(page)) expect(files, text).toContain(path);
  });
});

describe('a new user', () => {
  it('runs the five lines of the README', async () => {
    const index = 'function index(key, bytes) { console.log(key.split("/").at(-1), bytes.length); }';
    const { code, stdout, stderr } = await script('five.mjs', `${fiveLines()}\n${index}\n`);
    expect([code, stdout, stderr]).toEqual([0, 'a 10\nb 10\n', '']);
  });

  it.each(['nodenext', 'bundler'])(
    'compiles them strictly, with the types looked at, under %s',
    (resolution) => {
      const declared = 'declare function index(key: string, bytes: Uint8Array): Promise<void>;\n';
      const more = [
        "import { ErrorCode, MillraceError, type Batch, type Item, type TerminalRecord } from 'millrace';",
        'export const record: TerminalRecord | null = loader.report;',
        'export const sizes = (batch: Batch): number[] => batch.items.map((item: Item) => item.size);',
        'export const missing = (e: unknown) => e instanceof MillraceError && e.code === ErrorCode.NotFound;',
        "import { latency, type DecoratorSpec } from 'millrace/decorators';",
        "import type { Store } from 'millrace';",
        'export const far = (store: Store): Store => latency(store, { ms: 20 });',
        'export const specs: DecoratorSpec[] = [{ limit: { concurrency: 4 } }];',
        "import { asStore, storeBehaviours, type StoreFixture, type StoreTraits } from 'millrace/testing';",
        'const traits: StoreTraits = { writes: null, exceptions: { "old-versions": "it ignores them" } };',
        "import { startOrigin, type Origin, type OriginOptions, type Rule } from 'millrace/testing';",
        'const busy: Rule = { op: "get", nth: 2, do: { status: 503, retryAfter: 1 } };',
        'export const origin = (options: OriginOptions): Promise<Origin> => startOrigin(options);',
        'export const script = (one: Origin): Promise<void> => one.script(busy, { connection: { end: "reset" } });',
        'export const fixture = (store: Store, put: StoreFixture["put"]) => ({ store: asStore(store), put });',
        'export const claims: string[] = storeBehaviours(traits).map(({ group, name }) => `${group}: ${name}`);',
        'export async function scoped(): Promise<number> {',
        '  await using second = await Runtime.start({ stores: { file: { root: "/srv" } } });',
        '  using result = await second.get("/srv/a");',
        '  return result.bytes.length + (await second.stats()).arena.usedBytes;',
        '}',
      ];
      const file = join(folder, `five-${resolution}.ts`);
      writeFileSync(file, `${fiveLines()}\n${declared}${more.join('\n')}\n`);
      const options = {
        '--module': resolution === 'bundler' ? 'esnext' : resolution,
        '--moduleResolution': resolution,
        '--target': 'es2022',
        '--lib': 'es2024',
        '--types': 'node',
        '--typeRoots': join(root, 'node_modules/@types'),
        '--skipLibCheck': 'false',
      };
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      const args = [
        tsc,
        '--noEmit',
        '--strict',
        '--exactOptionalPropertyTypes',
        ...Object.entries(options).flat(),
        file,
      ];
      let said = '';
      try {
        execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
      } catch (error) {
        said = (error as { stdout: string }).stdout;
      }
      expect(said).toBe('');
    },
  );

  it('finds the command, and loads files with it', async () => {
    const { bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
    };
    const main = join(installed, bin['millrace']!);
    expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    const run = (...args: string[]) => runNode(main, { cwd: folder, args }).exit();
    expect(await run('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('usage:') as string,
    });
    expect((await run('ls', 'data/')).stdout.match(/\/data\/[ab]$/gm)).toHaveLength(2);
    const data = pathToFileURL(join(folder, 'data/')).href;
    const { code, stdout } = await run('load', data, '--json');
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ delivered: 2, bytes: 20 })]);
  });

  /** Each with a URI that needs it. */
  const SDKS = [
    ['@aws-sdk/client-s3', 's3://logs/a'],
    ['@azure/identity', 'az://account/logs/a'],
    ['@google-cloud/storage', 'gs://logs/a'],
  ] as const;

  it.each(SDKS)('is told what to install when %s is needed for %s and not there', async (name, uri) => {
    const { code, stdout } = await script(
      'sdk.mjs',
      `import { Runtime } from 'millrace';
       const runtime = await Runtime.start({ workers: 1 });
       const error = await runtime.head('${uri}').catch((thrown) => thrown);
       console.log(error.code, error.message);
       await runtime.close();`,
    );
    expect([code, stdout.split(' ')[0]]).toEqual([0, 'ModuleUnavailable']);
    expect(stdout).toContain(`npm install ${name}`);
  });

  it('loads each SDK when its scheme is used, and none before', async () => {
    const modules = join(folder, 'node_modules');
    const others = ['@azure/storage-blob', '@node-rs/crc32'];
    for (const name of [...SDKS.map(([sdk]) => sdk), ...others]) {
      mkdirSync(join(modules, name), { recursive: true });
      const manifest = { name, type: 'module', main: 'index.js' };
      writeFileSync(join(modules, name, 'package.json'), JSON.stringify(manifest));
      writeFileSync(join(modules, name, 'index.js'), `console.log('loaded ${name}');`);
    }
    try {
      const { code, stdout } = await script(
        'late.mjs',
        `import { Runtime } from 'millrace';
         console.log('imported');
         const runtime = await Runtime.start({ workers: 1 });
         console.log('started');
         for (const uri of ${JSON.stringify(SDKS.map(([, uri]) => uri))})
           await runtime.head(uri).catch((error) => console.log(error.code));
         await runtime.close();`,
      );
      const told = SDKS.map(([name]) => `loaded ${name}\nModuleUnavailable\n`).join('');
      // What the workers load, such as the engine of checksums, is not the service's own thread's.
      const own = stdout.replaceAll('loaded @node-rs/crc32\n', '');
      expect([code, own]).toEqual([0, `imported\nstarted\n${told}`]);
      expect(stdout).toMatch(/^imported\n/);
    } finally {
      for (const scope of ['@aws-sdk', '@azure', '@google-cloud', '@node-rs'])
        rmSync(join(modules, scope), { recursive: true });
    }
  });

  it('puts decorators around a store of their own', async () => {
    const { code, stdout } = await script(
      'decorated.mjs',
      `import { latency, limit, prefix, throttle } from 'millrace/decorators';
       const store = { head: async (key) => String(key), update() {}, close() {} };
       const decorated = prefix(limit(latency(store, { ms: 1 }), { concurrency: 1 }), 'a/');
       console.log(await decorated.head(Buffer.from('b'), { state: 0, onStop: () => () => {} }), typeof throttle);`,
    );
    expect([code, stdout]).toEqual([0, '97,47,98 function\n']);
  });

  it('cannot import what is inside', async () => {
    const { code, stdout } = await script(
      'inside.mjs',
      `import('millrace/dist/host/runtime.js').catch((error) => console.log(error.code));`,
    );
    expect([code, stdout]).toEqual([0, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n']);
  });
});
