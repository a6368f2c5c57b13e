/** Objects that arrive with a wrong byte: found by the service's checksum, fetched again, and never handed out as they came. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import type { SimCallFault } from '../../dist/runtime/simulation/faults.js';
import type { SimFault } from '../../dist/runtime/simulation/origin.js';
import { tries } from '../kit/effort.js';
import { patternObject } from './kit.js';
import { PAGE, type Load, type LoadOptions } from './load.kit.js';
import { World } from './world.kit.js';

const SIZES = { a: 5 * PAGE + 7, b: 300, c: 3 * PAGE };
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8].slice(0, tries(8, 1));

/** An answer to a range tells no checksum of the object, even where it is all of it: that has to be asked for. */
const UNSIZED = { unsized: true, verify: 'always' } as const;

interface Corrupt {
  readonly faults: readonly SimFault[];
  readonly callFaults?: readonly SimCallFault[];
  readonly load?: LoadOptions;
}

async function load(seed: number, { faults, callFaults = [], load: options = {} }: Corrupt): Promise<Load> {
  const world = new World({ seed, sizes: SIZES, origin: { faults, callFaults, checksums: true } });
  const one = world.load({ verify: 'auto', ...options });
  await world.untilOver();
  await world.close();
  expect(world.leftovers()).toEqual([]);
  expect(one.violations()).toEqual([]);
  return one;
}

describe.each([
  ['in parts', 'a', PAGE, {}],
  ['in one piece', 'b', 0, {}],
  ['of a size that is not known, in one answer', 'b', 0, UNSIZED],
  ['of a size that is not known, in a first part and others', 'a', 0, UNSIZED],
  [
    'of a size that is not known, in a first part and one more',
    'c',
    0,
    { ...UNSIZED, ranges: { splitThreshold: 2 * PAGE, partBytes: 2 * PAGE, maxPerObject: 2 } },
  ],
] as const)('an object that comes %s', (_how, key, fromByte, options) => {
  it('with a wrong byte twice is right in the end, and said to be verified', async () => {
    for (const seed of SEEDS) {
      const done = await load(seed, {
        faults: [{ kind: 'corrupt', key, fromByte, atByte: 133, times: 2 }],
        load: options,
      });
      expect(done.failure).toBe(null);
      expect(done.record).toMatchObject({ reason: 'completed', delivered: 3, verified: { crc32: 3 } });
    }
  });

  it('with a wrong byte each time is an error, and nobody is handed it', async () => {
    for (const seed of SEEDS) {
      const done = await load(seed, {
        faults: [{ kind: 'corrupt', key, fromByte, atByte: 133, times: 99 }],
        load: options,
      });
      expect((done.failure as MillraceError).code).toBe(ErrorCode.ChecksumMismatch);
      expect(done.handed).not.toContain(`${key}#0`);
    }
  });
});

it('fetches wrong bytes again however often the object was another one before', async () => {
  const world = new World({
    seed: 1,
    sizes: { a: 3 * PAGE },
    origin: {
      faults: [
        { kind: 'replace', key: 'a', fromByte: 1, object: patternObject('a', 3 * PAGE, 1) },
        { kind: 'replace', key: 'a', fromByte: 1, object: patternObject('a', 3 * PAGE, 2) },
        { kind: 'corrupt', key: 'a', fromByte: 1, atByte: 3, times: 2 },
      ],
      maxPieces: 1,
      checksums: true,
    },
  });
  for (const version of ['v1', 'v2']) world.replacedBytes.set(version, 3 * PAGE);
  const ranges = { splitThreshold: 2 * PAGE, partBytes: 2 * PAGE, maxPerObject: 1 };
  const one = world.load({ ...UNSIZED, ranges });
  await world.untilOver();
  expect(one.failure).toBe(null);
  expect(one.record).toMatchObject({ delivered: 1, verified: { crc32: 1 } });
  await world.close();
  expect(world.leftovers()).toEqual([]);
});

describe('a service that does not tell the checksum of an object in parts', () => {
  const callFaults = [
    { on: 'head', key: 'a', times: 99, kind: 'lost', outcome: 'transient', applied: false },
  ] as const;

  it('loses nobody the object by default, which is not said to be verified', async () => {
    const done = await load(1, { faults: [], callFaults });
    expect(done.record).toMatchObject({ reason: 'completed', delivered: 3, verified: { crc32: 2 } });
  });

  it('fails it where it always has to be looked at', async () => {
    const done = await load(1, { faults: [], callFaults, load: { verify: 'always' } });
    expect((done.failure as MillraceError).code).toBe(ErrorCode.ConnectionFailed);
  });
});
