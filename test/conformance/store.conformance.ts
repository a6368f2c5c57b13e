/**
 * The behaviours of `millrace/testing` as vitest's tests, over a store of ours. What only that store can do (links,
 * signatures, throttling) is tested beside its own room.
 */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { storeBehaviours, type StoreFixture } from '../../dist/testing/index.js';
import type { Column } from './columns.mjs';

/** A fixture that the tests close. */
export interface OpenFixture extends StoreFixture {
  close(): Promise<void>;
}

export function storeConformance({ name, traits }: Column, open: () => Promise<OpenFixture>): void {
  describe(`${name} as a store`, () => {
    let fixture: OpenFixture | undefined;
    beforeAll(async () => {
      fixture = await open();
    });
    afterAll(async () => {
      fixture?.store.close();
      await fixture?.close();
    });
    // What a column names as the service's own limit is in docs/backends.md, with the reason, and no test.
    const behaviours = storeBehaviours(traits).filter(({ skip }) => skip === null);
    for (const group of new Set(behaviours.map((each) => each.group))) {
      describe(group, () => {
        for (const each of behaviours.filter((behaviour) => behaviour.group === group)) {
          it(each.name, async () => {
            if (fixture === undefined) throw new Error('the store did not open');
            await each.run(fixture);
          });
        }
      });
    }
  });
}
