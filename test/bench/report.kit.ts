/** A small result whose every figure is known, to render. */
import type { Figures, Results, Row } from '../../bench/report/figures.mjs';

/** What a row is told by; the rest follows. */
export interface Told {
  readonly work?: string;
  readonly contender: string;
  /** Microseconds of CPU per object. */
  readonly cpu: number;
  readonly perSecond?: number;
  readonly objectBytes?: number;
  readonly rss?: number;
  readonly p99?: number | null;
  /** Share by which the rounds differ from the median. */
  readonly spread?: number;
}

export function row(told: Told): Row {
  const { work = 'http-4KiB', contender, spread = 0.1 } = told;
  const figures = figuresOf(told, 1);
  return {
    work,
    contender,
    signed: contender !== 'undici',
    ...figures,
    min: figuresOf(told, 1 - spread),
    max: figuresOf(told, 1 + spread),
  };
}

function figuresOf(
  { cpu, perSecond = 1000, objectBytes = 4096, rss = 100e6, p99 = null }: Told,
  times: number,
): Figures {
  const objects = 10_000;
  const micros = cpu * times;
  const rate = perSecond * times;
  return {
    wallSeconds: objects / rate,
    cpuSeconds: (micros * objects) / 1e6,
    objects,
    bytes: objects * objectBytes,
    objectsPerSecond: rate,
    bytesPerSecond: rate * objectBytes,
    cpuSecondsPerGB: micros / 1e6 / (objectBytes / 1e9),
    cpuMicrosPerObject: micros,
    peakRssBytes: rss * times,
    p50Ms: p99 === null ? null : (p99 * times) / 2,
    p99Ms: p99 === null ? null : p99 * times,
    eventLoopDelayP99Ms: 2 * times,
  };
}

export function result(rows: readonly Row[], rest: Partial<Results> = {}): Results {
  return {
    machine: {
      cpu: 'A Processor',
      cores: 2,
      memoryBytes: 16 * 2 ** 30,
      kernel: '6.1.0',
      node: '20.20.0',
      nginx: '1.22.1',
      versions: { undici: '7.0.0' },
    },
    command: 'npm run bench -- --rounds 3',
    date: '2026-01-02T03:04:05.006Z',
    rounds: 3,
    rows: [...rows],
    missing: [],
    service: null,
    ...rest,
  };
}

/** Service figures that meet every goal. */
export const SERVICE = {
  firstBatch: { 'http-4KiB': { coldMs: spreadOf(200), warmMs: spreadOf(20) } },
  cancel: { 'http-4KiB': stops(3), 'http-8MiB': stops(11) },
  drain: { 'http-8MiB': { recordMs: spreadOf(9), deliveredAfter: spreadOf(4), left: spreadOf(1) } },
  eventLoopDelay: {
    'http-4KiB': delay(9),
    'http-8MiB': delay(3),
    'file-4KiB': delay(2),
    'million-keys': delay(5),
  },
  memory: { 'http-4KiB': grown(1.1), 'http-8MiB': grown(0.8) },
  millionKeys: { firstBatchMs: 40, cpuMicrosPerKey: 10, wallMicrosPerKey: 6, peakRssBytes: 230e6 },
  hundredMillionKeys: {
    seen: 102_400,
    firstBatchMs: 60,
    cpuMicrosPerKey: 18,
    wallMicrosPerKey: 10,
    peakRssBytes: 170e6,
  },
  missing: [] as { figure: string; why: string }[],
};

function spreadOf(p99: number) {
  return { count: 100, p50: p99 / 2, p99, max: p99 * 2 };
}

function stops(p99: number) {
  return { settledMs: spreadOf(p99 / 2), idleMs: spreadOf(p99) };
}

function delay(p99Ms: number) {
  return { p50Ms: 0.1, p99Ms, maxMs: p99Ms * 2 };
}

function grown(growthOverBudget: number) {
  return {
    budgetBytes: 64e6,
    idleBytes: 100e6,
    peakBytes: 100e6 + 64e6 * growthOverBudget,
    arenaPeakBytes: 4e6,
    growthOverBudget,
  };
}
