/** What every command is given: its options, the runtime, where to write, and when to stop. */
import type { CancellationToken, Runtime } from '../index.js';
import type { OptionValues } from './args.js';
import type { Output } from './output.js';
import type { ProgressScreen } from './progress.js';

export interface Session {
  readonly values: OptionValues;
  readonly operands: readonly string[];
  readonly runtime: Runtime;
  readonly token: CancellationToken;
  readonly out: Output;
  /** Standard error, for the progress line. */
  readonly screen: ProgressScreen;
  readonly json: boolean;
  /** One line on standard error; the progress line is out of the way by then. */
  readonly say: (line: string) => void;
  /** Tells of one object that was left out, as a line or with `--json` as a document. */
  readonly warn: (uri: string, error: unknown) => void;
  /** Tells why one object failed, as `warn` does; with -v all that is known. */
  readonly fail: (uri: string, error: unknown) => void;
  /** Standard input; opened when it is asked for. */
  readonly input: () => AsyncIterable<Uint8Array>;
  readonly beforeDeath: (fn: () => void) => () => void;
}

/** How a command ended once it had begun. */
export interface Ending {
  /** False: some of it failed, and was said so; exit code 1. */
  readonly ok: boolean;
  /** What ended it early; null where nothing did. */
  readonly error: unknown;
  /** What is printed on standard error after a signal: a line for people, and a document for `--json`. */
  readonly record: {
    readonly line: string;
    readonly document: Record<string, unknown>;
    /** It is printed however the command ended. */
    readonly always?: boolean;
  };
}

export type Command = (session: Session) => Promise<Ending>;
