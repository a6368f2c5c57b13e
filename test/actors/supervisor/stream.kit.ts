/** One stream by itself, and the hands that bring its plan and its results. */
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { Stream, type StreamDeps } from '../../../dist/actors/supervisor/stream.js';
import {
  type BatchRecord,
  type PlanEntry,
  type StreamOptions,
  type Task,
  type TaskOutput,
} from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { handClock } from '../../protocol/hand-clock.js';
import { entryOf, pages, settle, uriOf, WHOLE } from './kit.js';

export const TRANSFORM = { url: 'file:///t.js', options: null };
export const SINK = {
  store: 1,
  prefix: new Uint8Array(0),
  strip: 0,
  upload: null,
  ifAbsent: false,
  ifVersion: null,
  contentType: null,
};
const OPTIONS: StreamOptions = {
  order: 'sequence',
  batchSize: 2,
  batchBytes: pages(100),
  dropLast: false,
  windowObjects: 100,
  windowBytes: Infinity,
  maxConcurrentObjects: 100,
  ranges: null,
  onError: 'skip',
  transform: null,
  verify: 'never',
  maxAttempts: 5,
  throttleTimeoutMs: 0,
};

type Pull = readonly PlanEntry[] | null | MillraceError;

interface Given {
  readonly token?: CancellationToken;
  readonly deps?: Partial<StreamDeps>;
}

/** A stream, whatever it told its supervisor, and the hands that bring its plan and its results. */
export function open(
  pulls: readonly Pull[],
  options: Partial<StreamOptions> = {},
  { token = new CancellationToken({ clock: handClock() }), deps = {} }: Given = {},
) {
  const arena = new Arena(pages(64));
  const left = [...pulls];
  const limits: number[] = [];
  const told = { pokes: 0, closed: 0 };
  let nowMs = 100;
  const source = {
    next: (limit: number) => {
      limits.push(limit);
      const answer = left.shift() ?? null;
      return answer instanceof MillraceError ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const stream = new Stream({ ...OPTIONS, ...options }, source, {
    id: 7,
    slot: 70,
    epoch: 700,
    arena,
    token,
    uri: uriOf,
    now: () => nowMs,
    stopError: () => token.error(),
    onGivenUp: () => {},
    poke: () => void (told.pokes += 1),
    closed: () => void (told.closed += 1),
    list: () => Promise.reject(new Error('no lists here')),
    head: () => Promise.reject(new Error('no heads here')),
    write: () => Promise.reject(new Error('no writes here')),
    verifiable: () => false,
    ...deps,
  });
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: uriOf });
  return {
    arena,
    stream,
    token,
    told,
    limits,
    pass: (ms: number): void => void (nowMs += ms),
    used: (): number => arena.stats().usedBytes,
    /** Asks the plan once, and grants what came. */
    pull: async (): Promise<Task[]> => {
      stream.pull(100);
      await turn();
      while (grants.grantNext(stream));
      return [...stream.granted];
    },
  };
}

/** Lets every promise go on that can. */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
export const some = (count: number, more: Partial<PlanEntry> = {}) =>
  Array.from({ length: count }, (_, i) => entryOf(i, more));
/** Larger than what shares an extent: each has its own. */
export const alone = (count: number) => Array.from({ length: count }, (_, i) => entryOf(i, { size: -1 }));
export const sequences = (batch: BatchRecord | null) =>
  batch?.items.map(({ sequence, index }) => (index === 0 ? sequence : `${sequence}.${index}`)) ?? null;
export const values = (count: number): TaskOutput[] =>
  Array.from({ length: count }, (_, value) => ({ kind: 'value', value }));
export const GONE = new MillraceError(ErrorCode.NotFound, 'gone');

/** All bytes of a task that had no size are there. */
export function land(stream: Stream, task: Task, bytes = 100): void {
  task.length = bytes;
  settle(stream, task);
}

export function fail(stream: Stream, task: Task): void {
  task.error = GONE;
  settle(stream, task);
}
