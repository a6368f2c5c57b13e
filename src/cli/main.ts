#!/usr/bin/env node
/**
 * The `millrace` command. This file alone ends the process.
 *
 * `process.exit()` comes after the runtime is closed and the output is taken; where a worker is stuck it would hang on
 * that worker's thread, and the process kills itself instead.
 */
import { readFileSync } from 'node:fs';
import { type CommandLine, readCommandLine, UsageError } from './args.js';
import { createOutput, OutputClosed } from './output.js';
import { escapeControls, jsonLine } from './text.js';
import { installSignals, killSelf, type SignalHost } from './signals.js';
import { CancellationToken } from '../protocol/token.js';

let say: (line: string) => void = sayLine;

const host: SignalHost = {
  on: (signal, listener) => process.on(signal, listener),
  removeListener: (signal, listener) => process.removeListener(signal, listener),
  raise: (signal) => void process.kill(process.pid, signal),
  say: (line) => say(line),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/** Each line is escaped by whoever has put a name into it; this is for what nobody thought of. */
function sayLine(line: string): void {
  process.stderr.write(`millrace: ${escapeControls(line)}\n`);
}

/** With `--json` what is said is a document too, so that a program can read standard error line by line. */
function sayDocument(line: string): void {
  process.stderr.write(`${jsonLine({ note: line })}\n`);
}

function versionOf(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

function commandLine(args: readonly string[]): CommandLine | null {
  try {
    return readCommandLine(args, versionOf());
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // The line was not understood, but whoever wrote --json into it reads documents.
    if (!args.includes('--json')) say(error.message);
    else process.stderr.write(`${jsonLine({ error: { code: 'Error', message: error.message } })}\n`);
    return null;
  }
}

/** Resolves with the exit code when the system has taken what was printed, or nobody reads it any more. */
async function print(text: string): Promise<number> {
  try {
    // A signal has its default action here, so the token is never turned.
    await createOutput(process.stdout, new CancellationToken()).write(text);
    return 0;
  } catch (error) {
    if (error instanceof OutputClosed) return 0;
    say(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

async function main(): Promise<void> {
  const line = commandLine(process.argv.slice(2));
  if (line === null) {
    process.exitCode = 2;
    return;
  }
  if (line.kind === 'print') {
    process.exitCode = await print(line.text);
    return;
  }
  process.stderr.on('error', () => {});
  // What the SDK says about the Node that runs it is for whoever installs it; standard error is this command's own.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  if (line.values['json'] !== undefined) say = sayDocument;
  const signals = installSignals(host);
  // Loaded here, so that --help and a usage error cost no runtime.
  const { runCommand } = await import('./run.js');
  const { exitCode, stuckWorkers } = await runCommand(line, signals, process, (text) => say(text));
  if (stuckWorkers.length > 0) {
    killSelf(host, `cannot end, ${stuckWorkers.join(' and ')} did not answer`);
    return;
  }
  signals.dispose();
  process.exit(exitCode);
}

await main();
