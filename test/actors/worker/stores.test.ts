import { describe, expect, it } from 'vitest';
import { Stores } from '../../../dist/actors/worker/stores.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import type { TurnSignal, WorkerContext } from '../../../dist/protocol/context.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { ControlReply, StoreSpec } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import type { Store, StoreSnapshot } from '../../../dist/protocol/store.js';
import { createRuntimeWords, writeToken } from '../../../dist/protocol/words.js';
import { isSettled } from '../../protocol/pipe.js';

const ID = 4;

const snapshotOf = (version: number): StoreSnapshot => ({ version, expiresAtMs: null, config: null });
const specOf = (version: number, name = 's3://shelf', id = ID): StoreSpec => ({
  id,
  name,
  dataModule: 'data.js',
  kind: 'direct',
  snapshot: snapshotOf(version),
});

/** A store that notes the snapshots that it is given, and how often it was closed. */
function fakeStore() {
  const seen = { versions: [] as number[], closes: 0 };
  const store = {
    update: ({ version }: StoreSnapshot) => void seen.versions.push(version),
    close: () => void (seen.closes += 1),
  } as Partial<Store> as Store;
  return { store, seen };
}

/** Stores that come open, and sleeps that end, when the test says so. */
function storesOf() {
  const words = createRuntimeWords();
  writeToken(words, 0, 1, StopState.Live);
  const token = new LocalToken(words, 0, 1);
  const posts: ControlReply[] = [];
  const openings: { resolve: (store: Store) => void; reject: (thrown: unknown) => void }[] = [];
  const sleeps: { ms: number; end: () => void; wakes: number }[] = [];
  const context = {
    name: 'worker-1#2',
    openStore: () => new Promise<Store>((resolve, reject) => void openings.push({ resolve, reject })),
    control: { post: (reply: ControlReply) => void posts.push(reply), onMessage: () => {} },
    sleep: (ms: number, stop: TurnSignal) =>
      new Promise<void>((resolve) => {
        let unlink = (): void => {};
        const end = (): void => {
          unlink();
          resolve();
        };
        const sleep = { ms, end, wakes: 0 };
        sleeps.push(sleep);
        unlink = stop.onTurn(() => {
          sleep.wakes += 1;
          end();
        });
      }),
  } as Partial<WorkerContext> as WorkerContext;
  const stores = new Stores(context);
  const turn = (state: StopState): void => {
    writeToken(words, 0, 1, state);
    token.turned();
  };
  return { stores, token, turn, posts, openings, sleeps };
}

/** As `storesOf`, with one store that is open with the first snapshot. */
async function opened() {
  const kit = storesOf();
  const { store, seen } = fakeStore();
  kit.stores.add(specOf(1));
  kit.openings[0]!.resolve(store);
  await kit.stores.get(ID);
  return { ...kit, store, seen };
}

describe('the stores of a worker', () => {
  it('are opened once, and at hand without a promise from then on', async () => {
    const { stores, openings } = storesOf();
    const { store, seen } = fakeStore();
    stores.add(specOf(1));
    stores.add(specOf(1));
    const opening = stores.get(ID);
    expect([opening instanceof Promise, openings.length]).toEqual([true, 1]);
    openings[0]!.resolve(store);
    expect(await opening).toBe(store);
    expect(stores.get(ID)).toBe(store);
    expect([stores.version(ID), seen.versions]).toEqual([1, []]);
  });

  it('are known by id: another one is a defect that names the worker', () => {
    const { stores } = storesOf();
    stores.add(specOf(1));
    expect(() => stores.get(ID + 1)).toThrow(
      expect.objectContaining({ code: ErrorCode.Internal, message: 'no store 5 in worker-1#2' }),
    );
    expect(stores.version(ID + 1)).toBe(0);
  });

  it('fail everybody who asks for one that cannot be opened, with the reason', async () => {
    const { stores, openings } = storesOf();
    stores.add(specOf(1));
    openings[0]!.reject(new RangeError('no such module'));
    for (let i = 0; i < 2; i += 1) {
      await expect(stores.get(ID)).rejects.toMatchObject({
        code: ErrorCode.ModuleUnavailable,
        message: expect.stringContaining('no such module') as string,
        context: { phase: 'prepare' },
      });
    }
    stores.add(specOf(1, 's3://other', 5));
    openings[1]!.reject(new MillraceError(ErrorCode.AccessDenied, 'not yours'));
    await expect(stores.get(5)).rejects.toMatchObject({ code: ErrorCode.AccessDenied });
    // Its credentials may be renewed all the same.
    stores.update(ID, snapshotOf(2));
    expect(stores.version(ID)).toBe(1);
  });

  it('name an object by the store and its key, with one slash between', () => {
    const { stores } = storesOf();
    stores.add(specOf(1, 's3://shelf'));
    stores.add(specOf(1, 'file:///', 5));
    expect([stores.uri(ID, 'a/b'), stores.uri(5, 'a/b'), stores.uri(6, 'a')]).toEqual([
      's3://shelf/a/b',
      'file:///a/b',
      '/a',
    ]);
  });

  it('are closed once, those that come open afterwards too', async () => {
    const { stores, openings } = storesOf();
    const [early, late] = [fakeStore(), fakeStore()];
    stores.add(specOf(1));
    stores.add(specOf(1, 's3://late', 5));
    openings[0]!.resolve(early.store);
    await stores.get(ID);
    expect(early.seen.closes).toBe(0);
    stores.close();
    stores.close();
    expect([early.seen.closes, late.seen.closes]).toEqual([1, 0]);
    openings[1]!.resolve(late.store);
    await stores.get(5);
    expect([early.seen.closes, late.seen.closes]).toEqual([1, 1]);
  });
});

describe('a snapshot', () => {
  it('is given to the store when it is newer, and never twice', async () => {
    const { stores, seen } = await opened();
    stores.update(ID, snapshotOf(3));
    stores.update(ID, snapshotOf(3));
    stores.update(ID, snapshotOf(2));
    stores.add(specOf(4));
    stores.add(specOf(1));
    await isSettled(Promise.resolve());
    expect([seen.versions, stores.version(ID)]).toEqual([[3, 4], 4]);
  });

  it('that came while its store was opened is given to it then, the newest alone', async () => {
    const { stores, openings } = storesOf();
    const { store, seen } = fakeStore();
    stores.add(specOf(1));
    stores.update(ID, snapshotOf(2));
    stores.update(ID, snapshotOf(3));
    stores.update(ID, snapshotOf(2));
    expect(stores.version(ID)).toBe(1);
    openings[0]!.resolve(store);
    await stores.get(ID);
    await isSettled(Promise.resolve());
    expect([seen.versions, stores.version(ID)]).toEqual([[3], 3]);
  });

  it('of a store that nobody has told of is of no use', () => {
    const { stores } = storesOf();
    stores.update(ID, snapshotOf(2));
    stores.fail(ID, new MillraceError(ErrorCode.Unauthenticated, 'none'));
    expect(stores.version(ID)).toBe(0);
  });
});

describe('who waits for fresher credentials', () => {
  it('asks for them, and goes on when they come', async () => {
    const { stores, token, posts, sleeps } = await opened();
    const refresh = stores.refresh(ID, 1, token);
    expect(posts).toEqual([{ kind: 'stale-store', id: ID, version: 1 }]);
    expect(sleeps.map(({ ms }) => ms)).toEqual([20_000]);
    expect(await isSettled(refresh)).toBe(false);
    stores.update(ID, snapshotOf(2));
    expect(await refresh).toBe(null);
    expect([stores.version(ID), token.listeners]).toEqual([2, 0]);
  });

  it('need not ask where they are here already', async () => {
    const { stores, token, posts, sleeps } = await opened();
    stores.update(ID, snapshotOf(2));
    await isSettled(Promise.resolve());
    expect(await stores.refresh(ID, 1, token)).toBe(null);
    expect([posts, sleeps]).toEqual([[], []]);
    void stores.refresh(ID, 2, token);
    expect(posts).toEqual([{ kind: 'stale-store', id: ID, version: 2 }]);
  });

  it('is told why there are none, each time anew', async () => {
    const { stores, token, sleeps } = await opened();
    const error = new MillraceError(ErrorCode.Unauthenticated, 'the session is over');
    const [first, second] = [stores.refresh(ID, 1, token), stores.refresh(ID, 1, token)];
    stores.fail(ID, error);
    expect([await first, await second]).toEqual([error, error]);
    const third = stores.refresh(ID, 1, token);
    expect(await isSettled(third)).toBe(false);
    sleeps.at(-1)!.end();
    expect((await third)!.message).toContain('no fresh credentials');
  });

  it('forgets why there were none once there are some', async () => {
    const { stores, token, sleeps } = await opened();
    stores.fail(ID, new MillraceError(ErrorCode.Unauthenticated, 'the session is over'));
    const refresh = stores.refresh(ID, 1, token);
    sleeps[0]!.end();
    expect((await refresh)!.message).toContain('no fresh credentials');
    const again = stores.refresh(ID, 1, token);
    stores.fail(ID, new MillraceError(ErrorCode.Unauthenticated, 'the session is over'));
    stores.update(ID, snapshotOf(2));
    expect(await again).toBe(null);
  });

  it('gives up after a while, and says for what it waited', async () => {
    const { stores, token, sleeps } = await opened();
    const refresh = stores.refresh(ID, 1, token);
    sleeps[0]!.end();
    expect(await refresh).toMatchObject({
      code: ErrorCode.Unauthenticated,
      message: 'no fresh credentials for s3://shelf within 20000 ms',
      context: { phase: 'prepare' },
    });
    // Nobody is left who would be woken.
    stores.update(ID, snapshotOf(2));
    expect([token.listeners, sleeps[0]!.wakes]).toEqual([0, 0]);
  });

  it.each([StopState.Draining, StopState.Cancelled])(
    'ends without an error when its token turns to %i',
    async (state) => {
      const { stores, token, turn } = await opened();
      const refresh = stores.refresh(ID, 1, token);
      turn(state);
      expect(await refresh).toBe(null);
      expect(token.listeners).toBe(0);
    },
  );

  it('is not woken by what is no fresher', async () => {
    const { stores, token } = await opened();
    stores.update(ID, snapshotOf(3));
    await isSettled(Promise.resolve());
    const refresh = stores.refresh(ID, 3, token);
    stores.update(ID, snapshotOf(3));
    stores.update(ID, snapshotOf(2));
    expect(await isSettled(refresh)).toBe(false);
    stores.update(ID, snapshotOf(4));
    expect(await refresh).toBe(null);
  });

  it('is not woken by what happens to another store', async () => {
    const { stores, token, openings } = await opened();
    stores.add(specOf(1, 's3://other', 5));
    openings[1]!.resolve(fakeStore().store);
    const refresh = stores.refresh(ID, 1, token);
    stores.update(5, snapshotOf(9));
    stores.fail(5, new MillraceError(ErrorCode.Unauthenticated, 'none'));
    expect(await isSettled(refresh)).toBe(false);
    stores.update(ID, snapshotOf(2));
    expect(await refresh).toBe(null);
  });
});
