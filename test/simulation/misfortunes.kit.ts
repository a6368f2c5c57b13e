/** What befalls tasks, threads, ports and the machine in the middle of a run: drawn, counted by name, and answered for. */
import type { CancellationToken } from '../../dist/protocol/token.js';
import type { FaultName } from '../../dist/runtime/simulation/sites.js';
import { SLOW_START_MS } from '../../dist/runtime/simulation/worker.js';
import type { Load } from './load.kit.js';
import { LOSSES } from './pardon.kit.js';
import type { Draw } from './scenario.kit.js';
import type { World } from './world.kit.js';

export interface Deeds {
  /** Asks something beside the loads. */
  readonly ask: () => void;
}

const MOST = 5;
/** Steps among which their moments are drawn: some runs are over by then. */
const STEPS = 200;

/** Draws what happens and when; the boring draw is nothing. */
export function drawMisfortunes(draw: Draw, world: World, deeds: Deeds): void {
  const { oracle } = draw;
  for (let i = oracle.between(0, MOST, 'misfortunes'); i > 0; i -= 1) {
    const step = oracle.between(0, STEPS, 'at which step');
    const awaits = oracle.between(0, 6, 'after how many awaits') - 1;
    const deed = oracle.of(deedsOf(draw, world, deeds, awaits >= 0), 'what happens');
    if (awaits < 0) world.sim.atStep(step, deed);
    else world.sim.atAwait(step, awaits, deed);
  }
}

function deedsOf(draw: Draw, world: World, deeds: Deeds, amid: boolean): readonly (() => void)[] {
  const { oracle } = draw;
  const { sites } = draw;
  const index = oracle.between(0, world.supervisor.workers - 1, 'which worker');
  const which = oracle.between(0, world.tokens.length - 1, 'which token');
  const token = world.tokens[which]!;
  const load = world.loads[which % Math.max(1, world.loads.length)];
  const named = (name: FaultName, act: () => void): (() => void) => {
    return () => {
      // What comes after its time would spoil the part of a run in which nothing may go wrong.
      if (sites.over) return;
      sites.struck(name);
      act();
    };
  };
  const stops = (whose: typeof token | null, graceMs = 0): void => {
    world.stops.push({ token: whose, atMs: world.sim.now, graceMs });
  };
  const cancel = (): void => {
    stops(token);
    token.cancel('drawn');
  };
  const drain = (deadlineMs: number): void => {
    stops(token, deadlineMs);
    token.drain('drawn', { deadlineMs });
  };
  return [
    () => {},
    deeds.ask,
    named('worker.crash', () => world.crash(index)),
    named('worker.crash', () => world.crash(index)),
    named('worker.heap', () => world.crash(index, heapError())),
    named('worker.stall', () => hang(world, index, oracle.of([10, 1000], 'stall'))),
    named('worker.zombie', () => hang(world, index, 20_000)),
    named('port.close', () => closePort(draw, world, index)),
    named(amid ? 'task.cancel-at-await' : 'task.cancel', cancel),
    named(amid ? 'task.cancel-at-await' : 'task.cancel', cancel),
    named('task.cancel-twice', () => {
      cancel();
      token.cancel('again');
    }),
    named('task.deadline-now', () => drain(0)),
    named('task.drain', () => drain(oracle.of([5000, 30], 'deadline'))),
    named('task.finish', () => void finish(load)),
    named('runtime.drain', () => {
      stops(null, 5000);
      world.token.drain('drawn', { deadlineMs: 5000 });
    }),
    named('runtime.cancel', () => {
      stops(null);
      world.token.cancel('drawn');
    }),
    named('runtime.close', () => {
      const deadlineMs = oracle.of([5000, 10, 0], 'deadline');
      stops(null, deadlineMs);
      void world.supervisor.close('drawn', deadlineMs);
    }),
    named('clock.leap', () => {
      const ms = oracle.of([60_000, 3_600_000], 'leap');
      world.leapedMs += ms;
      world.sim.leap(ms);
    }),
  ];
}

function finish(load: Load | undefined): Promise<unknown> | undefined {
  if (load !== undefined) load.finished = true;
  return load?.stream.finish('drawn');
}

/** With what Node.js says of a thread whose heap is full: to the runtime it is a cause like any other. */
function heapError(): Error {
  const error = new Error('Worker terminated due to reaching memory limit: JS heap out of memory');
  return Object.assign(error, { code: 'ERR_WORKER_OUT_OF_MEMORY' });
}

export function hang(world: World, index: number, forMs: number): void {
  const worker = world.sim.worker(index);
  worker.hang();
  world.sim.context.after(forMs, () => worker.resume());
}

/** A port of a thread closes because the thread is about to go. */
function closePort({ oracle }: Draw, world: World, index: number): void {
  world.sim.closeChannel(index, oracle.of(['jobs', 'results', 'control'] as const, 'which port'));
  const worker = world.sim.worker(index);
  world.sim.context.after(oracle.of([0, 10, 1000], 'how long it still runs'), () => world.end(worker));
}

/** Whoever has not come back so long after a cancel is given up, and needs a moment for that. */
const FENCED_MS = 3500;

/** Something that ends with a token. */
export interface Stoppable {
  readonly what: string;
  readonly token: CancellationToken | null;
  /** When it was begun; at the start, unless it is told. */
  readonly beganAtMs?: number;
  /** When it had ended. */
  readonly overAtMs: number;
  /** How long its own consumer, or what it has to put in order, may hold it up. */
  readonly slackMs: number;
}

/**
 * Those whose token was cancelled, and that took longer to end than a cancel may take. What may delay it is granted: a
 * thread that starts or ends slowly, a read that cannot be taken back, a consumer with a batch in hand.
 */
export function lateStops(world: World, draw: Draw, stoppables: readonly Stoppable[]): string[] {
  const { latencyMs = [1, 20], slowCancel = false } = world.options.origin ?? {};
  const { startMs = 20, exitMs = 100 } = world.options.simulation ?? {};
  const slow = slowCancel ? draw.struck('store.stall', 'store.slow', 'store.drip') : 0;
  const held = slow + draw.struck(...LOSSES, 'task.slow-transform') > 0 ? FENCED_MS : 0;
  const late = draw.struck('worker.slow-start', 'port.delay', 'port.credit-late') > 0 ? SLOW_START_MS : 0;
  const boundMs = 500 + startMs + exitMs + Math.max(held, late) + 3 * latencyMs[1] + world.leapedMs;
  const wrong: string[] = [];
  for (const { token, atMs, graceMs } of world.stops) {
    for (const { what, token: own, beganAtMs = 0, overAtMs, slackMs } of stoppables) {
      if (token !== null && own !== token) continue;
      // What is begun with a token that has turned ends then.
      const tookMs = overAtMs - Math.max(atMs + graceMs, beganAtMs) - slackMs;
      draw.sometimes('a stop was in time', tookMs <= boundMs && tookMs >= 0);
      if (tookMs > boundMs) wrong.push(`${what} ended ${tookMs} ms after its cancel, more than ${boundMs}`);
    }
  }
  return wrong;
}
