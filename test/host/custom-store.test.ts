import { describe, expect, it } from 'vitest';
import { customStore } from '../../dist/host/custom-store.js';
import { loadDirectStore } from '../../dist/host/modules.js';
import type { MillraceError } from '../../dist/protocol/errors.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { AsyncStore, ReadAnswer, ReadRequest } from '../../dist/protocol/store.js';
import { readOnce } from '../kit/attempts.js';

const request: ReadRequest = {
  key: new TextEncoder().encode('a'),
  start: 0,
  length: 4,
  whole: true,
  version: null,
  verify: 'never',
};
const complete: ReadAnswer = {
  outcome: 'complete',
  landed: 4,
  size: 4,
  version: 'v',
  error: null,
  retryAfterMs: 0,
};

function storeOf(read: AsyncStore['read'], rest: Partial<AsyncStore> = {}): AsyncStore {
  const never = (): never => {
    throw new Error('not asked for');
  };
  return { read, head: never, list: never, update: never, close: never, ...rest };
}

describe("a user's store", () => {
  it('answers by a promise or at once', async () => {
    for (const read of [() => complete, async () => complete]) {
      expect(await readOnce(customStore(storeOf(read)), request, new Uint8Array(4), NEVER)).toBe(complete);
    }
  });

  it('that throws, or rejects, refuses with what it threw', async () => {
    const thrown = new RangeError('no such shelf');
    const reads: AsyncStore['read'][] = [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ];
    for (const read of reads) {
      const answer = await readOnce(customStore(storeOf(read)), request, new Uint8Array(4), NEVER);
      expect(answer).toMatchObject({ outcome: 'refused', landed: 0, error: { code: 'Internal' } });
      expect(answer.error!.message).toContain('no such shelf');
    }
  });

  it('that answers with an error of any other kind is answered with one of ours, which can be sent', async () => {
    const plain = new RangeError('shelf moved') as unknown as MillraceError;
    const changed: ReadAnswer = { ...complete, outcome: 'version-changed', landed: 0, error: plain };
    const store = customStore(storeOf(() => changed));
    const answer = await readOnce(store, request, new Uint8Array(4), NEVER);
    expect(answer).toMatchObject({ outcome: 'version-changed', error: { code: 'Internal', cause: plain } });
    expect(answer.error!.toWire().message).toContain('shelf moved');
  });

  it('that gives its versions as numbers has them as text', async () => {
    const numbered = { ...complete, version: 17 as unknown as string };
    const store = customStore(storeOf(() => numbered));
    expect(await readOnce(store, request, new Uint8Array(4), NEVER)).toEqual({ ...complete, version: '17' });
  });

  it('keeps a request of its own, which the caller does not use again', async () => {
    let seen: ReadRequest | null = null;
    const mine = { ...request };
    const store = customStore(storeOf((asked) => ((seen = asked), complete)));
    const answered = readOnce(store, mine, new Uint8Array(4), NEVER);
    mine.start = 99;
    await answered;
    expect(seen).toEqual(request);
  });

  it('is called as the object that it is', async () => {
    class Shelf {
      readonly closed: string[] = [];
      read(): ReadAnswer {
        return complete;
      }
      close(): void {
        this.closed.push('closed');
      }
    }
    const shelf = new Shelf();
    customStore(shelf as unknown as AsyncStore).close();
    expect(shelf.closed).toEqual(['closed']);
  });

  it('may be made by an asynchronous function', async () => {
    const source = `export const createStore = async () => ({ read: async () => (${JSON.stringify(complete)}) })`;
    const store = await loadDirectStore({
      id: 0,
      name: 'shelf://b',
      dataModule: `data:text/javascript,${encodeURIComponent(source)}`,
      kind: 'custom',
      snapshot: { version: 1, expiresAtMs: null, config: null },
    });
    expect(await readOnce(store, request, new Uint8Array(4), NEVER)).toEqual(complete);
  });
});
