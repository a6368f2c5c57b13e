/** A Node script as a child process; a wait that runs out of time kills the child and rejects with all it printed. */
export interface RunOptions {
  args?: string[];
  execArgv?: string[];
  /** The Node to run. Default: this one. */
  node?: string;
  cwd?: string;
  /** Beside this process's own environment; undefined takes a name away. */
  env?: Record<string, string | undefined>;
  /** Bound of each wait. Default 30 s. */
  timeoutMs?: number;
}
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}
export interface Running {
  readonly pid: number;
  /** All that was printed so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** The first whole line that matches, printed before or after the call. Rejects when the child ends without one. */
  waitForLine(
    pattern: RegExp,
    options?: { stream?: 'stdout' | 'stderr'; timeoutMs?: number },
  ): Promise<RegExpExecArray>;
  /** Resolves at the end of process and output. */
  exit(timeoutMs?: number): Promise<Exit>;
  signal(signal: NodeJS.Signals): boolean;
  send(text: string): void;
  endInput(): void;
  /** SIGKILL, if it still runs. */
  kill(): Promise<Exit>;
}
export function runNode(script: string, options?: RunOptions): Running;
