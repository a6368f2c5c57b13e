/**
 * `copyPrefix`: all objects below one URI to below another, many at the same time.
 *
 * Invariants:
 * 1. Small objects go through the workers in packed messages; each large one is an upload of its own, and a bounded
 *    number of both is under way.
 * 2. One object that cannot be copied is a row of its own, and does not keep the rest.
 * 3. Begun again, it goes on: with `skipEqual`, what was copied already is not copied again.
 */
import type { SupervisorHandle } from '../../actors/supervisor/types.js';
import type { MillraceError } from '../../protocol/errors.js';
import { beginsWith } from '../../protocol/keys.js';
import type { ObjectLocation } from '../../protocol/store.js';
import { locate } from '../references.js';
import { checkNames, flag, invalidOption, whole } from '../schema.js';
import { linkStop, type StopOptions } from '../stop-options.js';
import { type CopyPlan, CopyRun } from './copy-run.js';
import { readTerms } from './options.js';

export interface CopyPrefixOptions extends StopOptions {
  /** Tells what would be copied, and copies nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /**
   * Leaves out what the target has with the same size and a time that is not earlier, or, inside one service, the same
   * version. Both listings have to be in the order of their keys. @default false
   */
  readonly skipEqual?: boolean | undefined;
  /** Leaves out what the target has already, whatever it is. @default false */
  readonly skipExisting?: boolean | undefined;
  /** Objects that are copied at the same time, at most 1000. @default 64 */
  readonly maxConcurrentObjects?: number | undefined;
  /** @default 5 */
  readonly maxAttempts?: number | undefined;
}

/** What became of one object. */
export interface CopiedRow {
  readonly from: string;
  readonly to: string;
  /** Bytes, or -1 where the listing does not say. */
  readonly size: number;
  readonly action: 'copied' | 'would-copy' | 'equal' | 'exists' | 'failed';
  /** Why not, for one that failed. */
  readonly error: MillraceError | null;
}

const NAMES = [
  'token',
  'signal',
  'dryRun',
  'skipEqual',
  'skipExisting',
  'maxConcurrentObjects',
  'maxAttempts',
];

/**
 * Copies every object whose URI begins with `from`; the rest of its key is put behind `to`. Rows come in the order in which
 * they are done; the walk goes on only as they are asked for. What goes through memory gets the service's own media type:
 * listings do not tell it. From a place to one above it, an object whose copy would come to lie below `from` fails: it could
 * replace one that is still to be copied.
 * @throws MillraceError InvalidArgument at the call; failures of a listing, Cancelled and others while iterating
 */
export function copyPrefix(
  supervisor: SupervisorHandle,
  from: string,
  to: string,
  options: CopyPrefixOptions = {},
): AsyncIterableIterator<CopiedRow> {
  checkNames(NAMES, options, 'copyPrefix');
  const { dryRun = false, skipEqual = false, skipExisting = false, maxConcurrentObjects = 64 } = options;
  for (const [name, uri] of Object.entries({ from, to })) {
    if (typeof uri !== 'string') throw invalidOption(name, 'a URI such as "s3://bucket/2026/"', uri);
  }
  const source = locate(supervisor.stores, from, () => 'from');
  const target = locate(supervisor.stores, to, () => 'to');
  if (isBelow(target, source)) {
    throw invalidOption(
      'to',
      `a URI that does not begin with ${from}: copies would be copied again, without end`,
      to,
    );
  }
  const terms = readTerms({ maxAttempts: options.maxAttempts }, ['maxAttempts'], 'copyPrefix');
  return rows(
    supervisor,
    {
      from: source,
      to: target,
      isUp: isBelow(source, target),
      dryRun: flag(dryRun, 'dryRun'),
      skipEqual: flag(skipEqual, 'skipEqual'),
      skipExisting: flag(skipExisting, 'skipExisting'),
      lanes: whole(1, 1000)(maxConcurrentObjects, 'maxConcurrentObjects'),
      terms,
    },
    { token: options.token, signal: options.signal },
  );
}

/** Whether what is written there would be listed here. */
function isBelow(there: ObjectLocation, here: ObjectLocation): boolean {
  return placeOf(there) === placeOf(here) && beginsWith(there.key, here.key);
}

/** `direct:` is another way to read the files of `file:`. */
function placeOf({ store }: ObjectLocation): string {
  return store.replace(/^direct:/, 'file:');
}

async function* rows(
  supervisor: SupervisorHandle,
  plan: CopyPlan,
  stop: StopOptions,
): AsyncGenerator<CopiedRow, void, undefined> {
  const linked = linkStop(stop);
  try {
    const run = new CopyRun(supervisor, plan, linked.token ?? supervisor.token);
    try {
      await run.open();
      for (let row = await run.next(); row !== null; row = await run.next()) yield row;
    } finally {
      await run.close();
    }
  } finally {
    linked.dispose();
  }
}
