import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { getObject, getRange, headObject, leakCount } from '../../dist/loader/direct.js';
import { listObjects, type ListedEntry } from '../../dist/loader/list.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { bytesOf, createFakeSupervisor, type FakeSupervisor, uriOf } from './fake-supervisor.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects garbage until it is so, or many turns of the event loop have gone by. */
const collectUntil = async (condition: () => boolean): Promise<void> => {
  for (let round = 0; round < 200 && !condition(); round += 1) {
    collect();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
};

const all = async (entries: AsyncIterable<ListedEntry>): Promise<ListedEntry[]> => {
  const found: ListedEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
};

const stopped = (supervisor: FakeSupervisor): boolean => supervisor.streams.every(({ open }) => !open);

describe('get', () => {
  it('hands out one object, whose memory the caller releases', async () => {
    const supervisor = createFakeSupervisor();
    const result = await getObject(supervisor, uriOf('a'), {
      version: 'v1',
      maxAttempts: 2,
      verify: 'always',
    });
    expect([result.uri, result.key, result.version, result.length]).toEqual([uriOf('a'), 'a', 'v1', 1000]);
    expect(Buffer.compare(result.bytes, bytesOf('a'))).toBe(0);
    expect(supervisor.streams[0]?.options).toMatchObject({ maxAttempts: 2, verify: 'always', batchSize: 1 });
    expect([stopped(supervisor), supervisor.arena.stats().extents]).toEqual([true, 1]);
    result.release();
    expect([result.released, supervisor.arena.stats().extents]).toEqual([true, 0]);
    expect(() => result.release()).toThrow('already released');
    expect(() => result.bytes).toThrow('was used after its memory was released');
  });

  it('of a range has those bytes', async () => {
    const supervisor = createFakeSupervisor();
    const slice = await getRange(supervisor, uriOf('a'), { start: 10, end: 20 });
    expect([slice.start, slice.length, slice.size]).toEqual([10, 10, 1000]);
    expect(Buffer.compare(slice.bytes, bytesOf('a').subarray(10, 20))).toBe(0);
    const piece = await getRange(supervisor, uriOf('a'), { start: 10, length: 5 });
    expect(Buffer.compare(piece.bytes, bytesOf('a').subarray(10, 15))).toBe(0);
  });

  it('ends its stream when it fails', async () => {
    const supervisor = createFakeSupervisor({ broken: new Set(['a']) });
    await expect(getObject(supervisor, uriOf('a'))).rejects.toMatchObject({ code: 'NotFound' });
    await expect(getObject(supervisor, 'fake://closed/a')).rejects.toMatchObject({ code: 'AccessDenied' });
    expect(supervisor.streams).toHaveLength(2);
    expect(stopped(supervisor)).toBe(true);
  });

  it.each<[string, (supervisor: FakeSupervisor) => Promise<unknown>, string]>([
    ['a URI of nowhere', (at) => getObject(at, 'nowhere'), '"nowhere" is not a fake URI'],
    ['no URI', (at) => getObject(at, 5 as never), 'uri: expected a text'],
    [
      'an unknown option',
      (at) => getObject(at, uriOf('a'), { verfy: true } as never),
      'did you mean "verify"?',
    ],
    ['an empty range', (at) => getRange(at, uriOf('a'), { start: 5, end: 5 }), 'end is exclusive'],
    [
      'an unknown word in a range',
      (at) => getRange(at, uriOf('a'), { stop: 5 } as never),
      'unknown option "stop"',
    ],
    [
      'a token and a signal',
      (at) =>
        getObject(at, uriOf('a'), { token: new CancellationToken(), signal: new AbortController().signal }),
      'token and signal: expected one of the two',
    ],
  ])('refuses %s', async (_name, call, message) => {
    const supervisor = createFakeSupervisor();
    await expect(call(supervisor)).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining(message) as string,
    });
    expect(supervisor.arena.stats().extents).toBe(0);
  });

  it.each<[string, (supervisor: FakeSupervisor, signal: AbortSignal) => Promise<unknown>]>([
    ['get', (at, signal) => getObject(at, uriOf('a'), { signal })],
    ['getRange', (at, signal) => getRange(at, uriOf('a'), { start: 1 }, { signal })],
    ['head', (at, signal) => headObject(at, uriOf('a'), { signal })],
    ['list', (at, signal) => all(listObjects(at, uriOf(''), { signal }))],
  ])('%s ends by an abort, also while a store that does not open is waited for', async (_name, call) => {
    const supervisor = createFakeSupervisor();
    let asked!: () => void;
    const begun = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const open = (): Promise<number> => (asked(), new Promise(() => {}));
    Object.assign(supervisor.stores, { open });
    const controller = new AbortController();
    const result = call(supervisor, controller.signal);
    await begun;
    controller.abort(new Error('enough'));
    await expect(result).rejects.toMatchObject({ code: 'Cancelled' });
    expect(stopped(supervisor)).toBe(true);
  });

  it('says that nothing new is started while draining', async () => {
    const token = new CancellationToken();
    token.drain('SIGTERM');
    const get = getObject(createFakeSupervisor(), uriOf('a'), { token });
    await expect(get).rejects.toMatchObject({ code: 'Draining', uri: uriOf('a') });
  });

  it('takes the memory of a forgotten result back and counts it, and not while its bytes can be reached', async () => {
    const supervisor = createFakeSupervisor();
    const bytes = await (async () => (await getObject(supervisor, uriOf('a'))).bytes)();
    await (async () => {
      const { length } = (await getObject(supervisor, uriOf('b'))).bytes;
      expect(length).toBe(1000);
    })();
    supervisor.streams.length = 0;
    await collectUntil(() => leakCount(supervisor) > 0);
    expect([leakCount(supervisor), supervisor.arena.stats().extents]).toEqual([1, 1]);
    expect(Buffer.compare(bytes, bytesOf('a'))).toBe(0);
  });

  it('counts no leak for what was released', async () => {
    const supervisor = createFakeSupervisor();
    await (async () => (await getObject(supervisor, uriOf('a'))).release())();
    let gone = false;
    const registry = new FinalizationRegistry(() => {
      gone = true;
    });
    registry.register({}, null);
    await collectUntil(() => gone);
    expect([gone, leakCount(supervisor)]).toEqual([true, 0]);
  });
});

describe('head', () => {
  it('tells size, version and time, and leaves nothing open', async () => {
    const supervisor = createFakeSupervisor();
    const info = await headObject(supervisor, uriOf('a'));
    expect(info).toEqual({
      uri: uriOf('a'),
      size: 1000,
      version: 'v-a',
      lastModifiedMs: 5,
      contentType: null,
    });
    expect(stopped(supervisor)).toBe(true);
  });
});

describe('list', () => {
  const keys = ['a/1', 'a/2', 'a/b/3', 'a/b/4', 'c'];

  it('walks all pages', async () => {
    const supervisor = createFakeSupervisor({ keys, pageKeys: 2 });
    const found = await all(listObjects(supervisor, uriOf('a/')));
    expect(found.map(({ key }) => key)).toEqual(keys.slice(0, 4));
    expect(found[0]).toEqual({
      kind: 'object',
      uri: uriOf('a/1'),
      key: 'a/1',
      size: 1000,
      version: 'v-a/1',
      lastModified: null,
    });
    expect(supervisor.streams[0]?.reasons).toEqual(['completed']);
  });

  it('rolls up one level', async () => {
    const supervisor = createFakeSupervisor({ keys });
    const found = await all(listObjects(supervisor, uriOf('a/'), { delimiter: '/' }));
    expect(found.map(({ kind, uri }) => [kind, uri])).toEqual([
      ['object', uriOf('a/1')],
      ['object', uriOf('a/2')],
      ['prefix', uriOf('a/b/')],
    ]);
  });

  it('is over after a break', async () => {
    const supervisor = createFakeSupervisor({ keys, pageKeys: 2 });
    for await (const { kind } of listObjects(supervisor, uriOf(''))) {
      expect(kind).toBe('object');
      break;
    }
    expect(supervisor.streams[0]?.reasons).toEqual(['break']);
  });

  it('checks its arguments at the call', () => {
    const supervisor = createFakeSupervisor();
    expect(() => listObjects(supervisor, 'nowhere')).toThrow('uri: "nowhere"');
    expect(() => listObjects(supervisor, uriOf(''), { delimiter: '' })).toThrow('delimiter: expected');
    expect(supervisor.streams).toHaveLength(0);
  });
});
