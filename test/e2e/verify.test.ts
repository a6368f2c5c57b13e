/** Checksums of the service: looked at for what came by one answer, and for what came in parts. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import type { Origin } from '../../dist/testing/index.js';
import { expectIdle, fault, MIB, type LoaderOptions } from './kit.js';
import { runtimeOf, SERVICES, startService } from './stores.kit.js';

const BUCKET = 'verify';
const SIZES = { 'a-small': 5000, 'b-large': 20 * MIB + 3, 'c-larger': 33 * MIB };
type Key = keyof typeof SIZES;

/** Those that tell a checksum of the whole whichever way it was written. */
const TELLING = SERVICES.filter(({ checksum }) => checksum !== null);

describe.each(TELLING)('$scheme', (service) => {
  const checksum = service.checksum!;
  const uriOf = (key: string): string => service.uriOf(origin, BUCKET, key);
  let origin: Origin;
  let runtime: Runtime;
  beforeAll(async () => {
    const objects = (Object.keys(SIZES) as Key[]).map((key) => ({ bucket: BUCKET, key, size: SIZES[key] }));
    origin = await startService(service, { objects });
    runtime = await runtimeOf(service, origin);
  });
  afterEach(async () => {
    await origin.reset();
    await expectIdle(runtime);
  });
  afterAll(async () => {
    await runtime.close();
    await origin.stop();
  });

  /** Loads all objects; the kinds of checksum that they were found to have, and the keys whose bytes are wrong. */
  async function load(options: LoaderOptions = {}): Promise<{ verified: unknown; wrong: string[] }> {
    const loader = runtime.loader(ObjectDataset.fromPrefix(uriOf('')), options);
    const wrong: string[] = [];
    for await (const batch of loader) {
      for (const item of batch) {
        if (fault(item.key, item.bytes, SIZES[item.key as Key]) !== null) wrong.push(item.key);
      }
    }
    return { verified: loader.report!.verified, wrong };
  }

  /** Flips a byte of the next answers with parts of an object. */
  const corrupt = (key: Key, times = 1000): Promise<unknown> =>
    origin.script({ key, op: 'get', times, do: { lie: 'wrong-bytes' } });

  describe('what came in parts', () => {
    test('is verified as a whole, and the report says by what', async () => {
      expect(await load()).toEqual({ verified: { [checksum]: 3 }, wrong: [] });
      const heads = (await origin.requests()).filter(({ op }) => op === 'head');
      expect(heads.map(({ key }) => key).toSorted()).toEqual(['b-large', 'c-larger']);
    });

    test('is fetched again when one part is not what the service has', async () => {
      await corrupt('b-large', 1);
      expect(await load()).toEqual({ verified: { [checksum]: 3 }, wrong: [] });
      expect((await origin.stats()).faults).toBe(1);
    });

    test('is an error when that does not help', async () => {
      await corrupt('c-larger');
      await expect(load()).rejects.toMatchObject({ code: 'ChecksumMismatch', uri: uriOf('c-larger') });
    });

    test('is handed out as it came where nothing is to be verified', async () => {
      await corrupt('c-larger');
      expect(await load({ verify: 'never' })).toEqual({ verified: {}, wrong: ['c-larger'] });
      expect((await origin.requests()).filter(({ op }) => op === 'head')).toEqual([]);
    });

    test('does not fail because the service tells no checksum, unless that was asked for', async () => {
      await origin.script({ key: 'b-large', op: 'head', do: { status: 403 } });
      expect(await load()).toEqual({ verified: { [checksum]: 2 }, wrong: [] });
      await expect(load({ verify: 'always' })).rejects.toMatchObject({ code: 'AccessDenied' });
    });
  });

  test('a direct call tells what its object was verified by', async () => {
    const verifiedBy = async (key: Key, options: object): Promise<unknown> => {
      const result = await runtime.get(uriOf(key), options);
      const { verified } = result;
      result.release();
      return verified;
    };
    expect(await verifiedBy('b-large', {})).toBe(checksum);
    expect(await verifiedBy('a-small', { size: SIZES['a-small'] })).toBe(checksum);
    // One of unknown size comes as a range: where its answer has no checksum, it is asked for only where that was wanted.
    expect(await verifiedBy('a-small', {})).toBe(service.tellsInRanges ? checksum : null);
    await origin.script({ key: 'a-small', op: 'get', do: service.unversioned });
    expect(await verifiedBy('a-small', { verify: 'always' })).toBe(checksum);
    expect(await verifiedBy('b-large', { verify: 'never' })).toBeNull();
  });

  test('what was resumed after a cut is verified', async () => {
    await origin.script({ key: 'a-small', op: 'get', nth: [1], do: { cutAfter: 2000 } });
    expect(await load()).toEqual({ verified: { [checksum]: 3 }, wrong: [] });
  });
});

describe('az tells a checksum of each part', () => {
  const az = SERVICES.find(({ scheme }) => scheme === 'az')!;
  let origin: Origin;
  let runtime: Runtime;
  beforeAll(async () => {
    origin = await startService(az, { objects: [{ bucket: BUCKET, key: 'parts', size: SIZES['b-large'] }] });
    runtime = await runtimeOf(az, origin);
  });
  afterAll(async () => {
    await runtime.close();
    await origin.stop();
  });
  const read = async (): Promise<unknown> => {
    const result = await runtime.get(az.uriOf(origin, BUCKET, 'parts'), { size: SIZES['b-large'] });
    const wrong = fault('parts', result.bytes, SIZES['b-large']);
    const { verified } = result;
    result.release();
    return { verified, wrong };
  };

  test('so that a blob in parts is verified, and one flipped byte is fetched again', async () => {
    expect(await read()).toEqual({ verified: 'crc64nvme', wrong: null });
    await origin.reset();
    await origin.script({ key: 'parts', op: 'get', nth: [3], do: { lie: 'wrong-bytes' } });
    expect(await read()).toEqual({ verified: 'crc64nvme', wrong: null });
    expect(await origin.stats()).toMatchObject({ faults: 1, requests: 7 });
  });

  test('and bytes without theirs are an error in the end', async () => {
    await origin.script({ key: 'parts', op: 'get', do: { lie: 'wrong-bytes' } });
    await expect(read()).rejects.toMatchObject({ code: 'ChecksumMismatch' });
  });
});
