/**
 * While a simulation runs, the process has no clock, no timer, no dice and no network of its own: whoever asks for one of
 * them, past its context, would make two runs of one tape differ, and is told so.
 *
 * What is banned is what the globals have. What was taken from them before (`const { now } = Date`), or is imported from
 * `node:timers`, `node:crypto`, `node:perf_hooks` and the like, is out of reach of this.
 *
 * Invariant: what was replaced is put back when the last run that asked for it is over.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

type Host = Record<string, unknown>;
type Make = (name: string, before: unknown) => unknown;

const BANNED: readonly (readonly [host: () => unknown, names: readonly string[], make?: Make])[] = [
  [() => globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'fetch']],
  [() => Date, ['now']],
  [() => globalThis, ['Date'], withoutNow],
  [() => Math, ['random']],
  [() => performance, ['now']],
  [() => process, ['uptime']],
  [() => process.hrtime, ['bigint']],
  // What stands for it is asked for its `bigint` too.
  [() => process, ['hrtime'], (name, before) => Object.assign(refusing(name), { bigint: bigintOf(before) })],
  [() => crypto, ['randomUUID', 'getRandomValues']],
  [() => AbortSignal, ['timeout']],
];

let runs = 0;
let restore: (() => void)[] = [];

/** Bans them until the function that it returns is called. */
export function banGlobals(): () => void {
  runs += 1;
  if (runs === 1)
    restore = BANNED.flatMap(([host, names, make]) => names.map((name) => ban(host() as Host, name, make)));
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

function ban(host: Host, name: string, make: Make = refusing): () => void {
  const before = Object.getOwnPropertyDescriptor(host, name);
  Object.defineProperty(host, name, { value: make(name, host[name]), configurable: true, writable: true });
  return () => {
    if (before === undefined) delete host[name];
    else Object.defineProperty(host, name, before);
  };
}

function refusing(name: string): () => never {
  return () => refuse(name);
}

function refuse(name: string): never {
  throw new MillraceError(
    ErrorCode.Internal,
    `${name}() was called in a simulation: take time, timers and dice from the context instead`,
  );
}

function bigintOf(hrtime: unknown): unknown {
  return (hrtime as { readonly bigint: unknown }).bigint;
}

/** A class of dates like that before, of times that are given. A call without `new` tells the time, whatever it is given. */
function withoutNow(name: string, before: unknown): unknown {
  return new Proxy(before as DateConstructor, {
    apply: () => refuse(name),
    construct: (target, given: unknown[], newTarget) =>
      given.length === 0 ? refuse(`new ${name}`) : (Reflect.construct(target, given, newTarget) as object),
  });
}
