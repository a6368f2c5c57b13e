/** The page of the benchmarks: what stands on it follows from the result, flattering or not. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { behindOf } from '../../bench/report/behind.mjs';
import { barChart } from '../../bench/report/chart.mjs';
import { number, ratioTo } from '../../bench/report/figures.mjs';
import { goalsOf } from '../../bench/report/goals.mjs';
import { writeReport } from '../../bench/report/main.mjs';
import { charts, page } from '../../bench/report/page.mjs';
import { result, row, SERVICE } from './report.kit.js';

const MIB = 2 ** 20;
const OWN = row({ contender: 'millrace', cpu: 30, perSecond: 40_000 });
const SDK = row({ contender: 'aws-sdk', cpu: 690, perSecond: 1600, p99: 40 });
const STREAM = row({ contender: 'aws-sdk-stream', cpu: 570, perSecond: 1900, p99: 40 });
const LIMIT = row({ contender: 'c-limit', cpu: 10, perSecond: 90_000, rss: 5e6 });

/** The section under a heading of the page. */
function section(text: string, heading: string): string {
  const found = text.split(/^## /m).find((part) => part.startsWith(heading));
  if (found === undefined) throw new Error(`no section ${heading}`);
  return found;
}

/** The line of a table that begins with this cell. */
function lineOf(text: string, cell: string): string {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`| ${cell} |`));
  if (line === undefined) throw new Error(`no line for ${cell} in\n${text}`);
  return line;
}

/** Verdicts by goal. */
function verdicts(
  rows: Parameters<typeof result>[0],
  service: typeof SERVICE | null = null,
): Map<string, string> {
  const goals = goalsOf(result(rows, { service }));
  return new Map(goals.map(({ what, goal, verdict }) => [`${what}: ${goal}`, verdict]));
}

const SMALL = 'CPU, 4 KiB objects in batches of 256:';

describe('goals', () => {
  it('are met or not as the figures say, for either way to use the SDK', () => {
    const found = verdicts([OWN, SDK, STREAM, LIMIT]);
    expect(found.get(`${SMALL} at least 20x less than \`aws-sdk\``)).toBe('met');
    expect(found.get(`${SMALL} at least 20x less than \`aws-sdk-stream\``)).toBe('not met');
    expect(found.get(`${SMALL} at most 4x that of \`c-limit\``)).toBe('met');
    const slower = row({ contender: 'millrace', cpu: 41 });
    expect(verdicts([slower, LIMIT]).get(`${SMALL} at most 4x that of \`c-limit\``)).toBe('not met');
  });

  it('of the SDK that compares no checksums are against the loader that compares none', () => {
    const told = (contender: string, cpu: number) =>
      row({ work: 'gs-8MiB', contender, cpu, objectBytes: 8 * MIB });
    const rows = [told('millrace', 5000), told('gcs-sdk', 76_000), told('gcs-sdk-stream', 14_000)];
    const goal = 'CPU, `gs-8MiB`, no checksums by either: at least 3x less than `gcs-sdk-stream`';
    expect(verdicts(rows).get(goal)).toBe('not measured');
    expect(verdicts([...rows, told('millrace-unverified', 3300)]).get(goal)).toBe('met');
    expect(verdicts([...rows, told('millrace-unverified', 4800)]).get(goal)).toBe('not met');
    expect(verdicts(rows).get('CPU, `gs-8MiB`: at least 3x less than `gcs-sdk`')).toBe('met');
  });

  it('of reads past the page cache compare the rate with that of fio, who is no rival', () => {
    const told = (contender: string, perSecond: number) =>
      row({ work: 'direct-1GiB', contender, cpu: 4000, perSecond, objectBytes: 16 * MIB });
    const goal = 'rate, file of 1 GiB past the page cache: at least 0.85 of that of `fio`';
    const rows = [told('millrace', 90), told('fio', 100)];
    expect(verdicts(rows).get(goal)).toBe('met');
    expect(verdicts([told('millrace', 80), told('fio', 100)]).get(goal)).toBe('not met');
    expect(behindOf(result(rows))).toEqual([]);
  });

  it('are not measured where a row is missing, also when another work of the goal has it', () => {
    const ranges = ['millrace', 'aws-sdk'].map((contender, i) =>
      row({ work: 'http-8MiB-of-64MiB', contender, cpu: 10 + i * 100, objectBytes: 8 * MIB }),
    );
    const found = verdicts([OWN, ...ranges]);
    expect(found.get(`${SMALL} at least 20x less than \`aws-sdk\``)).toBe('not measured');
    expect(found.get('CPU, 8 MiB ranges: at least 6x less than `aws-sdk`')).toBe('not measured');
    expect(new Set(verdicts([]).values())).toEqual(new Set(['not measured']));
  });

  it('of the rate are of all works, and name who is ahead', () => {
    const rates = (perSecond: number) => [OWN, row({ contender: 'undici', cpu: 50, perSecond }), LIMIT];
    const goal = 'rate: first among all but `c-limit` in every work';
    expect(verdicts(rates(39_000)).get(goal)).toBe('met');
    expect(verdicts(rates(50_000)).get(goal)).toBe('not met');
    const told = goalsOf(result(rates(50_000))).find(({ what }) => what === 'rate');
    expect(told?.measured).toBe(
      'first in 0 of 1 works; in `http-4KiB` behind `undici`, at 0.800 of its rate',
    );
  });

  it('of the service are those of its worst load, and a load that failed meets none', () => {
    const service = (change: object) => verdicts([], { ...SERVICE, ...change });
    const [cancel, rss] = [
      'cancel until nothing is in flight, p99: at most 50 ms',
      'RSS over idle: at most 1.25x the memory budget',
    ];
    const met = [...service({})].filter(([, verdict]) => verdict === 'met').map(([goal]) => goal);
    expect(met).toHaveLength(5);
    expect(met).toContain(cancel);
    const { 'http-4KiB': small, 'http-8MiB': large } = SERVICE.memory;
    const grown = { 'http-4KiB': { ...small, growthOverBudget: 1.26 }, 'http-8MiB': large };
    expect(service({ memory: grown }).get(rss)).toBe('not met');
    expect(service({ cancel: { 'http-4KiB': SERVICE.cancel['http-4KiB'] } }).get(cancel)).toBe(
      'not measured',
    );
    expect(
      service({ hundredMillionKeys: null }).get('RSS with 100 million keys, shuffled: at most 200 MB'),
    ).toBe('not measured');
  });

  it('stand on the page with goal, figure and verdict', () => {
    const text = section(page(result([OWN, SDK, STREAM, LIMIT])), 'Goals');
    expect(text).toContain('at least 20x less than `aws-sdk` | `http-4KiB` 23.0x (18.8 to 28.1) | met |');
    expect(text).toContain(
      'at least 20x less than `aws-sdk-stream` | `http-4KiB` 19.0x (15.5 to 23.2) | **not met** |',
    );
    expect(text).toContain('the median decides. 3 met, 1 not met, ');
  });
});

describe('ratios', () => {
  it('are those of the rounds where the run kept them', () => {
    const kept = { median: 23, min: 22, max: 25 };
    const rounds = { ...SDK, ratios: { cpu: kept, speed: { median: 0.04, min: 0.03, max: 0.05 } } };
    expect(ratioTo(rounds, OWN, 'cpuMicrosPerObject')).toEqual(kept);
    expect(ratioTo(rounds, OWN, 'objectsPerSecond')?.median).toBe(0.04);
    // They are ratios to millrace and to nothing else.
    expect(ratioTo(rounds, STREAM, 'cpuMicrosPerObject')?.median).toBeCloseTo(690 / 570);
  });

  it('are else as far apart as the extremes allow', () => {
    const ratio = ratioTo(SDK, OWN, 'cpuMicrosPerObject');
    expect(ratio?.median).toBeCloseTo(23);
    expect(ratio?.min).toBeCloseTo((690 * 0.9) / 33);
    expect(ratio?.max).toBeCloseTo((690 * 1.1) / 27);
    expect(ratioTo(SDK, OWN, 'p99Ms')).toBeNull();
  });
});

describe('a work', () => {
  it('has its contenders in the order of their CPU, with ratios to millrace', () => {
    const text = section(page(result([SDK, OWN, LIMIT])), '`http-4KiB`');
    const order = [...text.matchAll(/^\| \**`([\w-]+)`/gm)].map(([, name]) => name);
    expect(order).toEqual(['c-limit', 'millrace', 'aws-sdk']);
    expect(lineOf(text, '`aws-sdk`')).toContain('| yes | 690 us | 18.8 - **23.0** - 28.1 | 1,600/s |');
    expect(lineOf(text, '**`millrace`**')).toContain(
      '| yes | 30.0 us | - | 40,000/s | - | 100 MB | - | 2.00 ms |',
    );
  });

  it('is told by the gigabyte where objects are large', () => {
    const rows = [
      row({ work: 'http-8MiB', contender: 'millrace', cpu: 8389, perSecond: 200, objectBytes: 8 * MIB }),
    ];
    expect(lineOf(section(page(result(rows)), '`http-8MiB`'), '**`millrace`**')).toContain(
      '| 1.00 s/GB | - | 1.68 GB/s |',
    );
  });

  it('names what is missing, with its reason', () => {
    const missing = [
      { work: 'http-4KiB', contender: 'opendal', why: 'no binding | for this\nmachine' },
      { work: 'https-4KiB', contender: 'c-limit', why: 'it has no TLS' },
    ];
    const text = page(result([OWN], { missing }));
    const line = String.raw`not measured: no binding \| for this machine`;
    expect(lineOf(section(text, '`http-4KiB`'), '`opendal`')).toContain(line);
    expect(lineOf(section(text, '`https-4KiB`'), '`c-limit`')).toContain('not measured: it has no TLS');
    // A work without a row has no chart, and none is linked.
    expect(section(text, '`https-4KiB`')).not.toContain('.svg');
    expect([...charts(result([OWN], { missing })).keys()]).toEqual(['http-4KiB.svg']);
  });
});

describe('where millrace is not ahead', () => {
  const heading = 'Where millrace is not ahead';
  const fast = row({ contender: 'undici', cpu: 29, perSecond: 50_000, rss: 60e6, p99: 3 });
  const get = row({ contender: 'millrace-get', cpu: 60, perSecond: 20_000, p99: 6 });

  it('names every figure of every contender that is better, and says it in the work too', () => {
    const found = behindOf(result([OWN, get, fast, SDK, LIMIT]));
    expect(found.map(({ figure, contender, clear }) => [figure, contender, clear])).toEqual([
      ['CPU', 'undici', false],
      ['rate', 'undici', true],
      ['peak RSS', 'undici', true],
      ['p99, `millrace-get`', 'undici', true],
    ]);
    const text = page(result([OWN, get, fast, SDK, LIMIT]));
    expect(section(text, heading)).toContain(
      '| `http-4KiB` | rate | `undici` | 50,000/s | 40,000/s | 1.25x | yes |',
    );
    expect(section(text, '`http-4KiB`')).toContain(
      'millrace is not first here: `undici` in CPU (1.03x better), `undici` in rate (1.25x better).',
    );
  });

  it('leaves out the limit and millrace itself, and says when there is nothing', () => {
    const text = page(
      result([OWN, row({ contender: 'millrace-get', cpu: 20, perSecond: 50_000 }), SDK, LIMIT]),
    );
    expect(section(text, heading)).toContain('There is none.');
    expect(section(text, '`http-4KiB`')).not.toContain('not first');
  });

  it('claims nothing where millrace was not measured', () => {
    const text = section(page(result([SDK])), heading);
    expect(text).toContain('millrace was not measured in this run.');
    expect(text).not.toContain('There is none');
  });
});

describe('the service', () => {
  it('has its waits, delays, memory and keys', () => {
    const text = section(page(result([OWN], { service: SERVICE })), 'As a service feels it');
    expect(text).toContain(
      'nothing in flight, all memory back | `http-8MiB` | 5.50 ms | 11.0 ms | 22.0 ms | 100 |',
    );
    expect(text).toContain('delivered after `token.drain()` | `http-8MiB` | 2 | 4 | 8 | 100 |');
    expect(text).toContain('| `million-keys` | 0.100 ms | 5.00 ms | 10.0 ms |');
    expect(text).toContain('| `http-4KiB` | 64.0 MB | 100 MB | 170 MB | 4.00 MB | 1.10x |');
    expect(text).toContain(
      '| 100,000,000, shuffled, the first 102,400 | 60.0 ms | 18.0 us | 10.0 us | 170 MB |',
    );
  });

  it('names what could not be measured', () => {
    const missing = [{ figure: 'drain, http-4KiB', why: 'drain.mjs was not\nover after 90 s' }];
    const service = { ...SERVICE, millionKeys: null, missing };
    const text = section(page(result([OWN], { service })), 'As a service feels it');
    expect(text).toContain('Not measured: drain, http-4KiB. drain.mjs was not over after 90 s');
    expect(text).not.toContain('1,000,000, in order');
    expect(page(result([OWN]))).toContain('Not measured in this run.');
  });
});

describe('a chart', () => {
  const widths = (svg: string) =>
    [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));

  it('has bars from 0 in proportion to the figures, however far apart they are', () => {
    const svg = charts(result([OWN, SDK, LIMIT])).get('http-4KiB.svg')!;
    const [limit, own, sdk] = widths(svg);
    expect(own! / sdk!).toBeCloseTo(30 / 690, 3);
    expect(limit! / own!).toBeCloseTo(10 / 30, 2);
    // The spread of the longest bar fits, too.
    const right = Math.max(...[...svg.matchAll(/x2="([\d.]+)"/g)].map(([, x]) => Number(x)));
    expect(right).toBeLessThanOrEqual(760 - 110);
  });

  it('marks millrace and the limit, and tells every value in text', () => {
    const svg = charts(result([OWN, SDK, LIMIT])).get('http-4KiB.svg')!;
    expect([...svg.matchAll(/<rect class="(\w+)"/g)].map(([, kind]) => kind)).toEqual([
      'limit',
      'own',
      'other',
    ]);
    expect(svg).toContain('<title id="title">http-4KiB: CPU microseconds per object, less is better</title>');
    expect(svg).toMatch(
      /<desc id="desc">[^<]*c-limit: 10\.0 us; millrace: 30\.0 us; aws-sdk: 690 us\.<\/desc>/,
    );
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
  });

  it('escapes what it is given', () => {
    const bars = [{ label: 'a<b', value: 0, min: 0, max: 0, text: '"&"', kind: 'other' as const }];
    const svg = barChart({ title: 't', description: 'd', bars });
    expect(svg).toContain('a&lt;b');
    expect(svg).toContain('&quot;&amp;&quot;');
    expect(widths(svg)).toEqual([0]);
  });
});

describe('a report', () => {
  it('is a page and its charts, and leaves none of an earlier run', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-report-'));
    try {
      await writeReport(result([OWN, row({ work: 'file-4KiB', contender: 'millrace', cpu: 9 })]), folder);
      writeFileSync(join(folder, 'benchmarks', 'note.txt'), 'kept');
      const written = await writeReport(result([OWN]), folder);
      expect(readdirSync(join(folder, 'benchmarks')).toSorted()).toEqual(['http-4KiB.svg', 'note.txt']);
      expect(written).toEqual([join(folder, 'benchmarks.md'), join(folder, 'benchmarks', 'http-4KiB.svg')]);
      const text = readFileSync(written[0]!, 'utf8');
      expect(text).toBe(page(result([OWN])));
      expect(text).toContain('A Processor, 2 cores, 16.0 GiB, kernel 6.1.0');
      expect(text).toContain('`npm run bench -- --rounds 3`, 3 rounds, 2026-01-02');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a number', () => {
  it.each([
    [0, '0'],
    [0.01234, '0.0123'],
    [1.005, '1.00'],
    [23.04, '23.0'],
    [690.4, '690'],
    [99.96, '100'],
    [0.099_96, '0.100'],
    [34_567, '34,567'],
    [1_234_567.8, '1,234,568'],
    [Infinity, 'Infinity'],
  ])('%d has three digits that count: %s', (value, text) => {
    expect(number(value)).toBe(text);
  });
});
