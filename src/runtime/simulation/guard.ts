/**
 * While a simulation runs, the process has no clock, no timer, no dice and no network of its own: whoever asks for one of
 * them, past its context, would make two runs of one tape differ, and is told so.
 *
 * Invariant: what was replaced is put back when the last run that asked for it is over.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

type Host = Record<string, unknown>;

const BANNED: readonly (readonly [host: () => Host, names: readonly string[]])[] = [
  [() => globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'fetch']],
  [() => Date as unknown as Host, ['now']],
  [() => Math as unknown as Host, ['random']],
  [() => performance as unknown as Host, ['now']],
];

let runs = 0;
let restore: (() => void)[] = [];

/** Bans them until the function that it returns is called. */
export function banGlobals(): () => void {
  runs += 1;
  if (runs === 1) restore = BANNED.flatMap(([host, names]) => names.map((name) => ban(host(), name)));
  let over = false;
  return () => {
    if (over) return;
    over = true;
    runs -= 1;
    if (runs > 0) return;
    for (const putBack of restore) putBack();
    restore = [];
  };
}

function ban(host: Host, name: string): () => void {
  const before = Object.getOwnPropertyDescriptor(host, name);
  const value = (): never => {
    throw new MillraceError(
      ErrorCode.Internal,
      `${name}() was called in a simulation: take time, timers and dice from the context instead`,
    );
  };
  Object.defineProperty(host, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) delete host[name];
    else Object.defineProperty(host, name, before);
  };
}
