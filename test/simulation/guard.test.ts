/** Clocks, timers and dice of the process are away while a simulation runs, and back when the last one is over. */
import { expect, it } from 'vitest';
import { banGlobals } from '../../dist/runtime/simulation/guard.js';
import { World } from './world.kit.js';

/** What was asked for, by name, and whether it is what it was. */
function hosts(): readonly unknown[] {
  return [
    globalThis.setTimeout,
    globalThis.setInterval,
    globalThis.setImmediate,
    globalThis.fetch,
    Date.now,
    Math.random,
    Reflect.get(performance, 'now'),
    Date,
    process.hrtime,
    Reflect.get(process.hrtime, 'bigint'),
    Reflect.get(process, 'uptime'),
    Reflect.get(crypto, 'randomUUID'),
    Reflect.get(crypto, 'getRandomValues'),
    Reflect.get(AbortSignal, 'timeout'),
  ];
}

it('refuses each of them by name, and puts back the very same', () => {
  const before = hosts();
  // Taken from the function before, and looked up again.
  const { hrtime } = process;
  const bigint = (): unknown => hrtime.bigint();
  const restore = banGlobals();
  const asked: readonly (readonly [string, () => unknown])[] = [
    ['setTimeout', () => setTimeout(() => {}, 0)],
    ['setInterval', () => setInterval(() => {}, 0)],
    ['setImmediate', () => setImmediate(() => {})],
    ['fetch', () => fetch('http://127.0.0.1/')],
    ['now', () => Date.now()],
    ['random', () => Math.random()],
    ['now', () => performance.now()],
    ['new Date', () => new Date()],
    ['Date', () => Date()],
    ['hrtime', () => process.hrtime()],
    ['bigint', () => process.hrtime.bigint()],
    ['bigint', bigint],
    ['uptime', () => process.uptime()],
    ['randomUUID', () => crypto.randomUUID()],
    ['getRandomValues', () => crypto.getRandomValues(new Uint8Array(1))],
    ['timeout', () => AbortSignal.timeout(1)],
  ];
  try {
    for (const [name, ask] of asked) expect(ask).toThrow(`${name}() was called in a simulation`);
  } finally {
    restore();
  }
  for (const [i, host] of hosts().entries()) expect(host).toBe(before[i]);
  expect(Object.getOwnPropertyNames(performance)).not.toContain('now');
  expect(Object.getOwnPropertyNames(crypto)).toEqual([]);
});

it('leaves dates of a time that is given, and what they are', () => {
  const Before = Date;
  const restore = banGlobals();
  try {
    const date = new Date(86_400_000);
    expect(date.toISOString()).toBe('1970-01-02T00:00:00.000Z');
    expect(new Date('1970-01-02T00:00:00Z')).toEqual(date);
    expect(new Date(Date.UTC(1970, 0, 2)).getTime()).toBe(Date.parse('1970-01-02T00:00:00Z'));
    expect([date instanceof Date, date instanceof Before, new Before(0) instanceof Date]).toEqual([
      true,
      true,
      true,
    ]);
    expect(structuredClone(date)).toEqual(date);
    class Stamp extends Date {
      readonly year = this.getUTCFullYear();
    }
    expect(new Stamp(0)).toBeInstanceOf(Stamp);
    expect(new Stamp(0).year).toBe(1970);
    expect(() => new Stamp()).toThrow('new Date() was called in a simulation');
  } finally {
    restore();
  }
});

it('puts them back when the last of several is over, however often it is told', () => {
  const before = hosts();
  const outer = banGlobals();
  const inner = banGlobals();
  inner();
  inner();
  expect(() => Date.now()).toThrow('simulation');
  outer();
  expect(hosts()).toEqual(before);
});

it('puts them back when a run fails', async () => {
  const before = hosts();
  const world = new World({ seed: 1, sizes: { a: 1 }, maxSteps: 1000 });
  await expect(world.run(() => hosts()[0] === null)).rejects.toThrow('after 1000 steps');
  expect(hosts()).toEqual(before);
});

it('lets two runs go on at the same time', async () => {
  const before = hosts();
  const worlds = [1, 2].map((seed) => new World({ seed, sizes: { a: 10, b: 5000 } }));
  const loads = worlds.map((world) => world.load());
  await Promise.all(worlds.map((world) => world.untilOver()));
  expect(loads.map(({ handed }) => handed)).toEqual([
    ['a#0', 'b#0'],
    ['a#0', 'b#0'],
  ]);
  await Promise.all(worlds.map((world) => world.close()));
  expect(hosts()).toEqual(before);
});
