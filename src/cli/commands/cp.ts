/** `millrace cp`: one object, or everything below a folder, from any scheme to any that takes writes. */
import type { ObjectInfo } from '../../index.js';
import { ErrorCode, MillraceError } from '../../index.js';
import { UsageError } from '../args.js';
import { failureOf, isDrained, isUsage } from '../failures.js';
import { folder, inFolder, isDirectory, isFolder, localPath, nameOf } from '../places.js';
import { type ActionRow, createReport, type RowReport } from '../rows.js';
import type { Command, Session } from '../session.js';
import { count, flag } from '../values.js';

export const cp: Command = async (session) => {
  const { values } = session;
  if (flag(values, 'update') && flag(values, 'no-clobber')) {
    throw new UsageError('cp: --update and --no-clobber: expected one of the two');
  }
  const copies = flag(values, 'recursive') ? copyFolder : copyOne;
  const places = await placesOf(session);
  const report = createReport(session, 'cp', flag(values, 'dry-run') ? 'would copy' : 'copied');
  return await report.end(await failureOf(() => copies(session, places, report)));
};

interface Places {
  readonly from: string;
  readonly to: string;
}

/** @throws UsageError */
async function placesOf({ values, operands }: Session): Promise<Places> {
  const [from = '', to = ''] = operands;
  const sourceIsFolder = isFolder(from) || (await isDirectory(from));
  if (flag(values, 'recursive')) return { from: folder(from), to: folder(to) };
  if (sourceIsFolder) {
    throw new UsageError(`cp: ${from} is a folder; for everything below it there is -r`);
  }
  if (count(values, 'concurrency') !== undefined) {
    throw new UsageError('cp: --concurrency is for many objects: expected -r with it');
  }
  const targetIsFolder = isFolder(to) || (await isDirectory(to));
  return { from, to: targetIsFolder ? inFolder(folder(to), nameOf(from)) : to };
}

async function copyFolder({ runtime, values, token }: Session, { from, to }: Places, report: RowReport) {
  const rows = runtime.copyPrefix(from, to, {
    token,
    dryRun: flag(values, 'dry-run'),
    skipEqual: flag(values, 'update'),
    skipExisting: flag(values, 'no-clobber'),
    maxConcurrentObjects: count(values, 'concurrency'),
  });
  for await (const { from: source, to: uri, size, action, error } of rows) {
    await report.row({ action, uri, from: source, size, error });
  }
}

async function copyOne(session: Session, places: Places, report: RowReport): Promise<void> {
  let row: ActionRow;
  try {
    row = await copied(session, places);
  } catch (thrown) {
    if (isDrained(thrown) || isUsage(thrown)) throw thrown;
    row = { action: 'failed', uri: places.to, from: places.from, size: -1, error: thrown };
  }
  await report.row(row);
}

async function copied({ runtime, values, token }: Session, { from, to }: Places): Promise<ActionRow> {
  const [update, noClobber, dryRun] = ['update', 'no-clobber', 'dry-run'].map((name) => flag(values, name));
  if (update || dryRun) {
    const source = await runtime.head(from, { token });
    const row = { uri: to, from: source.uri, size: source.size };
    const there = update || noClobber ? await headOrNull(() => runtime.head(to, { token })) : null;
    if (there !== null && noClobber) return { ...row, action: 'exists' };
    if (there !== null && isEqual(source, there, schemeOf(from) === schemeOf(to)))
      return { ...row, action: 'equal' };
    if (dryRun) return { ...row, action: 'would-copy' };
  }
  try {
    const { uri, size, version } = await runtime.copy(from, to, { token, ifAbsent: noClobber });
    return { action: 'copied', uri, from, size, version };
  } catch (thrown) {
    if (!noClobber || codeOf(thrown) !== ErrorCode.AlreadyExists) throw thrown;
    return { action: 'exists', uri: to, from, size: -1 };
  }
}

/** As `copyPrefix` has it: same size, and the same version inside one service, or a time that is not earlier. Pure. */
export function isEqual(source: ObjectInfo, there: ObjectInfo, isOneService: boolean): boolean {
  if (source.size !== there.size) return false;
  if (isOneService && source.version !== null && source.version === there.version) return true;
  if (source.lastModifiedMs === null || there.lastModifiedMs === null) return false;
  return there.lastModifiedMs >= source.lastModifiedMs;
}

async function headOrNull<T>(head: () => Promise<T>): Promise<T | null> {
  try {
    return await head();
  } catch (thrown) {
    if (codeOf(thrown) === ErrorCode.NotFound) return null;
    throw thrown;
  }
}

function schemeOf(operand: string): string {
  return localPath(operand) === null ? operand.slice(0, operand.indexOf(':')).toLowerCase() : 'file';
}

function codeOf(thrown: unknown): string | null {
  return thrown instanceof MillraceError ? thrown.code : null;
}
