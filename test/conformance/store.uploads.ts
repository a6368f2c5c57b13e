/** Conformance: uploads in parts. Parts have a size that S3 takes. */
import { expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import { keyOf, MIB, type Use } from './store.kit.js';
import {
  abort,
  begin,
  bytesFor,
  complete,
  holds,
  isMissing,
  outcomeOf,
  part,
  put,
  succeed,
  unless,
  uploadsBelow,
  type WriteTraits,
} from './writes.kit.js';

const PART = 5 * MIB;

export function uploadsParts(use: Use, traits: WriteTraits): void {
  const size = 2 * PART + 12_345;
  const upload = async (name: string, order: readonly number[]): Promise<void> => {
    const key = keyOf(`write/parts/${name}`);
    const bytes = bytesFor(name, size);
    const id = await begin(use().store, key, size);
    const receipts: string[] = [];
    for (const index of order) receipts[index] = await part(use().store, key, id, index, PART, bytes);
    if (traits.exceptions?.includes('uploads-unlisted') !== true) await isMissing(use, key);
    const { version } = await succeed(use().store, complete(key, id, receipts, size));
    const seen = await holds(use, key, bytes);
    if (version !== null) expect(version).toBe(seen);
  };

  it('puts parts that come in order together, and shows nothing before', () => upload('in-order', [0, 1, 2]));

  unless(traits, 'parts-in-order')('puts parts together that come in another order', () =>
    upload('out-of-order', [2, 0, 1]),
  );

  unless(traits, 'parts-in-order')('takes a part again, and the last one counts', async () => {
    const key = keyOf('write/parts/again');
    const bytes = bytesFor('again', size);
    const id = await begin(use().store, key, size);
    await part(use().store, key, id, 1, PART, bytesFor('again', size, 2));
    const receipts: string[] = [];
    for (const index of [0, 1, 2]) receipts[index] = await part(use().store, key, id, index, PART, bytes);
    await succeed(use().store, complete(key, id, receipts, size));
    await holds(use, key, bytes);
  });

  it('takes parts of an object whose size it was not told', async () => {
    const key = keyOf('write/parts/unknown');
    const bytes = bytesFor('unknown', PART + 1);
    const id = await begin(use().store, key, -1);
    const receipts = [];
    for (const index of [0, 1]) receipts[index] = await part(use().store, key, id, index, PART, bytes);
    await succeed(use().store, complete(key, id, receipts, PART + 1));
    await holds(use, key, bytes);
  });

  it('keeps two uploads of one key apart', async () => {
    const key = keyOf('write/parts/two');
    const [one, other] = [bytesFor('two', PART + 100), bytesFor('two', PART + 100, 2)];
    const [first, second] = [
      await begin(use().store, key, PART + 100),
      await begin(use().store, key, PART + 100),
    ];
    const receipts: string[] = [];
    for (const index of [0, 1]) {
      receipts[index] = await part(use().store, key, first, index, PART, one);
      await part(use().store, key, second, index, PART, other);
    }
    await succeed(use().store, complete(key, first, receipts, PART + 100));
    await holds(use, key, one);
    await succeed(use().store, abort(key, second));
    await holds(use, key, one);
  });

  it('replaces an object only in the end', async () => {
    const key = keyOf('write/parts/replaced');
    await succeed(use().store, put(key, bytesFor('before', 100)));
    const id = await begin(use().store, key, 3000);
    const receipt = await part(use().store, key, id, 0, PART, bytesFor('after', 3000));
    await holds(use, key, bytesFor('before', 100));
    await succeed(use().store, complete(key, id, [receipt], 3000));
    await holds(use, key, bytesFor('after', 3000));
  });

  unless(traits, 'complete-conditions')(
    'looks at its conditions in the end, and changes nothing when they fail',
    async () => {
      const key = keyOf('write/parts/conditions');
      await succeed(use().store, put(key, bytesFor('there', 100)));
      const id = await begin(use().store, key, 3000);
      const receipt = await part(use().store, key, id, 0, PART, bytesFor('late', 3000));
      const absent = { ...complete(key, id, [receipt], 3000), ifAbsent: true };
      expect(outcomeOf(await use().store.write(absent, NEVER))).toEqual(['refused', 'AlreadyExists']);
      const version = await holds(use, key, bytesFor('there', 100));
      await succeed(use().store, { ...complete(key, id, [receipt], 3000), ifVersion: version });
      await holds(use, key, bytesFor('late', 3000));
    },
  );
}

export function endsUploads(use: Use, traits: WriteTraits): void {
  const started = async (name: string): Promise<{ key: Uint8Array; id: string; receipt: string }> => {
    const key = keyOf(`write/ends/${name}`);
    const id = await begin(use().store, key, 3000);
    return { key, id, receipt: await part(use().store, key, id, 0, PART, bytesFor(name, 3000)) };
  };

  unless(traits, 'uploads-unlisted')(
    'leaves nothing of an upload that is aborted, as often as that may be',
    async () => {
      const { key, id } = await started('aborted');
      await succeed(use().store, abort(key, id));
      await isMissing(use, key);
      if (traits.exceptions?.includes('abort-keeps') !== true)
        expect(await uploadsBelow(use().store, key)).toEqual([]);
      await succeed(use().store, abort(key, id));
    },
  );

  it('leaves the object as it was when an upload over it is aborted', async () => {
    const key = keyOf('write/ends/kept');
    await succeed(use().store, put(key, bytesFor('kept', 500)));
    const { id } = await started('kept');
    await succeed(use().store, abort(key, id));
    await holds(use, key, bytesFor('kept', 500));
  });

  unless(traits, 'complete-aborted')('does not complete what was aborted', async () => {
    const { key, id, receipt } = await started('gone');
    await succeed(use().store, abort(key, id));
    const late = await use().store.write(complete(key, id, [receipt], 3000), NEVER);
    expect(outcomeOf(late)).toEqual(['refused', 'NotFound']);
    await isMissing(use, key);
  });

  unless(traits, 'uploads-unlisted')('lists an upload until it is completed', async () => {
    const { key, id, receipt } = await started('until');
    const keys = async (): Promise<string[]> =>
      (await uploadsBelow(use().store, key)).map((each) => Buffer.from(each.key).toString());
    expect(await keys()).toEqual(['write/ends/until']);
    await succeed(use().store, complete(key, id, [receipt], 3000));
    expect(await keys()).toEqual([]);
  });

  unless(traits, 'uploads-by-key')(
    'lists uploads that have not ended, below a prefix alone, and no others',
    async () => {
      const before = Date.now() - 60_000;
      const one = await started('listed/one');
      const two = await started('listed/two');
      const done = await started('listed/done');
      await succeed(use().store, complete(done.key, done.id, [done.receipt], 3000));
      const aborted = await started('listed/aborted');
      await succeed(use().store, abort(aborted.key, aborted.id));
      const beside = await started('beside');
      const below = await uploadsBelow(use().store, keyOf('write/ends/listed/'));
      expect(below.map(({ key, upload }) => `${Buffer.from(key).toString()} ${upload}`).sort()).toEqual([
        `write/ends/listed/one ${one.id}`,
        `write/ends/listed/two ${two.id}`,
      ]);
      for (const { startedMs } of below) {
        expect(startedMs).toBeGreaterThan(before);
        expect(startedMs).toBeLessThan(before + 600_000);
      }
      const named = await uploadsBelow(use().store, two.key);
      expect(named.map(({ upload }) => upload)).toEqual([two.id]);
      for (const { key, id } of [one, two, beside]) await succeed(use().store, abort(key, id));
      expect(await uploadsBelow(use().store, keyOf('write/ends/'))).toEqual([]);
    },
  );
}
