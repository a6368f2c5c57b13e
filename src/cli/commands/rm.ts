/**
 * `millrace rm`: objects, or everything below a folder.
 *
 * Invariants:
 * 1. `-r` takes folders: a slash is added where there is none, so that `logs` never means `logs-old` as well.
 * 2. A whole bucket needs `--force`, and the root of this machine's file system is refused whatever is given.
 */
import { ErrorCode, MillraceError } from '../../index.js';
import { UsageError } from '../args.js';
import { failureOf, isDrained, isUsage } from '../failures.js';
import { inLanes } from '../lanes.js';
import { folder, isFolder, isRoot } from '../places.js';
import { type ActionRow, createReport, type RowReport } from '../rows.js';
import type { Command, Session } from '../session.js';
import { flag } from '../values.js';
import { StopState } from '../../protocol/stop.js';

/** Named objects at the same time. */
const LANES = 16;

export const rm: Command = async (session) => {
  const { values, operands } = session;
  const recursive = flag(values, 'recursive');
  for (const operand of operands) checkOperand(operand, recursive);
  const report = createReport(session, 'rm', flag(values, 'dry-run') ? 'would delete' : 'deleted');
  return await report.end(
    await failureOf(() => (recursive ? folders(session, report) : objects(session, report))),
  );
};

/** @throws UsageError */
function checkOperand(operand: string, recursive: boolean): void {
  if (isRoot(operand))
    throw new UsageError('rm: the root of the file system is not deleted, with --force neither');
  if (recursive || !isFolder(operand)) return;
  throw new UsageError(`rm: ${operand} is a folder; for everything below it there is -r`);
}

async function folders({ runtime, values, token, operands }: Session, report: RowReport): Promise<void> {
  for (const operand of operands) {
    if (token.state !== StopState.Live) return;
    const rows = whole(operand, () =>
      runtime.deletePrefix(folder(operand), {
        token,
        dryRun: flag(values, 'dry-run'),
        wholeStore: flag(values, 'force'),
      }),
    );
    for await (const row of rows) await report.row(row);
  }
}

/** The library refuses a whole store; here the way out has another name. */
function whole<T>(operand: string, call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    if (!(thrown instanceof MillraceError) || !thrown.message.includes('wholeStore')) throw thrown;
    throw new UsageError(
      `rm: ${operand} is a whole bucket or store; give a folder below it, or --force to delete everything in it (--dry-run tells what that is)`,
    );
  }
}

async function objects(session: Session, report: RowReport): Promise<void> {
  const { operands, token } = session;
  await inLanes(operands, LANES, token, async (uri) => {
    try {
      await report.row(await deleted(session, uri));
    } catch (thrown) {
      if (isDrained(thrown) || (operands.length === 1 && isUsage(thrown))) throw thrown;
      await report.row({ action: 'failed', uri, size: -1, error: thrown });
    }
  });
}

async function deleted({ runtime, values, token }: Session, uri: string): Promise<ActionRow> {
  if (!flag(values, 'dry-run')) {
    await runtime.delete(uri, { token });
    return { action: 'deleted', uri, size: -1 };
  }
  try {
    const { size } = await runtime.head(uri, { token });
    return { action: 'would-delete', uri, size };
  } catch (thrown) {
    if (!(thrown instanceof MillraceError) || thrown.code !== ErrorCode.NotFound) throw thrown;
    return { action: 'absent', uri, size: -1 };
  }
}
