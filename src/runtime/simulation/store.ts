/**
 * A store of the simulation: one worker's way to a simulated service.
 *
 * Invariant: a question resolves exactly once, at the latest with its stop; that of a dead thread never does.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { createKeyPageBuilder } from '../../protocol/key-page.js';
import type { StopSignal } from '../../protocol/stop.js';
import {
  Outcome,
  type Answer,
  type KeyPage,
  type ListRequest,
  type ObjectInfo,
  type Store,
  type StoreSnapshot,
} from '../../protocol/store.js';
import { drawPage } from './drawn-faults.js';
import { answerOfCallFault, spoiled } from './faults.js';
import { CHECKSUM, checksumOf } from './objects.js';
import type { SimOrigin, SimQuestion } from './origin.js';
import { Reading } from './reading.js';
import type { SimWorld } from './worker.js';
import { Writing } from './writing.js';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `snapshot` is the first one, as in `StoreSpec`. */
export function createSimStore(world: SimWorld, origin: SimOrigin, snapshot: StoreSnapshot): Store {
  let snapshotVersion = snapshot.version;
  let closed = false;
  origin.open += 1;
  return {
    read: (request, target, stop, done) => {
      if (closed) throw new MillraceError(ErrorCode.Internal, 'a read of a closed simulated store');
      // A copy, because the caller's is used again, and a dead thread's devices go on.
      const own = { ...request };
      new Reading(world, origin, { request: own, target, stop, snapshotVersion, done }).begin();
    },
    head: (key, stop) => {
      const name = decoder.decode(key);
      const answer = (): Answer<ObjectInfo> => {
        const fault = origin.takeCallFault('head', name);
        const refused = fault === null ? null : answerOfCallFault(fault, name);
        return refused ?? { ...NONE, outcome: Outcome.Complete, value: infoOf(origin, name) };
      };
      return ask(world, origin, name, stop, answer);
    },
    list: (request, stop) => {
      const answer = (): Answer<KeyPage> => ({
        ...NONE,
        outcome: Outcome.Complete,
        value: drawPage(origin, request, (wanted) => pageOf(origin, wanted)),
      });
      return ask(world, origin, null, stop, answer);
    },
    write: (request, stop) =>
      new Promise((resolve) => {
        if (closed) throw new MillraceError(ErrorCode.Internal, 'a write to a closed simulated store');
        new Writing(world, origin, { request, stop, snapshotVersion, done: resolve }).begin();
      }),
    update: (newer) => {
      snapshotVersion = newer.version;
    },
    close: () => {
      if (!closed) origin.open -= 1;
      closed = true;
    },
  };
}

const NONE = { value: null, error: null, retryAfterMs: 0 };

/** One answer to what changes nothing, a head or a listing; what `make` throws is a refusal. */
function ask<T>(
  world: SimWorld,
  origin: SimOrigin,
  key: string | null,
  stop: StopSignal,
  make: () => Answer<T>,
): Promise<Answer<T>> {
  const label = key === null ? 'list' : `head ${key}`;
  const record: SimQuestion = { worker: world.name, key, stateAtStart: stop.state, outcome: null };
  origin.questions.push(record);
  return new Promise((resolve) => {
    let over = false;
    let unlink: (() => void) | null = null;
    const end = (answer: Answer<T>): void => {
      if (over) return;
      over = true;
      record.outcome = answer.outcome;
      cancel();
      unlink?.();
      resolve(answer);
    };
    const [least, most] = origin.latencyMs;
    const delayMs = world.between(least, most, label);
    const cancel = world.device(`${label} asks`, delayMs, () =>
      world.complete(label, () => {
        const storm = origin.stormAt(world.now());
        if (storm !== null) {
          const answer = spoiled(Outcome.Throttled, label, ErrorCode.Throttled);
          return end({ ...answer, retryAfterMs: storm.retryAfterMs ?? 0 });
        }
        try {
          end(make());
        } catch (thrown) {
          if (!(thrown instanceof MillraceError)) throw thrown;
          end({ ...NONE, outcome: Outcome.Refused, error: thrown });
        }
      }),
    );
    unlink = stop.onStop(() => end({ ...NONE, outcome: Outcome.Cancelled }));
    if (over) unlink();
  });
}

function infoOf(origin: SimOrigin, name: string): ObjectInfo {
  const object = origin.objects.get(name);
  if (object === undefined)
    throw new MillraceError(ErrorCode.NotFound, `sim://${name} does not exist`, { uri: `sim://${name}` });
  const { size, version } = object;
  const info = { size, version, lastModifiedMs: null, contentType: null };
  return origin.checksums
    ? { ...info, checksums: [{ algorithm: CHECKSUM, value: checksumOf(object) }] }
    : info;
}

/** Keys in the order of their text; `next` is the last key or rolled-up prefix of the page. */
function pageOf(origin: SimOrigin, request: ListRequest): KeyPage {
  const prefix = decoder.decode(request.prefix);
  const { delimiter, continuation } = request;
  const limit = Math.min(request.limit, origin.pageKeys);
  origin.pages += 1;
  const page = createKeyPageBuilder();
  const prefixes: string[] = [];
  let latest = continuation ?? '';
  for (const key of [...origin.objects.keys()].sort()) {
    const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    const entry = end < 0 || delimiter === null ? key : key.slice(0, end + delimiter.length);
    if (!key.startsWith(prefix) || entry <= latest) continue;
    if (page.count + prefixes.length === limit) return page.finish(prefixes, latest);
    latest = entry;
    if (end >= 0) {
      prefixes.push(entry);
      continue;
    }
    const { size, version } = origin.objects.get(key)!;
    page.add(encoder.encode(key), size, version, null);
  }
  return page.finish(prefixes, null);
}
