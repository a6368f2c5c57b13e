/**
 * Puts, streams and copies beside loads, over the real supervisor and workers: sizes, limits, faults and misfortunes, all
 * drawn. Nothing partial is ever there, and what is left behind is what was told.
 */
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import type { WriteLimits } from '../../dist/protocol/writes.js';
import type { Oracle } from '../../dist/runtime/simulation/oracle.js';
import { drawMachine, drawThreads, drawSizes, replaced } from './draw-world.kit.js';
import { PAGE, several } from './load.kit.js';
import { attemptsOf, drawLoad, lookAtLoads, watch } from './loads.scenario.js';
import { watchManners } from './manners.kit.js';
import { LOSSES, pardonOf, wasStopped } from './pardon.kit.js';
import { drawMisfortunes, lateStops } from './misfortunes.kit.js';
import type { Draw, Scenario } from './scenario.kit.js';
import { World } from './world.kit.js';
import { Writer, type Write, type WriteCall } from './writing.kit.js';

export const WRITES: Scenario = {
  name: 'writes',
  marks: [
    'a put was written',
    'a stream was written in parts',
    'a copy was written',
    'a write failed',
    'an upload was given up',
    'a load was completed',
    'a load was stopped with items left',
    'an item was retried',
    'an object came in parts',
    'an object was verified',
    'an object changed its size',
    'a port was full',
    'the budget was used up',
    'a worker was fenced',
    'a worker took the jobs of a dead one',
    'a stop was in time',
    'work waited for a cap',
    'work waited for the event loop',
  ],
  run,
};

/** Of a call that does not say how many. */
const ATTEMPTS = 5;
const LIMITS: WriteLimits = {
  multipartThreshold: PAGE,
  partBytes: PAGE,
  partAlignment: 256,
  maxPartBytes: 4 * PAGE,
  maxParts: 12,
  maxObjectBytes: 12 * 4 * PAGE,
  deletesPerRequest: 4,
};

interface DrawnCall {
  readonly call: WriteCall;
  readonly afterStep: number;
  /** Which of the world's tokens stops it. */
  readonly token: number | null;
}

async function run(draw: Draw): Promise<string[]> {
  const { oracle } = draw;
  const sizes = drawSizes(oracle);
  const calls = drawCalls(oracle, sizes);
  const world = drawWritable(draw, sizes);
  const wrong: string[] = [];
  watch(world, draw, wrong);
  const writer = new Writer(world);
  for (let i = oracle.between(0, 2, 'loads'); i > 0; i -= 1)
    world.load({ ...drawLoad(oracle, sizes), token: world.tokens[i]! });
  watchManners(world, draw, { maxAttempts: attemptsOf(world, ATTEMPTS), patient: false }, wrong);
  for (const { afterStep, call, token } of calls) {
    const options = token === null ? call.options : { ...call.options, token: world.tokens[token]! };
    const begin = (): void => void writer.write({ ...call, options });
    if (afterStep === 0) begin();
    else world.sim.atStep(afterStep, begin);
  }
  drawMisfortunes(draw, world, { ask: () => {} });
  await world.run(() => writer.over && world.loads.every((load) => load.over));
  const held = draw.struck(...LOSSES) > 0;
  wrong.push(...lookAtLoads(world, draw, held), ...lookAtWrites(writer, draw, held));
  draw.sites.end();
  for (const worker of world.sim.workers) worker.resume();
  await world.close();
  wrong.push(...writer.violations(), ...world.leftovers(), ...leftUploads(world, writer, draw));
  return wrong;
}

function drawWritable(draw: Draw, sizes: Record<string, number>): World {
  const { oracle, sites } = draw;
  // Every object fits, and so does a part; the least of these holds one of them at a time.
  const pages = Math.max(...Object.values(sizes).map((size) => Math.ceil(size / PAGE) + 1), 5);
  const { machine, admission } = drawMachine(draw);
  const world: World = new World({
    seed: draw.seed,
    maxSteps: draw.maxSteps,
    sites,
    // Loads do not read what calls write over.
    sizes: { ...sizes, old: oracle.between(1, 2 * PAGE, 'bytes') },
    transform: several,
    workers: oracle.between(1, 3, 'workers'),
    concurrency: oracle.between(1, 6, 'slots of a worker'),
    admission,
    arenaBytes: PAGE * Math.max(pages, oracle.of([64, 20, 8, 6, 5], 'pages')),
    writes: { ...LIMITS, multipartThreshold: oracle.of([2 * PAGE, PAGE], 'multipartThreshold') },
    origin: {
      drawn: draw,
      replacement: (key) => (sizes[key] === undefined ? null : replaced(world, draw, key)),
      checksums: oracle.chance(0.3, 'the service tells checksums'),
      copies: oracle.chance(0.4, 'the service copies'),
      partsInFlight: oracle.of([Infinity, 2, 1], 'parts at once'),
      maxPieces: oracle.between(1, 3, 'pieces'),
      slowCancel: oracle.chance(0.3, 'reads cannot be taken back'),
      latencyMs: oracle.of<readonly [number, number]>(
        // The longest: longer than a worker may be stuck, so that what it sends goes on behind its back.
        [
          [0, 0],
          [1, 20],
          [1, 400],
          [1, 6000],
        ],
        'latency',
      ),
    },
    simulation: drawThreads(draw, () => machine(world.sim.now, world.requests)),
  });
  draw.attach(world.sim);
  return world;
}

function drawCalls(oracle: Oracle, sizes: Record<string, number>): DrawnCall[] {
  const drawn: DrawnCall[] = [];
  const count = oracle.between(1, 5, 'writes');
  for (let i = 0; i < count; i += 1) {
    const how = oracle.of(['put', 'stream', 'copy'] as const, 'how it is written');
    const size = oracle.of(
      [
        oracle.between(2, 2 * PAGE, 'bytes'),
        0,
        1,
        PAGE,
        oracle.between(2 * PAGE, 9 * PAGE, 'bytes'),
        6 * PAGE,
      ],
      'size of a write',
    );
    // Now and then two write to one key, or to one that is there already.
    const again = i > 0 && oracle.chance(0.25, 'the same key');
    const key = again ? drawn[i - 1]!.call.key : oracle.of([`w${i}`, `w${i}`, `w${i}`, 'old'], 'key');
    const throwsAt = oracle.chance(0.1, 'its source breaks')
      ? oracle.between(0, size, 'where it breaks')
      : Infinity;
    drawn.push({
      afterStep: oracle.chance(0.3, 'later') ? oracle.between(0, 60, 'at which step') : 0,
      token: oracle.chance(0.5, 'a token') ? oracle.between(0, 2, 'which token') : null,
      call: {
        how,
        key,
        size,
        generation: i + 1,
        source: oracle.of(Object.keys(sizes), 'source'),
        chunks: {
          most: oracle.of([20_000, 3000, 100], 'longest chunk'),
          waitMs: oracle.of([0, 7], 'wait between chunks'),
          throwsAt,
        },
        options: {
          partBytes: oracle.of([PAGE, 2 * PAGE, 3 * 256], 'partBytes'),
          maxPartsInFlight: oracle.between(1, 5, 'maxPartsInFlight'),
          ifAbsent: oracle.chance(0.2, 'ifAbsent'),
        },
      },
    });
  }
  return drawn;
}

/** What begins an upload may be waited for, and then the upload is aborted. */
const CLEANUP_MS = 10_000;

function lookAtWrites(writer: Writer, draw: Draw, held: boolean): string[] {
  const wrong = lateStops(
    writer.world,
    draw,
    writer.writes.map(({ call, beganAtMs, overAtMs }) => {
      const token = call.options.token ?? null;
      // Whether it is one request, and begins no upload that would have to be aborted.
      const { options: given } = writer.world;
      const single =
        call.how === 'put' && call.size < given.writes!.multipartThreshold && !writer.begun.has(call.key);
      return { what: call.how, token, beganAtMs, overAtMs, slackMs: single ? 0 : CLEANUP_MS };
    }),
  );
  for (const write of writer.writes) {
    const { call, failure } = write;
    const stopped = wasStopped(writer.world, call.options.token ?? null);
    const pardon = pardonOf(draw, writer.world, { memoryIsHeld: held, stopped, maxAttempts: ATTEMPTS });
    if (failure !== null && !excused(write, writer, draw, pardon))
      wrong.push(`${call.how} ${call.key} failed: ${(failure as Error).message}`);
    draw.sometimes('a write failed', failure !== null);
    if (failure !== null) continue;
    draw.sometimes('a put was written', call.how === 'put');
    draw.sometimes('a copy was written', call.how === 'copy');
    draw.sometimes('a stream was written in parts', call.how === 'stream' && call.size > 4 * PAGE);
  }
  draw.sometimes(
    'an upload was given up',
    writer.world.origin.writes.some(({ kind, outcome }) => kind === 'abort' && outcome === 'complete'),
  );
  return wrong;
}

/** Whether a write may have failed with this. */
function excused(
  { call, failure }: Write,
  writer: Writer,
  draw: Draw,
  pardon: (error: unknown) => boolean,
): boolean {
  const { code, cause, message } = failure as MillraceError;
  const { options, how, key } = call;
  if (code === ErrorCode.Internal || code === ErrorCode.Released) return false;
  if (how === 'stream' && call.chunks!.throwsAt < call.size && /broke/.test(String(cause))) return true;
  // Too long for parts of the length that was given.
  if (how === 'stream' && code === ErrorCode.InvalidArgument) return call.size > 12 * options.partBytes!;
  const contended = writer.writes.filter((other) => other.call.key === key).length > 1;
  // Nobody else has made it: who takes a lock has to be told that it may be its own.
  if (code === ErrorCode.AlreadyExists)
    return options.ifAbsent === true && (contended || key === 'old' || /an earlier attempt/.test(message));
  if (pardon(failure)) return true;
  // An answer that is lost to a dead worker, or was never heard, is not known to be our own.
  const uncertain =
    draw.struck(...LOSSES, 'write.') > 0 ||
    (replacedWorker(writer.world) && /an earlier attempt/.test(message));
  return uncertain && UNCERTAIN.has(code) && (contended || options.ifAbsent === true);
}

/** What is told when the one before may have gone through. */
const UNCERTAIN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([ErrorCode.VersionChanged, ErrorCode.NotFound]);

/** Whether a worker was given up for another one; a service that is slow enough does that without any fault. */
function replacedWorker({ sim }: World): boolean {
  return sim.workers.some(({ name }) => !name.endsWith('#0'));
}

/** What a service does to an abort, or to a read whose slot the abort waits for. */
const NO_ANSWER = [
  'store.503',
  'store.429',
  'store.storm',
  'store.token-expired',
  'store.clock-skew',
  'store.stall',
  'store.slow',
  'store.drip',
];

/** Uploads that are there at the end although nothing kept anybody from ending them. */
function leftUploads(world: World, writer: Writer, draw: Draw): string[] {
  // A runtime that is cancelled, or whose workers are gone, cannot put in order what it has left.
  if (draw.struck(...LOSSES, 'port.delay', 'port.credit-late', 'runtime.') > 0) return [];
  // Nor does a lost answer tell of an upload, nor is an abort tried for ever, or for as long as a service says nothing.
  if (draw.struck('write.', 'reply.', ...NO_ANSWER) > 0 || world.options.origin!.latencyMs![1] > 5000)
    return [];
  return [...writer.unfinished(), ...writer.unheard()].map(
    (id) => `upload ${id} of ${world.origin.uploads.get(id)!.key} is left`,
  );
}
