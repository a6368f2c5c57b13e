/** SIGTERM and SIGINT, sent to real processes in the worst of moments. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RuntimeRecord, TerminalRecord } from '../../dist/index.js';
import {
  environmentOf,
  startOrigin,
  type Condition,
  type Origin,
  type Rule,
} from '../../dist/testing/index.js';
import { runNode, type Exit, type RunOptions, type Running } from '../kit/process.mjs';
import { expectSum, fault, MIB, s3Options } from './kit.js';

const EMBED = fileURLToPath(new URL('./programs/embed.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const COUNT = 100;
const SIZES = [0, 1000, 70_000];
/** Longer than any test waits: what ends before it did not end because of it. */
const NEVER_MS = 300_000;
const DEADLINE_MS = 400;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'data', prefix: 'in/', count: COUNT, sizes: SIZES },
      { bucket: 'data', prefix: 'deep/', count: 3000, sizes: [10] },
      { bucket: 'data', prefix: 'large/', count: 3, sizes: [4 * MIB] },
    ],
  });
});
afterAll(() => origin.stop());
beforeEach(() => origin.reset());
/** A test that fails leaves no process to disturb the next one. */
const children: Running[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
});

function start(script: string, options: RunOptions): Running {
  const child = runNode(script, options);
  children.push(child);
  return child;
}

interface Ended extends Exit {
  readonly records: readonly TerminalRecord[];
  readonly closed: RuntimeRecord | null;
}

function embed(scenario: string, deadlineMs: number, uri = 's3://data/in/', workers = 2): Running {
  const given = JSON.stringify({ s3: s3Options(origin), deadlineMs, uri, workers });
  // The SDK warns of Node versions that it will give up; what else stands on standard error is a failure.
  return start(EMBED, { args: [scenario, given], env: { NODE_NO_WARNINGS: '1' } });
}

/** The end of an embedding program: by itself, with nothing left, and with records that add up. */
async function endOf(child: Running): Promise<Ended> {
  const exit = await child.exit();
  expect(exit, exit.stderr).toMatchObject({ code: 0, signal: null, stderr: '' });
  const lines = exit.stdout.split('\n');
  const documents = <T>(word: string): T[] =>
    lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => JSON.parse(line.slice(word.length)) as T);
  const records = documents<TerminalRecord>('record');
  for (const record of records) expectSum(record);
  const closed = documents<RuntimeRecord>('closed')[0] ?? null;
  expect(closed).toMatchObject({ stuckWorkers: [], deaths: 0, leaks: 0 });
  await origin.waitFor({ connections: 0 });
  return { ...exit, records, closed };
}

/** Sends the signal; what the origin is asked from the mark on was asked after the program had handled it. */
async function turn(child: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.signal(signal);
  await child.waitForLine(new RegExp(`^token 1 ${signal}$`));
  await mark();
}

/** Sets a mark behind everything that was already on its way to the origin, which may not have read it yet. */
async function mark(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await origin.stats();
  await origin.mark();
}

async function expectSilence(): Promise<void> {
  expect(await origin.requests({ afterMark: true })).toEqual([]);
}

describe('a program that embeds the runtime ends by itself, with code 0, when it gets SIGTERM', () => {
  test('under full load', async () => {
    const child = embed('full', NEVER_MS);
    await origin.waitFor({ requests: 250 });
    await turn(child);
    const { records, closed } = await endOf(child);
    await expectSilence();
    expect(records.at(-1)).toMatchObject({ reason: 'SIGTERM', failed: 0, dropped: 0 });
    expect(closed).toMatchObject({ unreleasedBytes: 0 });
  });

  test('while its consumer never asks for the next batch', async () => {
    const child = embed('consumer', DEADLINE_MS);
    await child.waitForLine(/^batch$/);
    await turn(child);
    const { records } = await endOf(child);
    await expectSilence();
    expect(records).toMatchObject([{ delivered: 3, failed: 0, reason: 'SIGTERM' }]);
    expect(records[0]!.dropped + records[0]!.left).toBeGreaterThan(0);
  });

  test('while its producer waits for a queue that stays empty', async () => {
    const child = embed('producer', NEVER_MS);
    await child.waitForLine(/^waiting$/);
    await origin.waitFor({ answered: 5 });
    await turn(child);
    const { records, stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toContain('producer told');
    expect(records).toMatchObject([{ reason: 'SIGTERM', failed: 0, listed: 'partial' }]);
  });

  test('while an endless producer has filled every port on the way', async () => {
    await origin.script({ op: 'get', do: { stall: 'after-head' } });
    const child = embed('flood', DEADLINE_MS);
    await origin.waitFor({ stalled: 8 });
    await turn(child);
    const { records, stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toContain('loader Cancelled');
    expect(records).toMatchObject([{ delivered: 0, failed: 0, listed: 'partial' }]);
    expect(records[0]!.left).toBeGreaterThan(8);
  });

  test('with every body stalled in the middle', async () => {
    await origin.script({ op: 'get', do: { stall: MIB } });
    const child = embed('once', DEADLINE_MS, 's3://data/large/');
    await origin.waitFor({ stalled: 4 });
    await turn(child);
    const { records, stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toContain('get Cancelled');
    expect(records).toMatchObject([{ planned: 3, delivered: 0, left: 3 }]);
  });

  test('with every request asleep before its retry', async () => {
    await origin.script({ op: 'get', do: { status: 503, code: 'SlowDown', retryAfter: 30 } });
    // The drain has no deadline worth the name, and the sleep is as long as all that this test may take.
    const child = embed('once', NEVER_MS, 's3://data/in/', 1);
    // A listing, and a request for each of the four connections: there are no more before somebody wakes.
    await origin.waitFor({ answered: 5 });
    await turn(child);
    const { records, stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toContain('get Draining');
    expect(records).toMatchObject([{ delivered: 0, failed: 0, left: records[0]!.planned }]);
  });

  test.each([1, 2])('while page %i of its listing does not come', async (nth) => {
    await origin.script({ op: 'list', nth, do: { stall: 'before-head' } });
    const child = embed('listing', DEADLINE_MS, 's3://data/deep/');
    await origin.waitFor({ stalled: 1 });
    await turn(child);
    const { stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toMatch(/^listing (Cancelled|Draining) after (0|1000)$/m);
  });

  test('while a page of the listing that is its plan does not come', async () => {
    await origin.script({ op: 'list', nth: 2, do: { stall: 'before-head' } });
    const child = embed('full', DEADLINE_MS, 's3://data/deep/');
    await origin.waitFor({ stalled: 1, requests: 200 });
    await turn(child);
    const { records, stdout } = await endOf(child);
    await expectSilence();
    expect(stdout).toContain('token 2 SIGTERM');
    expect(records).toMatchObject([{ listed: 'partial', failed: 0 }]);
  });
});

/** `planned N = delivered N + ...`, as it stands on standard error. */
function columns(stderr: string): Record<string, number> {
  const line = /planned .*$/m.exec(stderr)?.[0] ?? '';
  const counts = Object.fromEntries(
    [...line.matchAll(/([a-z]+) (\d+)/g)].map(([, name, count]) => [name!, Number(count)]),
  );
  const { planned, ...rest } = counts;
  expect(
    Object.values(rest).reduce((a, b) => a + b, 0),
    stderr,
  ).toBe(planned);
  return counts;
}

const SIGNALS = [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const;
/** What the origin does, when the signal comes, and whether what is held up is let go afterwards. */
const MOMENTS: readonly [name: string, prefix: string, rules: Rule[], reached: Condition][] = [
  ['under full load', '', [], { requests: 150 }],
  [
    'with bodies stalled in the middle',
    'large/',
    [{ op: 'get', key: 'large/', do: { stall: MIB } }],
    { stalled: 3 },
  ],
  [
    'with every request asleep before its retry',
    'in/',
    [{ op: 'get', do: { status: 503, code: 'SlowDown', retryAfter: 30 } }],
    { answered: 5 },
  ],
  ['while its listing does not come', '', [{ op: 'list', do: { stall: 'before-head' } }], { stalled: 1 }],
];

describe.each(SIGNALS)('the command, on %s, ends with code %i', (signal, code) => {
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'millrace-signals-'));
  });
  afterEach(() => rmSync(out, { recursive: true }));

  function command(...args: string[]): Running {
    const env = environmentOf(origin);
    return start(MAIN, { args: [...args, '--workers', '1', '--connections', '4'], env });
  }

  async function ended(child: Running): Promise<Record<string, number>> {
    child.signal(signal);
    await child.waitForLine(new RegExp(`${signal}: finishing what is in flight`), { stream: 'stderr' });
    await mark();
    await origin.release();
    const exit = await child.exit();
    expect(exit, exit.stderr).toMatchObject({ code, signal: null });
    await expectSilence();
    await origin.waitFor({ connections: 0 });
    return columns(exit.stderr);
  }

  test.each(MOMENTS)('load, %s', async (_name, prefix, rules, reached) => {
    await origin.script(rules);
    const child = command(
      'load',
      `s3://data/${prefix}`,
      '--epochs',
      '1000',
      '--batch-size',
      '5',
      '--objects',
      '8',
    );
    await origin.waitFor(reached);
    const counts = await ended(child);
    expect(counts['failed'] ?? 0).toBe(0);
  });

  test.each(MOMENTS)('get, %s, without a file that is not whole', async (_name, prefix, rules, reached) => {
    await origin.script(rules);
    const child = command('get', '-r', `s3://data/${prefix}`, '-o', out);
    await origin.waitFor(reached);
    await ended(child);
    for (const file of readdirSync(out, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      const key = prefix + path.slice(out.length + 1);
      expect(fault(key, readFileSync(path), sizeOf(key))).toBeNull();
    }
  });

  test('only at the first: the second ends it at once, with nothing let go', async () => {
    await origin.script({ op: 'get', do: { stall: 'after-head' } });
    const child = command('load', 's3://data/in/');
    await origin.waitFor({ stalled: 4 });
    child.signal(signal);
    await child.waitForLine(/once more to end at once/, { stream: 'stderr' });
    child.signal(signal);
    expect(await child.exit()).toMatchObject({ code: null, signal });
  });
});

function sizeOf(key: string): number {
  if (key.startsWith('large/')) return 4 * MIB;
  if (key.startsWith('deep/')) return 10;
  const index = Number(/^in\/(\d+)$/.exec(key)?.[1] ?? Number.NaN);
  return SIZES[index % SIZES.length] ?? -1;
}
