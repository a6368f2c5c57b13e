/**
 * Runs one command from its signals to its exit code.
 *
 * Invariants:
 * 1. The runtime is closed whatever happens, and its stuck workers are told.
 * 2. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 and 143 after a drain by SIGINT and SIGTERM.
 */
import { Runtime } from '../index.js';
import { type CommandLine, UsageError } from './args.js';
import { cat } from './commands/cat.js';
import { explain } from './commands/explain.js';
import { get } from './commands/get.js';
import { load } from './commands/load.js';
import { ls } from './commands/ls.js';
import { stat } from './commands/stat.js';
import type { CommandName } from './command-table.js';
import { failureDetails, failureLine, failureRecord } from './failures.js';
import { createOutput, OutputClosed } from './output.js';
import type { Command, Ending } from './session.js';
import { exitCodeOf, type Signals } from './signals.js';
import { flag, runtimeOptions } from './values.js';

const RUNNERS: Readonly<Record<CommandName, Command>> = { ls, stat, cat, get, load, explain };

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
  streams: Pick<NodeJS.Process, 'stdout' | 'stderr'>,
  say: (text: string) => void,
): Promise<Ended> {
  const json = flag(line.values, 'json');
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
      json,
      say,
      beforeDeath: signals.beforeDeath,
    });
    exitCode = ending.ok ? 0 : 1;
    if (ending.error !== null) exitCode = sayFailure(ending.error, line, say);
    sayRecord(signals.received, ending, json, say);
  } catch (error) {
    exitCode = sayFailure(error, line, say);
    if (signals.received !== null) say(`ended by ${signals.received}: nothing was planned`);
  }
  const stuckWorkers = await closed(runtime, say);
  return { exitCode: signals.received === null ? exitCode : exitCodeOf(signals.received), stuckWorkers };
}

/** The terminal record, where the output does not tell it: after a signal or a failure. */
function sayRecord(
  signal: string | null,
  { error, record }: Ending,
  json: boolean,
  say: (text: string) => void,
): void {
  if (error instanceof OutputClosed || (signal === null && error === null)) return;
  const { line, document } = record;
  if (signal === null) {
    say(json ? JSON.stringify(document) : `ended by the failure: ${line}`);
    return;
  }
  say(json ? JSON.stringify({ reason: signal, ...document }) : `ended by ${signal}: ${line}`);
}

/** Returns the exit code. */
function sayFailure(error: unknown, line: Run, say: (text: string) => void): number {
  if (error instanceof OutputClosed) return 0;
  const json = flag(line.values, 'json');
  say(json ? JSON.stringify({ error: failureRecord(error) }) : failureLine(error));
  if (flag(line.values, 'verbose')) for (const detail of failureDetails(error)) say(detail);
  return error instanceof UsageError ? 2 : 1;
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
