/**
 * Loads over the real supervisor and workers: sizes, budgets, options, faults and misfortunes, all drawn.
 *
 * Faults end at a time; whatever is left of the runtime has to come to its end then, and one that was not stopped has to
 * load everything once more.
 */
import { Outcome } from '../../dist/protocol/store.js';
import type { HedgePlan } from '../../dist/actors/supervisor/types.js';
import type { Oracle } from '../../dist/runtime/simulation/oracle.js';
import { SIM_STORE } from '../../dist/testing/simulated-runtime.js';
import { drawSizes, drawWorld } from './draw-world.kit.js';
import { type Load, type LoadOptions, PAGE, PLAN_FAILED, SEVERAL } from './load.kit.js';
import { idleFaults, isSame, lateRequests, type MannersOptions, watchManners } from './manners.kit.js';
import { drawMisfortunes, lateStops } from './misfortunes.kit.js';
import { pardonOf, wasStopped } from './pardon.kit.js';
import type { Draw, Scenario } from './scenario.kit.js';
import type { World } from './world.kit.js';

const encoder = new TextEncoder();

export const LOADS: Scenario = {
  name: 'loads',
  marks: [
    'a load was completed',
    'a load was stopped with items left',
    'an item was retried',
    'a port was full',
    'the budget was used up',
    'an object came in parts',
    'a worker was fenced',
    'a worker took the jobs of a dead one',
    'a stop was in time',
    'a slow read was hedged',
    'a hedge came first',
    'the service was left alone',
    'the service was used again',
    'work waited for a cap',
    'work waited for the event loop',
    'an item ended three threads',
    'an object was verified',
    'an object changed its size',
  ],
  run,
};

async function run(draw: Draw): Promise<string[]> {
  const { oracle, sites } = draw;
  const sizes = drawSizes(oracle);
  const world = drawWorld(draw, sizes);
  const wrong: string[] = [];
  watch(world, draw, wrong);
  const maxShare = oracle.of([1, 0.3], 'share of hedges');
  const zipped = oracle.chance(0.2, 'loads are zipped');
  for (let i = oracle.between(1, 3, 'loads'); i > 0; i -= 1) {
    const load = drawLoad(oracle, sizes);
    world.load({
      ...load,
      hedge: drawHedge(oracle, maxShare),
      throttleTimeoutMs: oracle.of([300_000, 4000, 0], 'patience'),
      token: world.tokens[i - 1]!,
      byHand: zipped,
    });
  }
  watchManners(
    world,
    draw,
    {
      maxAttempts: attemptsOf(world, 0),
      // A second attempt at a slow read waits for nobody.
      patient: world.loads.every(
        ({ options }) => options.throttleTimeoutMs > 0 && (options.hedge ?? false) === false,
      ),
    },
    wrong,
  );
  if (zipped) void zip(world.loads, world, oracle.of([0, 30], 'zip holds'));
  const asks = { asked: 0, settled: 0 };
  drawMisfortunes(draw, world, { ask: () => ask(world.loads[0]!, asks) });
  await world.run(() => world.loads.every((load) => load.over) && asks.settled === asks.asked);
  const memoryIsHeld = zipped || draw.struck('worker.stall', 'worker.zombie', 'clock.leap', 'port.close') > 0;
  wrong.push(...lookAtLoads(world, draw, memoryIsHeld), ...hedgeFaults(world, maxShare));
  sites.end();
  if (draw.struck('runtime.') === 0) wrong.push(...(await loadOnceMore(world)));
  await world.close();
  wrong.push(...world.leftovers());
  return wrong;
}

/** Attempts that a stream may make, by how workers know it: those of its load, or of what is no load. */
export function attemptsOf({ loads }: World, others: number): MannersOptions['maxAttempts'] {
  return (slot, epoch) => loads.find((load) => load.isKnownBy(slot, epoch))?.options.maxAttempts ?? others;
}

/** What has to hold after each step. */
export function watch(world: World, draw: Draw, wrong: string[]): void {
  const { arena, sim } = world;
  sim.afterEachStep(() => {
    if (wrong.length < 5) for (const load of world.loads) wrong.push(...load.boundFaults(draw));
    const { usedBytes, chargedBytes } = arena.stats();
    if (usedBytes > arena.budgetBytes && wrong.length < 5)
      wrong.push(`${usedBytes} bytes of a budget of ${arena.budgetBytes} are used`);
    draw.sometimes('the budget was used up', usedBytes + chargedBytes > arena.budgetBytes - PAGE);
    for (const worker of sim.workers) wrong.push(...worker.creditFaults());
    // What is seldom need not be looked for at each step, and making the figures takes its time.
    if (sim.steps % 8 !== 0) return;
    const { admission } = world.supervisor.stats;
    draw.sometimes('work waited for a cap', admission === 'cpu' || admission === 'bandwidth');
    draw.sometimes('work waited for the event loop', admission === 'event-loop');
  });
}

/** What is wrong with loads that are over. */
export function lookAtLoads(world: World, draw: Draw, memoryIsHeld: boolean): string[] {
  const wrong: string[] = [];
  for (const load of world.loads) {
    const stopped = load.finished || wasStopped(world, load.token);
    const pardon = pardonOf(draw, world, { memoryIsHeld, stopped, maxAttempts: load.options.maxAttempts });
    wrong.push(...load.violations());
    const { failure, record } = load;
    if (failure !== null && failure !== PLAN_FAILED && !pardon(failure))
      wrong.push(`a load failed: ${(failure as Error).message}`);
    for (const { error } of record!.failures)
      if (!pardon(error)) wrong.push(`an item failed: ${String(error)}`);
    // A consumer that leaves may not hear of a failure that was there by then.
    const ends = record!.failures.length > 0 || load.planFails ? /completed|break|failed/ : /completed|break/;
    if (!stopped && failure === null && !ends.test(record!.reason))
      wrong.push(`a load ended as ${record!.reason}`);
    draw.sometimes('a load was completed', record!.reason === 'completed');
    draw.sometimes('a load was stopped with items left', record!.left > 0);
    draw.sometimes('an item was retried', record!.retries > 0);
    draw.sometimes('a slow read was hedged', record!.hedged > 0);
    draw.sometimes('a hedge came first', record!.hedgesWon > 0);
    draw.sometimes('an object was verified', Object.keys(record!.verified).length > 0);
    draw.sometimes(
      'an item ended three threads',
      record!.failures.some(({ error }) => error.message.includes(`worked on sim://${world.poison}`)),
    );
  }
  wrong.push(...idleFaults(world));
  draw.sometimes(
    'an object changed its size',
    [...world.replacedBytes].some(([, size]) => !Object.values(world.options.sizes).includes(size)),
  );
  wrong.push(...lateRequests(world));
  const full = world.sim.workers.some((worker) => worker.fullCount > 0);
  if (full) draw.sites.struck('port.full');
  draw.sometimes('a port was full', full);
  const stoppables = world.loads
    .filter(({ byHand }) => !byHand)
    .map(({ token, overAtMs, slackMs }) => ({ what: 'a load', token, overAtMs, slackMs }));
  wrong.push(...lateStops(world, draw, stoppables));
  draw.sometimes('an object came in parts', cameInParts(world));
  draw.sometimes('a worker was fenced', world.fenced > 0);
  draw.sometimes('a worker took the jobs of a dead one', tookOver(world));
  return wrong;
}

/** Whether a read went on where another one of the same object had come to its own end. */
function cameInParts({ origin: { reads } }: World): boolean {
  const complete = reads.filter(({ outcome }) => outcome === Outcome.Complete);
  const ends = new Set(complete.map(({ key, start, landed }) => `${key} ${start + landed}`));
  return complete.some(({ key, start }) => start > 0 && ends.has(`${key} ${start}`));
}

/** Whether what a thread had under way when it died was read again by another one. */
function tookOver({ origin: { reads }, crashed }: World): boolean {
  const lost = reads.filter(({ worker, outcome }) => outcome === null && crashed.has(worker));
  return lost.some((read) => reads.some((other) => other.worker !== read.worker && isSame(other, read)));
}

/** Faults are over, so this comes through. */
export async function loadOnceMore(world: World): Promise<string[]> {
  for (const worker of world.sim.workers) worker.resume();
  await world.run(() => world.arena.stats().quarantinedBytes === 0);
  const next = world.load({ transform: null, ranges: null });
  await world.run(() => next.over);
  const wrong = next.violations();
  const fits = Object.values(world.options.sizes).every(
    (size) => Math.ceil(size / PAGE) * PAGE <= world.arena.budgetBytes,
  );
  const { failure, record } = next;
  if (fits && (failure !== null || record!.reason !== 'completed'))
    wrong.push(`when all faults were over, a load ended as ${record!.reason}: ${String(failure)}`);
  return wrong.map((line) => `once more: ${line}`);
}

/** With one read to compare with, whatever takes twice as long is slow. */
function drawHedge(oracle: Oracle, maxShare: number): HedgePlan | false {
  return oracle.chance(0.4, 'slow reads are hedged') && { percentile: 50, maxShare, leastSamples: 1 };
}

function hedgeFaults({ supervisor, origin }: World, maxShare: number): string[] {
  const { hedged, hedgesWon } = supervisor.stats;
  // Of those that did not win nobody knows whether they were sent before they were taken back.
  const others = origin.reads.length - hedgesWon;
  return hedged <= maxShare * others ? [] : [`${hedged} reads were hedged beside ${others} others`];
}

export function drawLoad(oracle: Oracle, sizes: Record<string, number>): LoadOptions {
  const keys = Object.keys(sizes);
  const batchSize = oracle.between(1, 4, 'batchSize');
  const maxPerObject = oracle.between(1, 5, 'parts at once');
  const small = { splitThreshold: 100, partBytes: 700, maxPerObject };
  // A first part of several pages is more than most objects need.
  const parts = oracle.of([small, { splitThreshold: 4 * PAGE, partBytes: 3 * PAGE, maxPerObject }], 'parts');
  return {
    keys: oracle.chance(0.2, 'backwards') ? keys.toReversed() : keys,
    order: oracle.of(['sequence', 'completion'], 'order'),
    batchSize,
    batchBytes: oracle.of([1 << 20, 4 * PAGE, PAGE, 1], 'batchBytes'),
    dropLast: oracle.chance(0.1, 'dropLast'),
    // A window that a batch does not fit into would never fill one.
    windowObjects: batchSize + oracle.between(0, 8, 'windowObjects'),
    windowBytes: oracle.of([1 << 20, 4 * PAGE, PAGE, 1], 'windowBytes'),
    maxConcurrentObjects: oracle.between(1, 6, 'maxConcurrentObjects'),
    onError: oracle.of(['fail', 'skip'], 'onError'),
    transform: oracle.chance(0.25, 'a transform') ? SEVERAL : null,
    maxAttempts: oracle.of([4, 2, 1], 'maxAttempts'),
    planMs: oracle.of([0, 0, 15, 600], 'how long a pull takes'),
    ranges: oracle.chance(0.3, 'its own parts') ? parts : null,
    verify: oracle.of(['never', 'auto', 'always'], 'verify'),
    unsized: oracle.chance(0.3, 'sizes are not told'),
    holdMs: oracle.of([0, 0, 5, 700], 'holdMs'),
    ...(oracle.chance(0.03, 'its plan fails')
      ? { planFailsAfter: oracle.between(0, keys.length, 'behind') }
      : {}),
    ...(oracle.chance(0.1, 'breaks') ? { breakAfter: oracle.between(1, 3, 'breakAfter') } : {}),
  };
}

function ask(load: Load, asks: { asked: number; settled: number }): void {
  asks.asked += 2;
  const settled = (): void => {
    asks.settled += 1;
  };
  const none = { delimiter: null, continuation: null, limit: 3 };
  load.stream.head(SIM_STORE, encoder.encode('k0')).then(settled, settled);
  load.stream.list({ store: SIM_STORE, prefix: new Uint8Array(), ...none }).then(settled, settled);
}

/** One consumer that takes a batch of each load, and gives them back together. */
async function zip(loads: readonly Load[], world: World, holdMs: number): Promise<void> {
  for (;;) {
    const held: (() => void)[] = [];
    for (const load of loads) {
      if (load.failure !== null) continue;
      try {
        const batch = await load.take();
        if (batch !== null) held.push(() => load.giveBack(batch));
      } catch (thrown) {
        load.failure = thrown;
      }
    }
    if (holdMs > 0) await new Promise<void>((resolve) => void world.sim.context.after(holdMs, resolve));
    for (const giveBack of held) giveBack();
    if (held.length === 0) break;
  }
  for (const load of loads) await load.end();
}
