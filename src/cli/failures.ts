/** Errors as the command shows them: one line, or with `-v` all that is known. */
import { ErrorCode, MillraceError } from '../index.js';
import { UsageError } from './args.js';
import { escapeControls } from './text.js';

/** What `fn` failed with, or null: for what still has to be told after a failure. */
export async function failureOf(fn: () => Promise<void>): Promise<unknown> {
  try {
    await fn();
    return null;
  } catch (error) {
    return error ?? new Error('a failure without a reason');
  }
}

/** Options and operands that cannot be meant; what a service calls invalid has a status. */
export function isUsage(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  return (
    error instanceof MillraceError &&
    error.code === ErrorCode.InvalidArgument &&
    error.status === undefined &&
    (error.phase === 'configure' || error.phase === 'plan')
  );
}

/** Whether a call ended with no more than the stop that it was given. */
export function isDrained(error: unknown): boolean {
  return error instanceof MillraceError && error.code === ErrorCode.Draining;
}

/** What to do about an error that its own message cannot know: which command found it. Null for most. */
export function hintFor(thrown: unknown): string | null {
  if (!(thrown instanceof MillraceError) || thrown.code !== ErrorCode.Unauthenticated) return null;
  return '"millrace doctor" tells which credentials are found; --profile names others, and --anonymous sends none';
}

/** `NotFound: ...`, in one line that no name in it can break or colour. */
export function failureLine(thrown: unknown): string {
  if (thrown instanceof MillraceError) return escapeControls(`${thrown.code}: ${thrown.message}`);
  if (!(thrown instanceof Error)) return escapeControls(String(thrown));
  const code = codeOf(thrown);
  const prefix = code === undefined || thrown.message.startsWith(code) ? '' : `${code}: `;
  return escapeControls(`${prefix}${thrown.message}`);
}

/** The lines that `-v` adds: context, causes, stack. */
export function failureDetails(thrown: unknown): string[] {
  const lines: string[] = [];
  if (thrown instanceof MillraceError) {
    for (const [name, value] of Object.entries(thrown.context)) {
      if (value === undefined) continue;
      const shown = Array.isArray(value) ? value.join('-') : String(value);
      lines.push(`  ${name}: ${escapeControls(shown)}`);
    }
    lines.push(`  retryable: ${thrown.retryable}`);
  }
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  // A chain of causes is a handful long; the bound is for one that bites its own tail.
  for (let depth = 0; cause !== undefined && depth < 8; depth += 1) {
    lines.push(`  cause: ${failureLine(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  if (thrown instanceof Error && thrown.stack !== undefined) {
    const frames = thrown.stack.split('\n').filter((line) => /^\s+at /.test(line));
    lines.push(...frames.map((frame) => escapeControls(frame)));
  }
  return [...new Set(lines)];
}

/** For `--json`: the same, as one document; with `-v` the causes and the stack are in it. */
export function failureRecord(thrown: unknown, verbose = false): Record<string, unknown> {
  const more = verbose ? { details: failureDetails(thrown).map((line) => line.trim()) } : {};
  if (!(thrown instanceof MillraceError))
    return { code: codeOf(thrown) ?? 'Error', message: messageOf(thrown), ...more };
  const { code, message, retryable, context } = thrown;
  return { code, message, ...context, retryable, ...more };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
