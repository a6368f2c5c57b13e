/** What a server of the kit leaves on the machine: processes of ours, and the scratch directory that each was given. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface Trace {
  readonly pid: number;
  /** Its place of temporary files, which is the scratch directory. */
  readonly directory: string;
}

/** The processes that `parent` started and that have not ended. */
export function children(parent = process.pid): Trace[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // After the name in brackets, which may hold spaces: state, parent.
        const [state, ppid] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
        if (Number(ppid) !== parent || state === 'Z') return [];
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
        return [{ pid: Number(name), directory: /(?:^|\0)TMPDIR=([^\0]*)/.exec(environment)?.[1] ?? '' }];
      } catch {
        return []; // It ended between the two calls.
      }
    });
}

/** The processes that `start` added, with what it gave. */
export async function started<T>(start: () => Promise<T>): Promise<{ server: T; traces: Trace[] }> {
  const before = new Set(children().map(({ pid }) => pid));
  const server = await start();
  return { server, traces: children().filter(({ pid }) => !before.has(pid)) };
}

/** What there still is of them. */
export function remains(traces: readonly Trace[]): Trace[] {
  return traces.filter(({ pid, directory }) => existsSync(`/proc/${pid}`) || existsSync(directory));
}
