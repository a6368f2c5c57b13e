/** Stores that are opened while the runtime closes. */
import { describe, expect, it } from 'vitest';
import { Directory } from '../../dist/host/directory.js';
import type { Scheme, StoreControl, StoreSnapshot } from '../../dist/protocol/store.js';

const SNAPSHOT: StoreSnapshot = { version: 1, expiresAtMs: null, config: {} };

/** A promise that the test resolves. */
function gate<T>() {
  let resolve!: (value: T) => void;
  // Wait ends: with the test's call of resolve.
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A scheme that opens, and gives its first snapshot, when the test says so. */
function createSlowScheme() {
  let closes = 0;
  const opened = gate<void>();
  const ready = gate<StoreSnapshot>();
  const asked = gate<void>();
  const control: StoreControl = {
    snapshot: () => {
      asked.resolve();
      return ready.promise;
    },
    close: () => {
      closes += 1;
    },
  };
  const scheme: Scheme = {
    name: 'slow',
    kind: 'direct',
    writes: null,
    dataModule: 'file:///none.js',
    defaults: { splitThreshold: 1, partBytes: 1, maxPartsPerObject: 1 },
    parse: () => ({ store: 'slow://one', key: new Uint8Array() }),
    format: ({ store }) => store,
    open: async () => {
      await opened.promise;
      return control;
    },
  };
  return { scheme, opened, ready, asked: asked.promise, closes: () => closes };
}

describe('a store that is being opened when the runtime closes', () => {
  it.each(['its client', 'its credentials'])('waiting for %s, is closed when it is there', async (waits) => {
    const { scheme, opened, ready, asked, closes } = createSlowScheme();
    const directory = new Directory([scheme]);
    const { store } = directory.locate('slow://one/a');
    const opening = directory.open(store);
    if (waits === 'its credentials') {
      opened.resolve();
      await asked;
    }
    directory.close();
    expect(closes()).toBe(0);
    opened.resolve();
    ready.resolve(SNAPSHOT);
    await expect(opening).rejects.toMatchObject({
      code: 'Cancelled',
      message: 'the runtime was closed while slow://one was being opened',
    });
    expect([closes(), directory.idOf(store)]).toEqual([1, undefined]);
  });

  it('is closed once with the others when it was there before', async () => {
    const { scheme, opened, ready, closes } = createSlowScheme();
    const directory = new Directory([scheme]);
    const { store } = directory.locate('slow://one/a');
    opened.resolve();
    ready.resolve(SNAPSHOT);
    expect(await directory.open(store)).toBe(0);
    expect(closes()).toBe(0);
    directory.close();
    expect(closes()).toBe(1);
  });
});
