/** `millrace load`: a loader over a prefix, to see what a service would see: order, rate, errors, record. */
import { type Loader, ObjectDataset, type TerminalRecord } from '../../index.js';
import { failureOf } from '../failures.js';
import { createProgress } from '../progress.js';
import { addRecords, recordDocument, summaryLines, totalsLine } from '../records.js';
import type { Command, Session } from '../session.js';
import { jsonLine } from '../text.js';
import { count, loaderOptions } from '../values.js';
import { StopState } from '../../protocol/stop.js';

interface Counts {
  objects: number;
  items: number;
  bytes: number;
}

/** Skipped objects that are named on standard error; the record has their number. */
const MAX_NAMED_FAILURES = 20;

export const load: Command = async (session) => {
  const { runtime, token, values, operands } = session;
  const loader = runtime.loader(ObjectDataset.fromPrefix(operands[0]!), { ...loaderOptions(values), token });
  const epochs = count(values, 'epochs') ?? 1;
  const counts: Counts = { objects: 0, items: 0, bytes: 0 };
  let first: Pick<Counts, 'items' | 'bytes'> | null = null;
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const progress = createProgress(session.screen, () => ({
    objects: counts.items,
    bytes: counts.bytes,
    elapsedMs: performance.now() - startedAt,
    // The listing comes as it is needed: how much there is, is known when it was gone through once.
    totalObjects: first === null ? null : first.items * epochs,
    totalBytes: first === null ? null : first.bytes * epochs,
    note: token.state === StopState.Live ? '' : 'draining',
  }));
  let record: TerminalRecord | null = null;
  let error: unknown = null;
  for (let epoch = 0; epoch < epochs && error === null && token.state === StopState.Live; epoch += 1) {
    error = await failureOf(() => runEpoch(loader, counts));
    const report = loader.report;
    if (report === null) break;
    first ??= { items: counts.items, bytes: counts.bytes };
    record = record === null ? report : addRecords(record, report);
  }
  progress.end();
  const { user, system } = process.cpuUsage(cpu);
  counts.objects = record?.delivered ?? 0;
  const figures = { ...counts, elapsedMs: performance.now() - startedAt, cpuMs: (user + system) / 1000 };
  return finish(session, figures, record, error);
};

async function runEpoch(loader: Loader, counts: Counts): Promise<void> {
  for await (const batch of loader) {
    counts.items += batch.length;
    counts.bytes += batch.bytes;
  }
}

async function finish(
  { json, out, token, warn }: Session,
  figures: Counts & { readonly elapsedMs: number; readonly cpuMs: number },
  record: TerminalRecord | null,
  error: unknown,
): ReturnType<Command> {
  const known = record === null ? {} : recordDocument(record);
  const document = { command: 'load', ...known, ...figures };
  const whole = error === null && token.state === StopState.Live;
  if (json && whole) await out.write(`${jsonLine(document)}\n`);
  if (!json && error === null) await out.write(`${summaryLines(figures).join('\n')}\n`);
  // With --json they stand in the record.
  const skipped = json ? [] : (record?.failures ?? []);
  for (const { uri, error: reason } of skipped.slice(0, MAX_NAMED_FAILURES)) warn(uri, reason);
  const line = record === null ? 'nothing was planned' : `${record.listed} listing; ${totalsLine(record)}`;
  return { ok: error === null && (record?.failed ?? 0) === 0, error, record: { line, document } };
}
