/** `millrace put`: files of this machine, or standard input, to objects that are there as a whole or not at all. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { ErrorCode, MillraceError, type PutOptions, type WrittenObject } from '../../index.js';
import { UsageError } from '../args.js';
import { failureOf, isDrained, isUsage } from '../failures.js';
import { inLanes } from '../lanes.js';
import { inFolder, isDirectory, isFolder, folder, localPath, nameOf } from '../places.js';
import { createReport, type RowReport } from '../rows.js';
import type { Command, Session } from '../session.js';
import { flag, size, text } from '../values.js';

/** Files at the same time: each large one has several parts under way by itself. */
const LANES = 8;
const STDIN = '-';

interface Job {
  readonly from: string;
  readonly to: string;
}

export const put: Command = async (session) => {
  const jobs = await jobsOf(session.operands);
  const options = putOptions(session, jobs.length);
  const report = createReport(session, 'put', 'put');
  const error = await failureOf(() =>
    inLanes(jobs, LANES, session.token, async (job) => {
      try {
        const { uri, size: bytes, version } = await putOne(session, job, options, report);
        await report.row({ action: 'put', uri, from: job.from, size: bytes, version });
      } catch (thrown) {
        if (isDrained(thrown) || (jobs.length === 1 && isUsage(thrown))) throw thrown;
        await report.row({ action: 'failed', uri: job.to, from: job.from, size: -1, error: thrown });
      }
    }),
  );
  return await report.end(error);
};

/** What goes where. @throws UsageError */
async function jobsOf(operands: readonly string[]): Promise<Job[]> {
  const sources = operands.slice(0, -1);
  const given = operands.at(-1)!;
  const target = (await isDirectory(given)) ? folder(given) : given;
  if (sources.length > 1 && !isFolder(target)) {
    throw new UsageError(`put: several sources need a URI that ends in "/"; given ${JSON.stringify(given)}`);
  }
  const seen = new Map<string, string>();
  return sources.map((from) => {
    if (from !== STDIN && localPath(from) === null) {
      throw new UsageError(`put takes files of this machine; for ${from} there is "millrace cp"`);
    }
    if (from === STDIN && isFolder(target)) {
      throw new UsageError(
        `put: standard input has no name; give the whole URI and not ${JSON.stringify(given)}`,
      );
    }
    const to = isFolder(target) ? inFolder(target, nameOf(from)) : target;
    const other = seen.get(to);
    if (other !== undefined) throw new UsageError(`put: ${other} and ${from} would both become ${to}`);
    seen.set(to, from);
    return { from, to };
  });
}

function putOptions({ values, token }: Session, jobs: number): PutOptions {
  const ifVersion = text(values, 'if-version');
  if (ifVersion !== undefined && jobs > 1) {
    throw new UsageError('--if-version is the version of one object; given several sources');
  }
  return {
    token,
    contentType: text(values, 'content-type'),
    ifAbsent: flag(values, 'if-absent'),
    ifVersion,
    partBytes: size(values, 'part-size'),
  };
}

/** A regular file is read by the workers; what is none, as a stream. */
async function putOne(
  { runtime, input }: Session,
  { from, to }: Job,
  options: PutOptions,
  report: RowReport,
): Promise<WrittenObject> {
  if (from === STDIN) return await runtime.putStream(to, counted(input, report), options);
  const path = localPath(from)!;
  const known = await stat(path).catch(() => null);
  if (known?.isDirectory() === true) {
    const message = `${from} is a directory; for all files below it there is "millrace cp -r"`;
    throw new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'plan' });
  }
  if (known === null || known.isFile()) return await runtime.copy(pathToFileURL(path).href, to, options);
  return await runtime.putStream(
    to,
    counted(() => createReadStream(path), report),
    options,
  );
}

/** Opens the stream as its first chunk is asked for: one that is open before fails, and stays open, with nobody looking. */
async function* counted(
  open: () => AsyncIterable<Uint8Array>,
  report: RowReport,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of open()) {
    report.passed(chunk.length);
    yield chunk;
  }
}
