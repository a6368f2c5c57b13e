import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { leakCount } from '../../dist/loader/direct.js';
import { getRanges, type GetRangesOptions } from '../../dist/loader/get-ranges.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { bytesOf, createFakeSupervisor, OBJECT_BYTES, uriOf } from './fake-supervisor.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const APART = { coalesceBytes: 0 };

describe('getRanges', () => {
  it('has the bytes of each range, and gives all memory back at once', async () => {
    const supervisor = createFakeSupervisor();
    const ranges = [{ start: 900, length: 50 }, { suffix: 10 }, { start: 0, end: 8 }, { start: 990 }];
    const result = await getRanges(supervisor, uriOf('a'), ranges, APART);
    const found = result.ranges.map(({ bytes }) => Buffer.from(bytes));
    const whole = Buffer.from(bytesOf('a'));
    expect(found).toEqual([
      whole.subarray(900, 950),
      whole.subarray(990),
      whole.subarray(0, 8),
      whole.subarray(990),
    ]);
    expect(Buffer.compare(result.ranges[1]!.copy(), whole.subarray(990))).toBe(0);
    expect(result).toMatchObject({
      uri: uriOf('a'),
      size: OBJECT_BYTES,
      version: 'v-a',
      requests: 4,
      bytesRead: 68,
    });
    expect(supervisor.streams).toHaveLength(1);
    expect(supervisor.streams[0]!.reasons).toEqual(['completed', 'completed']);
    expect(supervisor.arena.stats().extents).toBe(3);
    result.release();
    expect([result.released, supervisor.arena.stats().extents]).toEqual([true, 0]);
    expect(() => result.release()).toThrow(
      `release of 4 ranges of ${uriOf('a')}: they were already released`,
    );
    expect(() => result.ranges[0]!.bytes).toThrow('was used after its memory was released');
  });

  it('passes on what concerns the requests', async () => {
    const supervisor = createFakeSupervisor();
    const options = { version: 'v1', maxAttempts: 2 };
    const result = await getRanges(supervisor, uriOf('a'), [{ start: 1, length: 2 }], options);
    expect([result.version, supervisor.streams[0]!.options.maxAttempts]).toEqual(['v1', 2]);
    result.release();
  });

  it('fails as a whole, with no memory held, when one read fails', async () => {
    const supervisor = createFakeSupervisor({ broken: new Set(['a']) });
    const call = getRanges(supervisor, uriOf('a'), [{ start: 0, length: 1 }]);
    await expect(call).rejects.toMatchObject({ code: 'NotFound' });
    expect([supervisor.arena.stats().extents, supervisor.streams[0]!.open]).toEqual([0, false]);
  });

  it('says that nothing new is started while draining', async () => {
    const token = new CancellationToken();
    token.drain('SIGTERM');
    const call = getRanges(createFakeSupervisor(), uriOf('a'), [{ start: 0, length: 1 }], { token });
    await expect(call).rejects.toMatchObject({ code: 'Draining', uri: uriOf('a') });
  });

  it.each<[string, unknown, GetRangesOptions, string]>([
    ['no array', { start: 0 }, {}, 'ranges: expected an array'],
    [
      'a range that is none',
      [{ start: 0 }, { start: 5, end: 2 }],
      {},
      'ranges[1].end: expected more than start',
    ],
    ['an unknown option', [], { coalesce: 5 } as never, 'unknown option "coalesce"'],
    ['a gap that is no size', [], { coalesceBytes: '1M' }, 'coalesceBytes'],
    ['a longest read that is no size', [], { maxCoalescedBytes: -1 }, 'maxCoalescedBytes'],
    ['a size that is none', [], { size: -1 }, 'size: expected'],
    [
      'two stops',
      [],
      { token: new CancellationToken(), signal: new AbortController().signal },
      'token and signal',
    ],
  ])('refuses %s', async (_name, ranges, options, message) => {
    const supervisor = createFakeSupervisor();
    await expect(getRanges(supervisor, uriOf('a'), ranges as never, options)).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining(message) as string,
    });
    expect(supervisor.streams).toHaveLength(0);
  });

  it('refuses a URI of nowhere, also for no ranges', async () => {
    for (const ranges of [[], [{ start: 0, length: 1 }]]) {
      await expect(getRanges(createFakeSupervisor(), 'nowhere', ranges)).rejects.toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('uri: "nowhere"') as string,
      });
    }
  });

  it('takes the memory of a forgotten result back and counts it, and not while a view can be reached', async () => {
    const supervisor = createFakeSupervisor();
    const ranges = [{ start: 0, length: 5 }];
    const view = await (async () => (await getRanges(supervisor, uriOf('a'), ranges)).ranges[0]!.bytes)();
    await (async () => expect((await getRanges(supervisor, uriOf('b'), ranges)).size).toBe(OBJECT_BYTES))();
    supervisor.streams.length = 0;
    for (let round = 0; round < 200 && leakCount(supervisor) === 0; round += 1) {
      collect();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect([leakCount(supervisor), supervisor.arena.stats().extents]).toEqual([1, 1]);
    expect(Buffer.compare(view, bytesOf('a').subarray(0, 5))).toBe(0);
  });
});
