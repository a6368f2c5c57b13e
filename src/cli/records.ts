/** Terminal records: brought together over several loaders, and as lines for people. Pure. */
import { formatBytes, type TerminalRecord } from '../index.js';

/** Counts of a record; those of several epochs add up. */
export type RecordTotals = Pick<
  TerminalRecord,
  | 'planned'
  | 'delivered'
  | 'filtered'
  | 'failed'
  | 'dropped'
  | 'left'
  | 'items'
  | 'bytes'
  | 'retries'
  | 'hedged'
  | 'hedgesWon'
>;

const COUNTS = [
  'planned',
  'delivered',
  'filtered',
  'failed',
  'dropped',
  'left',
  'items',
  'bytes',
  'retries',
  'hedged',
  'hedgesWon',
] as const satisfies readonly (keyof RecordTotals)[];

export function noTotals(): RecordTotals {
  return Object.fromEntries(COUNTS.map((name) => [name, 0])) as unknown as RecordTotals;
}

export function addTotals(a: RecordTotals, b: RecordTotals): RecordTotals {
  return Object.fromEntries(COUNTS.map((name) => [name, a[name] + b[name]])) as unknown as RecordTotals;
}

/** Failures that a record names; as many as those of the library. */
const MAX_FAILURES = 100;

/** The record of several epochs: counts and failures of all, the rest as of the last. */
export function addRecords(before: TerminalRecord, last: TerminalRecord): TerminalRecord {
  const failures = [...before.failures, ...last.failures].slice(0, MAX_FAILURES);
  return { ...last, ...addTotals(before, last), failures };
}

/** `planned 10 = delivered 7 + filtered 0 + failed 0 + dropped 1 + left 2`. */
export function totalsLine(totals: RecordTotals): string {
  const { planned, delivered, filtered, failed, dropped, left } = totals;
  return `planned ${planned} = delivered ${delivered} + filtered ${filtered} + failed ${failed} + dropped ${dropped} + left ${left}`;
}

/** What `--json` prints of a record: everything, errors as plain data. */
export function recordDocument(record: TerminalRecord): Record<string, unknown> {
  const failures = record.failures.map(({ uri, error }) => ({
    uri,
    code: error.code,
    message: error.message,
  }));
  return { ...record, failures };
}

export interface LoadFigures {
  readonly objects: number;
  readonly items: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
}

/** The summary of `load`, one fact per line. */
export function summaryLines(figures: LoadFigures): string[] {
  const { objects, items, bytes, elapsedMs, cpuMs } = figures;
  const seconds = elapsedMs / 1000;
  const rate = seconds > 0 ? `${formatBytes(bytes / seconds)}/s` : '-';
  const perSecond = seconds > 0 ? `${Math.round(objects / seconds)} objects/s` : '-';
  return [
    `objects  ${objects}`,
    `items    ${items}`,
    `bytes    ${bytes} (${formatBytes(bytes)})`,
    `wall     ${seconds.toFixed(2)} s`,
    `rate     ${rate}, ${perSecond}`,
    `CPU      ${(cpuMs / 1000).toFixed(2)} s`,
  ];
}
