/** What an origin is told is checked first: an unknown name, or a value that could do nothing or break it, is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';

const refused = (message: string | RegExp): object => ({
  code: ErrorCode.InvalidArgument,
  message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
});

const errorOf = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => Error('it was taken'),
    (error: Error) => error,
  );

describe('options that are no options', () => {
  const entry = { bucket: 'b', key: 'k' };
  const family = { bucket: 'b', prefix: 'p/', count: 3, sizes: [1] };
  it.each<[given: object, message: string]>([
    [{ dialekt: 'gcs' }, ': unknown option "dialekt"; did you mean "dialect"?'],
    [{ dialect: 'azur' }, '.dialect: unknown word "azur"; did you mean "azure"?'],
    [{ port: 65_536 }, '.port: expected a whole number from 0 to 65535; given 65536'],
    [{ secure: 'yes' }, '.secure: expected true or false; given "yes"'],
    [{ logLimit: -1 }, '.logLimit: expected a whole number from 0 on; given -1'],
    [{ buckets: 'b' }, '.buckets: expected an array; given "b"'],
    [{ publicBuckets: [''] }, '.publicBuckets[0]: expected a text that is not empty; given ""'],
    [{ generationOffset: '-1' }, '.generationOffset: expected a whole number as a text, '],
    [{ tokens: [{}] }, '.tokens[0].token: expected a text that is not empty; given undefined'],
    [{ accounts: [{ nam: 'a', key: 'k' }] }, '.accounts[0]: unknown option "nam"; did you mean "name"?'],
    [{ clockOffsetMs: NaN }, '.clockOffsetMs: expected a number '],
    [{ forbidden: ['('] }, '.forbidden[0]: SyntaxError: '],
    [{ objects: [entry, 7] }, '.objects[1]: expected an object; given 7'],
    [{ objects: [{ ...entry, sise: 1 }] }, '.objects[0]: unknown option "sise"; did you mean "size"?'],
    [
      { objects: [{ ...entry, size: 1.5 }] },
      '.objects[0].size: expected a whole number from 0 on; given 1.5',
    ],
    [{ objects: [{ ...entry, body: 'x', size: 1 }] }, '.objects[0]: expected a size or a body'],
    [{ objects: [{ ...entry, attributes: { type: 'x' } }] }, '.objects[0].attributes: unknown option "type"'],
    [
      { objects: [{ bucket: 'b', prefix: 'p/', count: 3, size: 10 }] },
      '.objects[0]: unknown option "size"; did you mean "sizes"?',
    ],
    [
      { objects: [{ ...family, sizes: [] }] },
      '.objects[0].sizes: expected an array that is not empty; given an array',
    ],
    [
      { objects: [{ ...family, sizes: [1, -1] }] },
      '.objects[0].sizes[1]: expected a whole number from 0 on; given -1',
    ],
    [{ tokens: [{ token: 't' }] }, '.tokens: is an option of azure and gcs; the dialect is s3'],
    [
      { dialect: 'azure', metadataServer: false },
      '.metadataServer: is an option of gcs; the dialect is azure',
    ],
    [
      { objects: [{ bucket: 'b', count: 3, sizes: [1] }] },
      '.objects[0].prefix: expected a text; given undefined',
    ],
  ])('%j', async (given, message) => {
    const error = await errorOf(startOrigin(given));
    expect(error).toMatchObject({ code: ErrorCode.InvalidArgument, phase: 'configure' });
    expect(error.message.slice(0, `origin: options${message}`.length)).toBe(`origin: options${message}`);
  });
});

describe('orders that are no orders', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin({ objects: [{ bucket: 'b', key: 'k', size: 1 }] });
  });
  afterAll(() => origin.stop());

  const done = { do: {} };
  it.each<[rule: object, message: string]>([
    [{ opp: 'list', ...done }, ': unknown option "opp"; did you mean "op"?'],
    [{ op: 'lst', ...done }, '.op: unknown word "lst"; did you mean "list"?'],
    [{ op: 7, ...done }, '.op: expected one of get, '],
    [{ do: { lie: 'truncated' } }, '.do.lie: unknown word "truncated"; known are short-length, '],
    [{ do: { lie: 'no-lenght' } }, '.do.lie: unknown word "no-lenght"; did you mean "no-length"?'],
    [{ do: { statsu: 503 } }, '.do: unknown option "statsu"; did you mean "status"?'],
    [{ do: { status: 99 } }, '.do.status: expected a whole number from 200 to 599; given 99'],
    [
      { do: { drip: { bytes: 0, everyMs: 0 } } },
      '.do.drip.bytes: expected a whole number from 1 to 262144; given 0',
    ],
    [
      { do: { drip: { bytes: 1 } } },
      '.do.drip.everyMs: expected a number from 0 to 2147483647; given undefined',
    ],
    [
      { do: { drip: { bytes: 1, everyMs: 1, off: 'head' } } },
      '.do.drip: unknown option "off"; did you mean "of"?',
    ],
    [{ do: { slow: 0 } }, '.do.slow: expected a number from 0.001 to '],
    [
      { do: { stall: -1 } },
      '.do.stall: expected "before-head", "after-head" or a whole number from 0 on; given -1',
    ],
    [{ do: { stall: 'before-heat' } }, '.do.stall: expected "before-head", "after-head" or '],
    [{ do: { delayMs: 2 ** 31 } }, '.do.delayMs: expected a number from 0 to 2147483647; given 2147483648'],
    [{ do: { overwrite: { sise: 1 } } }, '.do.overwrite: unknown option "sise"; did you mean "size"?'],
    [
      { do: { headers: { ETag: 1 } } },
      '.do.headers: expected an object whose values are texts or null; given',
    ],
    [
      { do: { onBody: { at: 'hole', do: 'cut' } } },
      '.do.onBody.at: expected "whole" or a whole number from 0 on',
    ],
    [
      { do: { onBody: { at: 0, do: 'kill' } } },
      '.do.onBody.do: expected "reset" or "cut" or "stall" or "answer"',
    ],
    [{ do: { onBody: { at: 0, do: 'answer' } } }, '.do: an answer on the body needs a status'],
    [{ do: { onBody: { at: 0, do: 'cut', ms: 5 } } }, '.do: onBody.ms is for a stall alone'],
    [{ do: { retryAfter: 1 } }, '.do: retryAfter needs a status'],
    [{ do: { stallMs: 1 } }, '.do: stallMs needs a stall'],
    [{ do: { by: 1, lie: 'no-etag' } }, '.do: by needs a lie with an amount: one of short-length, '],
    [{ do: { lie: 'partial-chunk' } }, '.do: partial-chunk is of gcs, not of s3'],
    [{ do: { raw: 'x', lie: 'chunked' } }, '.do: raw bytes cannot tell the lie chunked too'],
    [{ do: { raw: 'x', stall: 'after-head' } }, '.do: raw bytes have no head: '],
    [{ do: { raw: 'x', headers: {} } }, '.do: headers are not added to raw bytes'],
    [
      { do: { raw: 'x', drip: { bytes: 1, everyMs: 0, of: 'head' } } },
      '.do: raw bytes have no head that drips',
    ],
    [{ every: 0, ...done }, '.every: expected a whole number from 1 on; given 0'],
    [
      { nth: 0, ...done },
      '.nth: expected a whole number from 1 on, or an array of such that is not empty; given 0',
    ],
    [{ nth: [], ...done }, '.nth: expected a whole number from 1 on, or an array of such'],
    [{ ordinal: [1, 0], ...done }, '.ordinal: expected a whole number from 1 on, or an array'],
    [{ times: 0, ...done }, '.times: expected a whole number from 1 on; given 0'],
    [{ probability: 1.1, ...done }, '.probability: expected a number from 0 to 1; given 1.1'],
    [{ window: { form: 1 }, ...done }, '.window: unknown option "form"; did you mean "forMs"?'],
    [{ method: 'get', ...done }, '.method: expected a method in capital letters; given "get"'],
    [{ key: '(', ...done }, '.key: SyntaxError: '],
    [{ key: 7, ...done }, '.key: expected a RegExp or the text of one; given 7'],
    [{}, ' needs either do or connection'],
    [{ ...done, connection: {} }, ' needs either do or connection'],
    [{ doo: {} }, ': unknown option "doo"; did you mean "do"?'],
    [{ do: undefined }, '.do: expected an object; given undefined'],
    [{ connection: { end: 'rst' } }, '.connection.end: expected "cut" or "reset"; given "rst"'],
    [{ connection: { acept: 1 } }, '.connection: unknown option "acept"; did you mean "accept"?'],
    [
      { connection: { handshake: { bytes: 1, everyMs: 1 } } },
      '.connection: handshake needs an origin that was started with',
    ],
    [{ op: 'get', connection: {} }, ': unknown option "op"'],
    [{ name: '0', ...done }, ': another rule is counted as 0 too; name them apart'],
  ])('the rule %j', async (rule, message) => {
    const error = await errorOf(origin.script(done, rule as typeof done));
    expect(error).toMatchObject({ code: ErrorCode.InvalidArgument, phase: 'configure' });
    const begin = `origin: script: rules[1]${message}`;
    expect(error.message.slice(0, begin.length)).toBe(begin);
  });

  it('leaves the script as it was', async () => {
    await origin.script({ name: 'first', do: {} });
    await expect(origin.script({ op: 'gett' as 'get', do: {} })).rejects.toMatchObject(
      refused(/did you mean "get"/),
    );
    expect((await origin.stats()).fired).toEqual({ first: 0 });
  });

  it('a policy, a filter of the log, a size, an ending and a count', async () => {
    const policy = origin.configure({ forbiden: [] } as object);
    await expect(policy).rejects.toMatchObject(
      refused('origin: policy: unknown option "forbiden"; did you mean "forbidden"?'),
    );
    const port = origin.configure({ port: 1 } as object);
    await expect(port).rejects.toMatchObject(refused(/^origin: policy: unknown option "port"/));
    const log = origin.requests({ op: 'lst' as 'list' });
    await expect(log).rejects.toMatchObject(
      refused('origin: requests.op: unknown word "lst"; did you mean "list"?'),
    );
    const bump = origin.bump('b', 'k', -1);
    await expect(bump).rejects.toMatchObject(
      refused('origin: bump: size: expected a whole number from 0 on; given -1'),
    );
    const closing = origin.closeIdle('rst' as 'reset');
    await expect(closing).rejects.toMatchObject(refused('origin: closeIdle: expected "reset"; given "rst"'));
    const waiting = origin.waitFor({ requests: NaN });
    await expect(waiting).rejects.toMatchObject(
      refused('origin: waitFor: requests is a count from 0 on, not NaN'),
    );
  });
});
