/** Those of the programs that are not on the PATH. */
export function missingPrograms(programs: string[]): string[];
/** `attempt` with free ports of 127.0.0.1, again with others when somebody took one in between. */
export function onFreePorts<T>(
  count: number,
  attempt: (ports: number[]) => Promise<T>,
  wanted?: number[],
): Promise<T>;
/** Whether the URL answers well; null when not yet, for `Daemons.ready`. */
export function answers(url: string): Promise<true | null>;

export interface Daemon {
  readonly pid: number;
  /** The end of what it has printed. */
  output(): string;
}
/** One server's scratch directory and processes; the directory is theirs for temporary files and HOME too. */
export class Daemons {
  constructor(label: string, env?: (directory: string) => Record<string, string | undefined>);
  readonly directory: string;
  run(program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }>;
  /** `signal` (SIGKILL) ends it at the stop. */
  start(
    program: string,
    args: string[],
    options?: { signal?: NodeJS.Signals; stdin?: 'ignore' | 'pipe'; name?: string },
  ): Daemon;
  /** A Node script, which ends when this process has ended, whichever way. */
  startNode(script: string, ...args: string[]): Daemon;
  /** What `look` finds once `prepare` has ended. Stops everything and rejects when a daemon ends or 60 s have passed. */
  ready<T>(look: () => Promise<T | null> | T | null, what: string, prepare?: () => Promise<void>): Promise<T>;
  stop(): Promise<void>;
}
