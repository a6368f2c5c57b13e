/**
 * What the commands that write have done: a row for each object on standard output, a summary on standard error.
 *
 * Invariants:
 * 1. Each row is counted, whether it could be printed or not.
 * 2. A reader of the rows that goes away (`| head`) does not end the work half-way: it goes on, and the exit code tells
 *    how it ended.
 * 3. Rows that come at the same time are printed one after the other, whole.
 */
import { formatBytes } from '../index.js';
import { failureOf, failureRecord, isDrained } from './failures.js';
import { createLines, OutputClosed } from './output.js';
import { createProgress, type Progress } from './progress.js';
import type { Ending, Session } from './session.js';
import { escapeControls, jsonLine } from './text.js';
import { StopState } from '../protocol/stop.js';

/** What became of one object. */
export interface ActionRow {
  readonly action: string;
  /** The object that was written or deleted. */
  readonly uri: string;
  /** Where its bytes came from. */
  readonly from?: string;
  /** Bytes, or -1 where that is not known. */
  readonly size: number;
  readonly version?: string | null;
  /** Why not, for one that failed. */
  readonly error?: unknown;
}

export interface Tally {
  done: number;
  skipped: number;
  failed: number;
  bytes: number;
}

/** Actions that changed nothing because there was nothing to do. */
const SKIPPED: ReadonlySet<string> = new Set(['equal', 'exists', 'absent']);
/** What moves bytes, so that there is a rate. */
const MOVES: ReadonlySet<string> = new Set(['put', 'copied']);
const SIZE_COLUMNS = 13;
const ACTION_COLUMNS = 12;

/** Size, action and URI in columns. Pure. */
export function rowLine({ action, uri, size }: ActionRow, terminal: boolean): string {
  const shown = terminal ? escapeControls(uri) : uri;
  const bytes = size < 0 ? '?' : String(size);
  return `${bytes.padStart(SIZE_COLUMNS)}  ${action.padEnd(ACTION_COLUMNS)}  ${shown}`;
}

/** `copied 10, skipped 3, failed 1; 12.0MiB in 2.13 s, 5.6MiB/s`. Pure. */
export function tallyLine(verb: string, tally: Tally, elapsedMs: number): string {
  const { done, skipped, failed, bytes } = tally;
  const seconds = elapsedMs / 1000;
  const isMoved = MOVES.has(verb) && bytes > 0 && seconds > 0;
  const rate = isMoved ? `, ${formatBytes(bytes / seconds)}/s` : '';
  return `${verb} ${done}, skipped ${skipped}, failed ${failed}; ${formatBytes(bytes)} in ${seconds.toFixed(2)} s${rate}`;
}

export interface RowReport {
  /** Counts and prints; a failed one is told on standard error too. Rejects when standard output cannot be written. */
  row(row: ActionRow): Promise<void>;
  /** Bytes that are on their way, for the progress line. */
  passed(bytes: number): void;
  /** Prints what is left and tells how it ended. `error`: what ended it early, or null. */
  end(error: unknown): Promise<Ending>;
}

/** @param verb what was done, such as `copied`; the summary begins with it */
export function createReport(session: Session, command: string, verb: string): RowReport {
  const { out, json, screen, token } = session;
  const lines = createLines(out);
  const tally: Tally = { done: 0, skipped: 0, failed: 0, bytes: 0 };
  const startedAt = performance.now();
  const failures: (() => void)[] = [];
  let underWay = 0;
  let hasReader = true;
  let printed: Promise<void> = Promise.resolve();
  const progress: Progress = createProgress(screen, () => ({
    objects: tally.done + tally.skipped + tally.failed,
    bytes: Math.max(tally.bytes, underWay),
    elapsedMs: performance.now() - startedAt,
    totalObjects: null,
    totalBytes: null,
    note: token.state === StopState.Live ? '' : 'draining',
  }));
  const quietly = async (print: () => Promise<void>): Promise<void> => {
    if (!hasReader) return;
    try {
      await print();
    } catch (error) {
      if (!(error instanceof OutputClosed)) throw error;
      hasReader = false;
    }
  };
  const tell = (row: ActionRow): void => {
    if (failures.length < MAX_TOLD) failures.push(() => session.fail(row.uri, row.error));
  };
  return {
    passed: (bytes) => {
      underWay += bytes;
    },
    row: (row) => {
      if (row.error !== undefined && row.error !== null) tally.failed += 1;
      else if (SKIPPED.has(row.action)) tally.skipped += 1;
      else {
        tally.done += 1;
        tally.bytes += Math.max(0, row.size);
      }
      if (!json && row.error !== undefined && row.error !== null) tell(row);
      printed = printed.then(() =>
        quietly(() => lines.line(json ? rowDocument(row) : rowLine(row, out.isTerminal))),
      );
      return printed;
    },
    end: async (error) => {
      progress.end();
      const unprinted = await failureOf(async () => {
        await printed;
        await quietly(() => lines.flush());
      });
      for (const show of failures) show();
      if (tally.failed > failures.length && !json)
        session.say(`${tally.failed - failures.length} more failed; the rows name them`);
      const elapsedMs = performance.now() - startedAt;
      const document = { command, ...tally, elapsedMs };
      const record = { line: tallyLine(verb, tally, elapsedMs), document, always: true };
      // A drain is no failure; the signal that asked for it is the exit code.
      const early = (isDrained(error) ? null : error) ?? unprinted;
      return { ok: early === null && tally.failed === 0, error: early, record };
    },
  };
}

/** Failures that are explained on standard error; all of them are rows. */
const MAX_TOLD = 20;

function rowDocument({ error, ...row }: ActionRow): string {
  if (error === undefined || error === null) return jsonLine(row);
  return jsonLine({ ...row, error: failureRecord(error) });
}
