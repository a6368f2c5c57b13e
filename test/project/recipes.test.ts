/** Recipes of the pages that a service is built on: they are run as they stand there, by processes of their own. */
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Exit, runNode } from '../kit/process.mjs';
import { blocks, ROOT } from './markdown.js';

const LIBRARY = new URL('dist/index.js', ROOT).href;
const OBJECTS = 50;
const BATCH = 4;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-recipes-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The one code block of a page that has this text. */
function blockWith(page: string, text: string): string {
  const found = blocks(page).filter((block) => block.text.includes(text));
  expect(found, `${page}: blocks with ${text}`).toHaveLength(1);
  return found[0]!.text;
}

function runText(text: string): Promise<Exit> {
  const program = join(folder, 'program.mjs');
  writeFileSync(program, `import { ObjectDataset, Runtime } from ${JSON.stringify(LIBRARY)};\n${text}`);
  return runNode(program).exit();
}

describe('going on from the same place', () => {
  const page = 'docs/production.md';
  const list = blockWith(page, 'readPosition()');
  const prefix = blockWith(page, 'skip--');
  const shuffled = blockWith(page, 'toSorted');
  const ofList = /^const dataset = .*$/m;

  /** A process that is killed while it does its `last` write, or comes to its end. */
  const processOf = (recipe: string, last: number): Promise<Exit> =>
    runText(`
      import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
      import { createHash, randomBytes } from 'node:crypto';
      const prefix = ${JSON.stringify(pathToFileURL(join(folder, 'in/')).href)};
      const store = ${JSON.stringify(join(folder, 'store'))};
      const seed = 'spring';
      const uris = readdirSync(new URL(prefix)).toSorted().map((name) => prefix + name);
      const isWanted = ({ key }) => !key.endsWith('7');
      const rowOf = ({ uri }) => uri.slice(prefix.length);
      const lines = () => (existsSync(store) ? readFileSync(store, 'utf8').trimEnd().split('\\n') : []);
      const readPosition = async () => JSON.parse(lines().at(-1) ?? '{"position":0}').position;
      let writes = 0;
      const write = async (rows, position) => {
        writes += 1;
        if (writes === ${last}) process.kill(process.pid, 'SIGKILL');
        appendFileSync(store, JSON.stringify({ rows, position }) + '\\n');
      };
      const runtime = await Runtime.start({ workers: 1, memoryBudget: '16MiB' });
      ${recipe.replace("ack: 'manual'", `ack: 'manual', batchSize: ${BATCH}`)}
      await runtime.close();
    `);

  /** What three processes wrote together, of which the first two were killed. */
  async function written(recipe: string): Promise<string[]> {
    for (const [last, signal] of [
      [4, 'SIGKILL'],
      [3, 'SIGKILL'],
      [0, null],
    ] as const) {
      const exit = await processOf(recipe, last);
      expect(exit.signal, exit.stderr).toBe(signal);
      expect(exit.stderr).toBe('');
    }
    const lines = readFileSync(join(folder, 'store'), 'utf8').trimEnd().split('\n');
    return lines.flatMap((line) => (JSON.parse(line) as { rows: string[] }).rows);
  }

  const names = Array.from({ length: OBJECTS }, (_, i) => String(i).padStart(2, '0'));
  beforeEach(() => {
    mkdirSync(join(folder, 'in'));
    for (const name of names) writeFileSync(join(folder, 'in', name), name);
  });

  it('has each object of a list once, over three processes', async () => {
    expect(await written(list)).toEqual(names);
  });

  it('has each wanted object of a prefix once, over three processes', async () => {
    expect(list).toMatch(ofList);
    const recipe = list.replace(ofList, () => prefix);
    expect(await written(recipe)).toEqual(names.filter((name) => !name.endsWith('7')));
  });

  it('has each object of a shuffled list once, over three processes', async () => {
    const rows = await written(
      list.replace(ofList, (line) => `${shuffled}\n${line.replace('uris', 'order')}`),
    );
    expect(rows.toSorted()).toEqual(names);
    expect(rows).not.toEqual(names);
  });
});

describe('a stream of unknown size', () => {
  const line = blockWith('docs/guide.md', 'createGzip')
    .split('\n')
    .find((text) => text.includes('createGzip'))!;

  const upload = (): Promise<Exit> => {
    const target = pathToFileURL(join(folder, 'out/')).href;
    return runText(`
      import { createReadStream } from 'node:fs';
      import { pipeline } from 'node:stream';
      import { createGzip } from 'node:zlib';
      process.chdir(${JSON.stringify(folder)});
      const runtime = await Runtime.start({ workers: 1, memoryBudget: '32MiB' });
      try {
        ${line.replace('gs://bucket/', target)}
      } catch (error) {
        console.log(error.cause?.code ?? error.code);
      }
      await runtime.close();
    `);
  };

  it('is stored as a whole', async () => {
    const bytes = Buffer.concat(
      Array.from({ length: 40_000 }, (_, i) => createHash('sha512').update(String(i)).digest()),
    );
    writeFileSync(join(folder, 'dump'), bytes);
    expect(await upload()).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(gunzipSync(readFileSync(join(folder, 'out/dump.gz'))).equals(bytes)).toBe(true);
  });

  it.each(['ENOENT', 'EISDIR'])(
    'that cannot be read (%s) is an error of the call, and nothing is stored',
    async (code) => {
      if (code === 'EISDIR') mkdirSync(join(folder, 'dump'));
      expect(await upload()).toMatchObject({ code: 0, stdout: `${code}\n`, stderr: '' });
      const out = join(folder, 'out');
      expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
    },
  );

  it('that cannot be written is the error of the write, and the file is not read on', async () => {
    writeFileSync(join(folder, 'out'), 'a file where a folder would be');
    writeFileSync(join(folder, 'dump'), randomBytes(20 * 2 ** 20));
    expect(await upload()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^(EEXIST|ENOTDIR)\n$/) as unknown,
      stderr: '',
    });
  });
});
