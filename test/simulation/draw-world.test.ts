/** What drawn worlds say of what they met: a fault counts when it first matters, and none once faults are over. */
import { expect, it } from 'vitest';
import { createSimOrigin } from '../../dist/runtime/simulation/origin.js';
import { drawMachine, drawStorms } from './draw-world.kit.js';
import { Draw, MAX_STEPS } from './scenario.kit.js';

const SEEDS = 300;
const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);

function drawOf(seed: number): Draw {
  return new Draw(seed, undefined, undefined, MAX_STEPS);
}

it('counts a storm when the first request meets it, and each but once', () => {
  const draw = drawOf(1);
  const storms = [
    { fromMs: 100, untilMs: 200 },
    { fromMs: 300, untilMs: 400 },
  ];
  const origin = createSimOrigin({ objects: new Map(), storms, drawn: draw });
  const struck = (): number => draw.sites.counts.get('store.storm') ?? 0;
  expect([origin.stormAt(99), struck()]).toEqual([null, 0]);
  expect([origin.stormAt(100), struck()]).toEqual([storms[0], 1]);
  expect([origin.stormAt(199), struck()]).toEqual([storms[0], 1]);
  expect([origin.stormAt(200), struck()]).toEqual([null, 1]);
  expect([origin.stormAt(300), struck()]).toEqual([storms[1], 2]);
});

it('has no storm any more when faults are over, though its time is not', () => {
  const draw = drawOf(1);
  const origin = createSimOrigin({
    objects: new Map(),
    storms: [{ fromMs: 0, untilMs: 1000 }],
    drawn: draw,
  });
  draw.sites.end();
  expect(origin.stormAt(500)).toBe(null);
  expect(draw.sites.counts.size).toBe(0);
});

it('draws storms for some worlds, of which none has struck yet, and for none that begins when faults are over', () => {
  let storms = 0;
  for (const seed of seeds) {
    const draw = drawOf(seed);
    storms += drawStorms(draw).length;
    expect(draw.sites.counts.size).toBe(0);
    draw.sites.end();
    expect(drawStorms(draw)).toEqual([]);
  }
  expect(storms).toBeGreaterThan(SEEDS / 10);
});

it('counts a late loop and a busy machine when a cap first has to do with them', () => {
  const met = { late: 0, busy: 0 };
  for (const seed of seeds) {
    const draw = drawOf(seed);
    const { machine, admission } = drawMachine(draw);
    const struck = (): readonly (number | undefined)[] =>
      (['machine.late-loop', 'machine.busy'] as const).map((name) => draw.sites.counts.get(name));
    const { eventLoopDelayMs } = machine(1, 0);
    const late = eventLoopDelayMs > 1 && admission.maxEventLoopDelayMs > 0 ? 1 : undefined;
    expect(struck()).toEqual([late, undefined]);
    const before = machine(200_000, 0);
    expect(before).toEqual({ busyMs: 0, eventLoopDelayMs: 1 });
    // So many requests within a millisecond that no share of two cores is enough for them, if they cost anything.
    const { busyMs } = machine(200_001, 1000);
    const busy = busyMs > 0 && admission.maxCpuShare !== null ? 1 : undefined;
    machine(200_002, 2000);
    expect(struck()).toEqual([late, busy]);
    met.late += late ?? 0;
    met.busy += busy ?? 0;
  }
  expect(Math.min(met.late, met.busy)).toBeGreaterThan(0);
});

it('has a machine that is neither late nor gets busier when faults are over', () => {
  let busy = 0;
  for (const seed of seeds) {
    const draw = drawOf(seed);
    const { machine } = drawMachine(draw);
    const { busyMs } = machine(1, 10);
    busy += busyMs;
    const counts = [...draw.sites.counts];
    draw.sites.end();
    expect(machine(2, 1000)).toEqual({ busyMs, eventLoopDelayMs: 1 });
    expect([...draw.sites.counts]).toEqual(counts);
  }
  expect(busy).toBeGreaterThan(0);
});
