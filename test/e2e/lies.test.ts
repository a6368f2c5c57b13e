/** A service that lies: what it says is found out, and never becomes a short, mixed or foreign success. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import type { Fault, Lie, Origin } from '../../dist/testing/index.js';
import { exhaust, expectIdle, fault, MIB } from './kit.js';
import { runtimeOf, SERVICES, startService } from './stores.kit.js';

const BUCKET = 'lies';
const SIZES = { small: 5000, large: 20 * MIB + 3 };
type Key = keyof typeof SIZES;

type Answers = readonly (readonly [lie: Lie, expected: readonly (string | null)[]])[];
/** What an answer says of the object, the range and the encoding: each store looks at that itself. */
const OF_THE_OBJECT: Answers = [
  ['long-length', ['ShortBody', 'ProtocolViolation', 'RangeRejected', 'VersionChanged']],
  // A GET without a Range has none to lie about.
  ['wrong-range', [null, 'RangeRejected']],
  // Answered with less than was asked, truthfully: the rest is asked for.
  ['short-range', [null, 'RangeRejected', 'ShortBody']],
  ['ignore-range', [null, 'RangeRejected', 'ProtocolViolation']],
  ['gzip-encoding', ['Unsupported', 'ProtocolViolation']],
  ['chunked', [null]],
  ['no-length', ['ProtocolViolation']],
];
/** What breaks HTTP is refused below the stores, and looked at with one of them. */
const OF_HTTP: Answers = [
  ['two-lengths', ['ProtocolViolation']],
  ['bad-status-line', ['ProtocolViolation']],
  ['huge-head', ['ProtocolViolation']],
  ['folded-head', ['ProtocolViolation']],
  ['bare-lf', ['ProtocolViolation']],
  ['interim', [null]],
];

describe.each(SERVICES)('$scheme', (service) => {
  let origin: Origin;
  let runtime: Runtime;
  const uriOf = (key: Key): string => service.uriOf(origin, BUCKET, key);
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

  /** Null for the right bytes, the code for a typed error; anything else throws. */
  async function outcome(key: Key, known: boolean, maxAttempts = 2): Promise<string | null> {
    const ref = known ? { uri: uriOf(key), size: SIZES[key] } : uriOf(key);
    try {
      const loader = runtime.loader(ObjectDataset.fromUris([ref]), { maxAttempts });
      for await (const [item] of loader) expect(fault(key, item!.bytes, SIZES[key])).toBeNull();
      return null;
    } catch (thrown) {
      if (!(thrown instanceof MillraceError)) throw thrown;
      return thrown.code;
    }
  }

  describe.each(['small', 'large'] as const)('a %s object', (key) => {
    describe.each([
      ['of known size', true],
      ['of unknown size', false],
    ] as const)('%s', (_name, known) => {
      test.each(service.scheme === 's3' ? [...OF_THE_OBJECT, ...OF_HTTP] : OF_THE_OBJECT)(
        'with a %s lie in every answer: %j',
        async (lie, expected) => {
          await origin.script({ key, do: { lie } });
          expect(expected).toContain(await outcome(key, known));
        },
      );

      test.each([
        [
          'an error document',
          'application/xml',
          '<?xml version="1.0"?><Error><Code>InternalError</Code></Error>',
        ],
        ['the page of a proxy', 'text/html', '<html><body>Sign in to the network</body></html>'],
      ])('with %s whose status is 200 is an error, not that document', async (_what, type, page) => {
        const head = `Content-Type: ${type}\r\nContent-Length: ${page.length}`;
        await origin.script({ key, op: 'get', do: { raw: `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${page}` } });
        expect(await outcome(key, known)).toBe('ProtocolViolation');
      });

      test('that is cut in mid-body again and again is an error, or whole by the rest', async () => {
        await origin.script({ key, op: 'get', do: { cutAfter: 3000 } });
        expect([null, 'ShortBody', 'ConnectionFailed']).toContain(await outcome(key, known, 2));
      });

      test('that has no version is read whole and right', async () => {
        await origin.script({ key, op: 'get', do: service.unversioned });
        expect(await outcome(key, known)).toBeNull();
      });

      test('with a weak ETag, which no part can be asked for with, is read whole and right', async () => {
        await origin.script({ key, op: 'get', do: { headers: { ETag: 'W/"weak"' } } });
        expect(await outcome(key, known)).toBeNull();
      });

      test('with faults that pass is read whole and right by trying again', async () => {
        const passing: Fault[] = [
          { lie: 'bad-status-line' },
          { cutAfter: 1000 },
          { reset: 'before-head' },
          { lie: 'bare-lf' },
        ];
        await origin.script(passing.map((how, i) => ({ key, op: 'get', nth: i + 1, do: how })));
        expect(await outcome(key, known, 5)).toBeNull();
      });
    });

    test('that is listed with another length than it is served with is an error, not a shorter object', async () => {
      await origin.script({ key, op: 'get', do: { lie: 'short-length' } });
      const loader = runtime.loader(ObjectDataset.fromPrefix(uriOf(key)), { maxAttempts: 2 });
      await expect(exhaust(loader)).rejects.toMatchObject({ code: 'ProtocolViolation' });
    });

    test('whose later parts are of another version is never mixed', async () => {
      await origin.script({ key, op: 'get', nth: [2, 3], do: { lie: 'mixed-version' } });
      expect([null, 'VersionChanged']).toContain(await outcome(key, true));
    });
  });

  describe('an object that is stored with a Content-Encoding', () => {
    test('is refused by default, and the error says how to read it', async () => {
      await origin.script({ key: 'small', do: { headers: { 'Content-Encoding': 'gzip' } } });
      await expect(runtime.get(uriOf('small'))).rejects.toMatchObject({
        code: 'Unsupported',
        message: expect.stringContaining('allowContentEncoding'),
      });
      // What is permanent is not tried again.
      expect((await origin.requests()).length).toBe(1);
    });

    test('is read as it is stored where that is allowed', async () => {
      await origin.script({ key: /./, do: { headers: { 'Content-Encoding': 'gzip' } } });
      const stores = { [service.scheme]: service.options(origin, { allowContentEncoding: true }) };
      const allowing = await runtimeOf(service, origin, { stores });
      for (const key of ['small', 'large'] as const) {
        const result = await allowing.get(uriOf(key));
        expect(fault(key, result.bytes, SIZES[key])).toBeNull();
        result.release();
      }
      await allowing.close();
    });
  });

  describe('bytes that were changed on the way', () => {
    test('are found by the checksum when it is looked at', async () => {
      await origin.script({ key: 'small', do: { lie: 'wrong-bytes' } });
      const loader = runtime.loader(ObjectDataset.fromUris([uriOf('small')]), {
        verify: 'always',
        maxAttempts: 2,
      });
      await expect(exhaust(loader)).rejects.toMatchObject({ code: 'ChecksumMismatch' });
    });
  });
});
