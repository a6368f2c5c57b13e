/**
 * `millrace doctor`: what is installed and works, and for a URI whether it can be reached, and which uploads below it were
 * never ended.
 *
 * Invariants:
 * 1. Nothing is written; nothing is aborted but what `--abort-older-than` asks for, and in a dry run nothing at all.
 * 2. No secret is printed: of credentials it tells the names of variables and files.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ErrorCode, MillraceError, parseDuration, type UnfinishedUpload } from '../../index.js';
import { UsageError } from '../args.js';
import { failureLine, failureRecord, isDrained, isUsage } from '../failures.js';
import {
  checksumFindings,
  CREDENTIALS,
  credentialFinding,
  type Finding,
  nodeFinding,
  packageFinding,
  PACKAGES,
  readManifest,
} from '../health.js';
import { createLines, endOf, type Lines } from '../output.js';
import { folder, isDirectory, localPath } from '../places.js';
import type { Command, Session } from '../session.js';
import { escapeControls, formatDate, jsonLine } from '../text.js';
import { flag, text } from '../values.js';
import { StopState } from '../../protocol/stop.js';

const STATE_COLUMNS = 8;
const CHECK_COLUMNS = 22;

export const doctor: Command = async (session) => {
  const { operands, values, json } = session;
  const olderThanMs = ageOf(text(values, 'abort-older-than'));
  const uri = await folderOf(operands[0]);
  if (uri === undefined && (olderThanMs !== null || flag(values, 'dry-run'))) {
    throw new UsageError('doctor: --abort-older-than and --dry-run are for a URI: expected one');
  }
  const lines = createLines(session.out);
  const counts = { failed: 0, uploads: 0, aborted: 0 };
  const tell = async (finding: Finding): Promise<void> => {
    if (finding.state === 'failed') counts.failed += 1;
    await lines.line(json ? jsonLine(finding) : findingLine(finding));
  };
  for (const finding of installation(session)) await tell(finding);
  const error = await endOf(lines, async () => {
    if (uri === undefined) return;
    for await (const finding of reach(session, uri)) await tell(finding);
    if (counts.failed === 0) await uploadsBelow(session, uri, { lines, olderThanMs, counts, tell });
  });
  const line = `failed ${counts.failed}, unfinished uploads ${counts.uploads}, aborted ${counts.aborted}`;
  const record = { line, document: { command: 'doctor', ...counts } };
  return { ok: error === null && counts.failed === 0, error, record };
};

/** One line of the report. Pure. */
export function findingLine({ state, check, detail }: Finding): string {
  return `${state.padEnd(STATE_COLUMNS)}  ${check.padEnd(CHECK_COLUMNS)}  ${escapeControls(detail)}`;
}

/** A directory is looked into whether it was written with a slash at its end or not. */
async function folderOf(operand: string | undefined): Promise<string | undefined> {
  return operand !== undefined && (await isDirectory(operand)) ? folder(operand) : operand;
}

/** @throws UsageError */
function ageOf(given: string | undefined): number | null {
  if (given === undefined) return null;
  try {
    return parseDuration(given, '--abort-older-than');
  } catch (error) {
    if (error instanceof MillraceError) throw new UsageError(error.message);
    throw error;
  }
}

function* installation(session: Session): Generator<Finding> {
  const { version, engines } = readManifest();
  yield { state: 'ok', check: 'millrace', detail: version };
  yield nodeFinding(process.version, engines.node);
  for (const each of PACKAGES) {
    if (each.scheme === null || hasScheme(session, each.scheme)) yield packageFinding(each);
  }
  yield* checksumFindings();
  for (const each of CREDENTIALS) {
    if (hasScheme(session, each.scheme)) yield credentialFinding(each, process.env);
  }
}

/** A listing that is not gone through opens nothing; for a scheme that there is not it is refused. */
function hasScheme({ runtime }: Session, scheme: string): boolean {
  try {
    runtime.list(`${scheme}://millrace/doctor/`);
    return true;
  } catch (error) {
    return !(error instanceof MillraceError && error.message.includes('unknown scheme'));
  }
}

/** Opens the store and takes the first page of a listing. */
async function* reach(session: Session, uri: string): AsyncGenerator<Finding> {
  const { runtime, token } = session;
  let first: string | null = null;
  try {
    for await (const entry of runtime.list(uri, { token, delimiter: '/' })) {
      if (entry.kind === 'object') first = entry.uri;
      break;
    }
    yield { state: 'ok', check: 'listing', detail: uri };
  } catch (error) {
    if (isDrained(error) || isUsage(error)) throw error;
    yield { state: 'failed', check: 'listing', detail: failureLine(error) };
    return;
  }
  if (/^(?:direct:|file:|[^:]*$)/i.test(uri)) yield await directIo(uri.replace(/^direct:/i, 'file:'), first);
}

/** Whether a file there can be read past the page cache. */
async function directIo(uri: string, first: string | null): Promise<Finding> {
  const check = 'O_DIRECT';
  const flagBit = (constants as { readonly O_DIRECT?: number }).O_DIRECT;
  if (flagBit === undefined) return { state: 'missing', check, detail: `not on ${process.platform}` };
  const path = localPath(first?.replace(/^direct:/i, 'file:') ?? uri);
  if (first === null || path === null) {
    return { state: 'none', check, detail: 'no file there to try it with' };
  }
  try {
    const handle = await open(path, constants.O_RDONLY | flagBit);
    await handle.close();
    return { state: 'ok', check, detail: `${path} can be opened past the page cache` };
  } catch (error) {
    return { state: 'missing', check, detail: failureLine(error) };
  }
}

interface UploadReport {
  readonly lines: Lines;
  readonly olderThanMs: number | null;
  readonly counts: { failed: number; uploads: number; aborted: number };
  readonly tell: (finding: Finding) => Promise<void>;
}

async function uploadsBelow(session: Session, uri: string, report: UploadReport): Promise<void> {
  const { runtime, token, json, out } = session;
  const { lines, counts, tell } = report;
  const check = 'unfinished uploads';
  try {
    for await (const upload of runtime.uploads(uri, { token })) {
      if (token.state !== StopState.Live) break;
      counts.uploads += 1;
      const { action, error } = await dealtWith(session, upload, report);
      if (action === 'aborted') counts.aborted += 1;
      if (error !== null) counts.failed += 1;
      const document = {
        check: 'upload',
        ...upload,
        action,
        ...(error === null ? {} : { error: failureRecord(error) }),
      };
      await lines.line(json ? jsonLine(document) : uploadLine(upload, action, out.isTerminal));
      if (error !== null && !json) session.fail(upload.uri, error);
    }
    await tell({ state: 'ok', check, detail: `${counts.uploads}, of them aborted ${counts.aborted}` });
  } catch (error) {
    if (isDrained(error)) throw error;
    // A store that takes no writes has none.
    const isReadOnly = error instanceof MillraceError && error.code === ErrorCode.Unsupported;
    await tell({ state: isReadOnly ? 'none' : 'failed', check, detail: failureLine(error) });
  }
}

type UploadAction = 'left' | 'aborted' | 'would-abort' | 'failed';

async function dealtWith(
  { runtime, token, values }: Session,
  { uri, upload, started }: UnfinishedUpload,
  { olderThanMs }: UploadReport,
): Promise<{ readonly action: UploadAction; readonly error: unknown }> {
  // One whose begin is not known may be under way at this very moment.
  const isOld = olderThanMs !== null && started !== null && Date.now() - started.getTime() >= olderThanMs;
  if (!isOld) return { action: 'left', error: null };
  if (flag(values, 'dry-run')) return { action: 'would-abort', error: null };
  try {
    await runtime.abortUpload(uri, upload, { token });
    return { action: 'aborted', error: null };
  } catch (error) {
    if (isDrained(error)) throw error;
    return { action: 'failed', error };
  }
}

/** When it was begun, what was done, its object and its name. Pure. */
export function uploadLine(
  { uri, upload, started }: UnfinishedUpload,
  action: string,
  terminal: boolean,
): string {
  const shown = terminal ? escapeControls(uri) : uri;
  return `${formatDate(started?.getTime())}  ${action.padEnd(11)}  ${shown}  ${escapeControls(upload)}`;
}
