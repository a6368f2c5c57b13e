/** What the soak says of figures whose answer is known: each promise is broken by what breaks it, and by nothing else. */
import { describe, expect, test } from 'vitest';
import { diceOf } from './dice.mjs';
import { FAULT_KINDS } from './faults.mjs';
import { isOk } from './report.mjs';
import { createColumns } from './columns.mjs';
import { judge, warmUpMs } from './verdict.mjs';

const MINUTE_MS = 60_000;
const MB = 1e6;

interface Shape {
  readonly minutes?: number;
  readonly rss?: (minute: number) => number;
  readonly threads?: (minute: number) => number;
  readonly sockets?: (minute: number) => number;
  /** Milliseconds of CPU, of the wall, and in line, of a round that begins at this share of the run. */
  readonly cpuMs?: (share: number) => number;
  readonly wallMs?: (share: number) => number;
  readonly waitMs?: (share: number) => number;
  readonly referenceMs?: (share: number) => number;
  readonly faults?: readonly string[];
  readonly broken?: number;
}

/** Figures of a run of an hour in which nothing happens, but for what is given. */
function run(shape: Shape) {
  const { minutes = 60, broken = 0, faults = FAULT_KINDS } = shape;
  const random = diceOf(7);
  const columns = createColumns(10_000);
  const count = minutes * 10;
  for (let i = 1; i <= count; i += 1) {
    const share = i / count;
    columns.add({
      atMs: share * minutes * MINUTE_MS,
      wallMs: (shape.wallMs?.(share) ?? 6000) * (1 + 0.02 * random()),
      cpuMs: (shape.cpuMs?.(share) ?? 3000) * (1 + 0.02 * random()),
      originCpuMs: 2000,
      waitMs: shape.waitMs?.(share) ?? 1000,
      referenceMs: shape.referenceMs?.(share) ?? 2,
      items: 10_000,
      bytes: 1e8,
      requests: 10_000,
    });
  }
  const samples = Array.from({ length: minutes }, (_, i) => ({
    atMs: (i + 1) * MINUTE_MS,
    rss: (shape.rss?.(i + 1) ?? 200) * MB + 0.1 * MB * random(),
    resident: {},
    threads: shape.threads?.(i + 1) ?? 13,
    descriptors: { file: 3, socket: shape.sockets?.(i + 1) ?? 2 },
    handles: { MessagePort: 8 },
    heapUsed: 0,
    external: 0,
  }));
  const verdict = judge({
    rounds: columns.taken(),
    samples,
    faults: new Map(faults.map((kind) => [kind, 3])),
    ledger: { broken, first: [] },
  });
  const kept = (promise: RegExp) => verdict.findings.find((finding) => promise.test(finding.promise))?.kept;
  return { ok: isOk(verdict), kept, verdict };
}

const MEMORY = /resident memory/;
const BY_CPU = /second of CPU/;
const BY_WALL = /so are objects/;

test('a quiet hour keeps every promise', () => {
  const { ok, verdict } = run({});
  expect(verdict.findings.map(({ kept }) => kept)).toEqual(verdict.findings.map(() => true));
  expect(ok).toBe(true);
});

describe('resident memory', () => {
  test('that grows by 2 MB/h breaks the promise, by half a MB/h keeps it', () => {
    expect(run({ rss: (minute) => 200 + minute / 30 })).toMatchObject({ ok: false });
    expect(run({ rss: (minute) => 200 + minute / 120 }).kept(MEMORY)).toBe(true);
  });

  test('that grows only while it warms up keeps it', () => {
    expect(run({ rss: (minute) => Math.min(205, 200 + minute) }).kept(MEMORY)).toBe(true);
  });

  test('of a short run tells nothing, however it grows', () => {
    expect(run({ minutes: 5, rss: (minute) => 200 + minute }).kept(MEMORY)).toBeNull();
  });
});

describe('throughput', () => {
  test('that costs 8 % more CPU at the end is broken, 3 % more is not', () => {
    expect(run({ cpuMs: (share) => 3000 * (1 + 0.1 * share) }).kept(BY_CPU)).toBe(false);
    expect(run({ cpuMs: (share) => 3000 * (1 + 0.03 * share) }).kept(BY_CPU)).toBe(true);
  });

  test('of a minute tells nothing, however much it dropped', () => {
    expect(run({ minutes: 1, cpuMs: (share) => 3000 * (1 + share) }).kept(BY_CPU)).toBeNull();
  });

  test('on a machine that itself became slower is not broken', () => {
    const slower = (share: number): number => 1 + 0.2 * share;
    const figures = run({
      cpuMs: (share) => 3000 * slower(share),
      referenceMs: (share) => 2 * slower(share),
    });
    expect(figures.kept(BY_CPU)).toBe(true);
  });

  test('that costs more CPU only as threads stand in line for longer is not broken; one that drifts beside that is', () => {
    const waitMs = (share: number): number => 1000 + 9000 * share * Math.abs(Math.sin(40 * share));
    const disturbed = (share: number): number => 3000 * (waitMs(share) / 1000) ** 0.2;
    expect(run({ waitMs, cpuMs: disturbed }).kept(BY_CPU)).toBe(true);
    expect(run({ waitMs, cpuMs: (share) => disturbed(share) * (1 + 0.15 * share) }).kept(BY_CPU)).toBe(false);
  });

  test('by the wall is noise where threads stood in line longer, and broken where they did not', () => {
    const wallMs = (share: number): number => 6000 * (1 + 0.3 * share);
    expect(run({ wallMs, waitMs: (share) => 1000 + 4000 * share })).toMatchObject({ ok: true });
    expect(run({ wallMs, waitMs: (share) => 1000 + 4000 * share }).kept(BY_WALL)).toBeNull();
    expect(run({ wallMs, waitMs: () => 1000 }).kept(BY_WALL)).toBe(false);
  });
});

test('a thread or a descriptor more at the end breaks the promise; one that came and went does not', () => {
  expect(run({ threads: (minute) => (minute > 40 ? 14 : 13) }).kept(/^threads/)).toBe(false);
  expect(run({ sockets: (minute) => (minute > 40 ? 3 : 2) }).kept(/^descriptors/)).toBe(false);
  expect(run({ threads: (minute) => (minute === 40 ? 14 : 13) }).kept(/^threads/)).toBe(true);
  // While it warms up there are fewer.
  expect(run({ threads: (minute) => (minute > 4 ? 13 : 12) }).kept(/^threads/)).toBe(true);
});

test('a kind of fault that never came breaks the promise, and so does a single wrong byte', () => {
  expect(run({ faults: FAULT_KINDS.slice(1) })).toMatchObject({ ok: false });
  expect(run({ broken: 1 })).toMatchObject({ ok: false });
});

test('the warm-up is a seventh of a short run and five minutes of a long one', () => {
  expect(warmUpMs(10 * MINUTE_MS)).toBe(1.5 * MINUTE_MS);
  expect(warmUpMs(600 * MINUTE_MS)).toBe(5 * MINUTE_MS);
});
