/**
 * Runs one command from its signals to its exit code.
 *
 * Invariants:
 * 1. The runtime is closed whatever happens, and its stuck workers are told.
 * 2. Exit codes: 0 done (or nobody reads the output any more), 1 failed or something left out, 2 wrong usage, 129, 130
 *    and 143 after a drain by SIGHUP, SIGINT and SIGTERM.
 * 3. With `--json` every line of standard error is a document, and none holds a control character.
 */
import { Runtime } from '../index.js';
import type { CommandLine } from './args.js';
import { cat } from './commands/cat.js';
import { cp } from './commands/cp.js';
import { doctor } from './commands/doctor.js';
import { explain } from './commands/explain.js';
import { get } from './commands/get.js';
import { load } from './commands/load.js';
import { ls } from './commands/ls.js';
import { put } from './commands/put.js';
import { rm } from './commands/rm.js';
import { stat } from './commands/stat.js';
import type { CommandName } from './command-table.js';
import { failureDetails, failureLine, failureRecord, hintFor, isUsage } from './failures.js';
import { createOutput, OutputClosed } from './output.js';
import type { Command, Ending } from './session.js';
import { escapeControls, jsonLine } from './text.js';
import { exitCodeOf, type Signals } from './signals.js';
import { flag, runtimeOptions } from './values.js';

const RUNNERS: Readonly<Record<CommandName, Command>> = {
  ls,
  stat,
  cat,
  get,
  put,
  cp,
  rm,
  load,
  explain,
  doctor,
};

export interface Ended {
  readonly exitCode: number;
  /** Workers that did not end: their threads keep the process from ending by itself. */
  readonly stuckWorkers: readonly string[];
}

type Run = Extract<CommandLine, { kind: 'run' }>;

/** Runs a command; never rejects. `say` prints one line on standard error. */
export async function runCommand(
  line: Run,
  signals: Signals,
  streams: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'>,
  say: (text: string) => void,
): Promise<Ended> {
  const tell: Tell = {
    say,
    // A document stands alone on its line, so that a program can read it.
    document: flag(line.values, 'json') ? (value) => void streams.stderr.write(`${jsonLine(value)}\n`) : null,
    hinted: new Set(),
  };
  let runtime: Runtime | null = null;
  let exitCode = 0;
  try {
    const { token } = signals;
    runtime = await Runtime.start({ ...runtimeOptions(line.values), token });
    const ending = await RUNNERS[line.command]({
      values: line.values,
      operands: line.operands,
      runtime,
      token,
      out: createOutput(streams.stdout, token),
      screen: streams.stderr,
      json: tell.document !== null,
      say,
      warn: (uri, error) => sayOne('skipped', uri, error, tell),
      fail: (uri, error) => sayOne('failed', uri, error, tell, flag(line.values, 'verbose')),
      input: () => streams.stdin,
      beforeDeath: signals.beforeDeath,
    });
    exitCode = ending.ok ? 0 : 1;
    if (ending.error !== null) exitCode = sayFailure(ending.error, flag(line.values, 'verbose'), tell);
    sayRecord(signals.received, ending, tell);
  } catch (error) {
    exitCode = sayFailure(error, flag(line.values, 'verbose'), tell);
    if (signals.received !== null && tell.document === null)
      say(`ended by ${signals.received}: nothing was planned`);
  }
  const stuckWorkers = await closed(runtime, say);
  return { exitCode: signals.received === null ? exitCode : exitCodeOf(signals.received), stuckWorkers };
}

/** Standard error: lines for people, and with `--json` documents in their place. */
interface Tell {
  readonly say: (line: string) => void;
  readonly document: ((value: unknown) => void) | null;
  /** Hints that were given: each is given once. */
  readonly hinted: Set<string>;
}

function sayHint(error: unknown, tell: Tell): void {
  const hint = hintFor(error);
  if (hint === null || tell.hinted.has(hint)) return;
  tell.hinted.add(hint);
  tell.say(hint);
}

/** The terminal record, where the output does not tell it: after a signal or a failure. */
function sayRecord(signal: string | null, { error, record }: Ending, tell: Tell): void {
  const early = signal !== null || error !== null;
  if (error instanceof OutputClosed || (!early && record.always !== true)) return;
  if (tell.document === null)
    tell.say(`${early ? `ended by ${signal ?? 'the failure'}: ` : ''}${record.line}`);
  else tell.document(signal === null ? record.document : { reason: signal, ...record.document });
}

/** Returns the exit code. */
function sayFailure(error: unknown, verbose: boolean, tell: Tell): number {
  if (error instanceof OutputClosed) return 0;
  if (tell.document !== null) tell.document({ error: failureRecord(error, verbose) });
  else {
    tell.say(failureLine(error));
    if (verbose) for (const detail of failureDetails(error)) tell.say(detail);
  }
  sayHint(error, tell);
  return isUsage(error) ? 2 : 1;
}

function sayOne(what: string, uri: string, error: unknown, tell: Tell, verbose = false): void {
  if (tell.document !== null) tell.document({ [what]: uri, error: failureRecord(error, verbose) });
  else {
    tell.say(`${what} ${escapeControls(uri)}: ${failureLine(error)}`);
    if (verbose) for (const detail of failureDetails(error)) tell.say(detail);
  }
  sayHint(error, tell);
}

async function closed(runtime: Runtime | null, say: (text: string) => void): Promise<readonly string[]> {
  if (runtime === null) return [];
  try {
    const { stuckWorkers } = await runtime.close();
    return stuckWorkers;
  } catch (error) {
    say(failureLine(error));
    return [];
  }
}
