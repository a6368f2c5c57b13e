/** A world that writes, its loads beside it, and its misfortunes, all drawn from one seed. */
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import type { WriteLimits } from '../../dist/protocol/writes.js';
import type { SimCallFault, SimCallFaultKind } from '../../dist/runtime/simulation/faults.js';
import type { SimFault } from '../../dist/runtime/simulation/origin.js';
import { storeSpec } from './kit.js';
import { PAGE, SEVERAL, several } from './load.kit.js';
import { Dice, drawFaults, drawLoad, drawSizes, hang } from './random.kit.js';
import { World } from './world.kit.js';
import { Writer, type Write, type WriteCall } from './writing.kit.js';

const LIMITS: WriteLimits = {
  multipartThreshold: PAGE,
  partBytes: PAGE,
  partAlignment: 256,
  maxPartBytes: 4 * PAGE,
  maxParts: 12,
  maxObjectBytes: 12 * 4 * PAGE,
  deletesPerRequest: 4,
};

export interface RandomWrites {
  readonly world: World;
  readonly writer: Writer;
  /** Nothing was drawn that may keep a load or a write from its end. */
  readonly calm: boolean;
  /** Workers that die or hang. */
  readonly deaths: number;
  /** A worker may hang, or an answer never come: who waits for it may have to be given up. */
  readonly silent: boolean;
  readonly stopped: boolean;
  /** Keys whose abort may be refused. */
  readonly spoiledAborts: ReadonlySet<string>;
}

export function createRandomWrites(seed: number): RandomWrites {
  const dice = new Dice(seed, 'world that writes');
  const sizes = drawSizes(dice);
  const calls = drawCalls(dice, sizes);
  const faults = dice.chance(0.5) ? drawFaults(dice, sizes) : [];
  const corrupt = drawCorruption(dice, sizes, calls);
  const callFaults = dice.chance(0.6) ? drawCallFaults(dice, calls, sizes) : [];
  // Every object fits, and so does a part; the least of these holds one of them at a time.
  const pages = Math.max(...Object.values(sizes).map((size) => Math.ceil(size / PAGE) + 1), 5);
  const world = new World({
    seed,
    // Loads do not read what calls write over.
    sizes: { ...sizes, old: dice.between(1, 2 * PAGE) },
    transform: several,
    workers: dice.between(1, 3),
    concurrency: dice.between(1, 3),
    arenaBytes: PAGE * Math.max(pages, dice.of([5, 5, 6, 8, 20, 64])),
    writes: { ...LIMITS, multipartThreshold: dice.of([PAGE, 2 * PAGE]) },
    origin: {
      faults: [...faults, ...corrupt],
      callFaults,
      checksums: corrupt.length > 0 || dice.chance(0.3),
      copies: dice.chance(0.4),
      partsInFlight: dice.of([1, 2, Infinity, Infinity]),
      maxPieces: dice.between(1, 3),
      slowCancel: dice.chance(0.3),
      latencyMs: dice.of([
        [1, 20],
        [0, 0],
        [1, 400],
      ]),
    },
    simulation: {
      jobsCapacity: dice.between(1, 4),
      resultsCapacity: dice.between(1, 4),
      startMs: dice.of([0, 20, 300]),
      exitMs: dice.of([0, 100, 2000]),
      refreshStore: (_id, stale) => storeSpec(stale + 1),
    },
  });
  const writer = new Writer(world);
  for (let i = dice.between(0, 2); i > 0; i -= 1) {
    const load = { ...drawLoad(dice, sizes), token: world.tokens[i]! };
    const verify = corrupt.length > 0 ? ('always' as const) : dice.of(['never', 'auto', 'always'] as const);
    // A transform is given what was verified, in so far as it was.
    world.load({ ...load, verify, transform: dice.chance(0.2) ? SEVERAL : null });
  }
  for (const { afterStep, call, token } of calls) {
    const options = token === null ? call.options : { ...call.options, token: world.tokens[token]! };
    const begin = (): void => void writer.write({ ...call, options });
    if (afterStep === 0) begin();
    else world.sim.atStep(afterStep, begin);
  }
  const drawn = misfortunes(dice, world);
  const patient = faults.length + corrupt.length + callFaults.length === 0;
  const silent = drawn.hung || callFaults.some(({ kind }) => kind === 'silence');
  return {
    world,
    writer,
    calm: patient && !drawn.stopped && drawn.deaths < 3 && !silent,
    deaths: drawn.deaths,
    silent,
    stopped: drawn.stopped,
    spoiledAborts: new Set(callFaults.filter(({ on }) => on === 'abort').map(({ key }) => key!)),
  };
}

interface DrawnCall {
  readonly call: WriteCall;
  readonly afterStep: number;
  /** Which of the world's tokens stops it. */
  readonly token: number | null;
}

function drawCalls(dice: Dice, sizes: Record<string, number>): DrawnCall[] {
  const drawn: DrawnCall[] = [];
  const count = dice.between(1, 5);
  for (let i = 0; i < count; i += 1) {
    const how = dice.of(['put', 'put', 'stream', 'copy'] as const);
    const size = dice.of([0, 1, PAGE, dice.between(2, 2 * PAGE), dice.between(2 * PAGE, 9 * PAGE), 6 * PAGE]);
    // Now and then two write to one key, or to one that is there already.
    const key =
      dice.chance(0.25) && i > 0 ? drawn[i - 1]!.call.key : dice.of([`w${i}`, `w${i}`, `w${i}`, 'old']);
    const throwsAt = dice.chance(0.1) ? dice.between(0, size) : Infinity;
    drawn.push({
      afterStep: dice.chance(0.7) ? 0 : dice.between(0, 60),
      token: dice.chance(0.5) ? dice.between(0, 2) : null,
      call: {
        how,
        key,
        size,
        generation: i + 1,
        source: dice.of(Object.keys(sizes)),
        chunks: { most: dice.of([100, 3000, 20_000]), waitMs: dice.of([0, 0, 7]), throwsAt },
        options: {
          partBytes: dice.of([PAGE, PAGE, 3 * 256, 2 * PAGE]),
          maxPartsInFlight: dice.between(1, 5),
          ifAbsent: dice.chance(0.2),
        },
      },
    });
  }
  return drawn;
}

function drawCorruption(dice: Dice, sizes: Record<string, number>, calls: readonly DrawnCall[]): SimFault[] {
  const faults: SimFault[] = [];
  // A copy through memory in parts has nothing to look at: no part has a checksum of its own.
  const unseen = new Set(calls.flatMap(({ call }) => (call.how === 'copy' ? [call.source!] : [])));
  const keys = Object.keys(sizes).filter((key) => !unseen.has(key) || sizes[key]! <= PAGE);
  if (keys.length === 0 || !dice.chance(0.3)) return faults;
  do {
    faults.push({
      kind: 'corrupt',
      key: dice.of(keys),
      atByte: dice.between(0, 5000),
      times: dice.between(1, 4),
      fromByte: dice.of([0, 0, PAGE]),
    });
  } while (dice.chance(0.5));
  return faults;
}

const WRITES = [
  'put',
  'put',
  'begin',
  'part',
  'part',
  'part',
  'complete',
  'complete',
  'abort',
  'copy',
] as const;

function drawCallFaults(
  dice: Dice,
  calls: readonly DrawnCall[],
  sizes: Record<string, number>,
): SimCallFault[] {
  const faults: SimCallFault[] = [];
  do {
    const on = dice.chance(0.1) ? ('head' as const) : dice.of(WRITES);
    const key = on === 'head' ? dice.of(Object.keys(sizes)) : dice.of(calls).call.key;
    faults.push({
      on,
      key,
      times: dice.of([1, 1, 1, 2, 3]),
      ...dice.of<SimCallFaultKind>([
        { kind: 'lost', outcome: 'transient', applied: true },
        { kind: 'lost', outcome: 'transient', applied: false },
        { kind: 'lost', outcome: 'stale-connection', applied: dice.chance(0.5) },
        {
          kind: 'lost',
          outcome: 'throttled',
          applied: dice.chance(0.2),
          retryAfterMs: dice.of([0, 100, 3000]),
        },
        { kind: 'stale-credentials' },
        { kind: 'clock-skew' },
        { kind: 'refuse', error: new MillraceError(ErrorCode.AccessDenied, 'drawn') },
      ]),
    });
  } while (dice.chance(0.6));
  return faults;
}

function misfortunes(
  dice: Dice,
  world: World,
): { readonly stopped: boolean; readonly hung: boolean; readonly deaths: number } {
  let stopped = false;
  let hung = false;
  let deaths = 0;
  for (let i = dice.between(0, 4); i > 0; i -= 1) {
    const step = dice.between(0, 150);
    const awaits = dice.chance(0.4) ? dice.between(0, 5) : -1;
    const index = dice.between(0, world.supervisor.workers - 1);
    const [what, act] = dice.of<readonly ['dies' | 'hangs' | 'ends', () => void]>([
      ['dies', () => world.crash(index)],
      ['dies', () => world.crash(index)],
      ['dies', () => world.crash(index)],
      ['hangs', () => hang(world, index, dice)],
      ['ends', () => dice.of(world.tokens).cancel('drawn')],
      ['ends', () => dice.of(world.tokens).drain('drawn', { deadlineMs: dice.of([0, 30, 5000]) })],
      ['ends', () => world.token.drain('drawn', { deadlineMs: dice.of([30, 5000]) })],
      ['ends', () => world.token.cancel('drawn')],
      ['ends', () => void world.supervisor.close('drawn', dice.of([0, 10, 5000]))],
    ]);
    stopped ||= what === 'ends';
    hung ||= what === 'hangs';
    // One that hangs is lost to its jobs as well.
    deaths += what === 'ends' ? 0 : 1;
    if (awaits < 0) world.sim.atStep(step, act);
    else world.sim.atAwait(step, awaits, act);
  }
  return { stopped, hung, deaths };
}

/** Whether a write may have failed with this. */
export function excusedWrite({ call, failure }: Write, drawn: RandomWrites): boolean {
  const { code, cause } = failure as MillraceError;
  if (code === ErrorCode.Internal || code === ErrorCode.Released || code === ErrorCode.WorkerCrashed)
    return drawn.deaths >= 3 && code === ErrorCode.WorkerCrashed;
  if (call.how === 'stream' && call.chunks!.throwsAt < call.size && /broke/.test(String(cause))) return true;
  // Too long for parts of the length that was given.
  if (call.how === 'stream' && code === ErrorCode.InvalidArgument)
    return call.size > 12 * call.options.partBytes!;
  const { writes } = drawn.writer;
  const contended = writes.filter((other) => other.call.key === call.key).length > 1 || call.key === 'old';
  if (code === ErrorCode.AlreadyExists)
    return call.options.ifAbsent === true && (contended || drawn.deaths > 0 || !drawn.calm);
  return (
    !drawn.calm || (contended && drawn.deaths > 0) || (call.options.ifAbsent === true && drawn.deaths > 0)
  );
}
