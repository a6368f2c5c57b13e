/**
 * What every `Store` does, whatever is behind it. A backend calls `storeConformance` from a test file of its own; what
 * only it can do (links, signatures, throttling) it tests beside that.
 *
 * Every payload tells its object and its place in each byte, every target lies between guard bytes in shared memory.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { cancels, looksAtVersions, readsRanges, readsWhole } from './store.reads.js';
import { lists, ODD_KEYS, refusesKeys, rollsUp, takesOddKeys } from './store.keys.js';
import type { StoreFixture } from './store.kit.js';
import { writes } from './store.writes.js';
import type { WriteTraits } from './writes.kit.js';

export type { StoreFixture } from './store.kit.js';

export interface StoreTraits {
  open(): Promise<StoreFixture>;
  /** Keys that this store allows beyond the usual ones, such as one with a leading slash. */
  readonly extraKeys?: readonly (string | Uint8Array)[];
  /** Odd keys that it refuses before it asks, because the service would take them for others. */
  readonly refusedKeys?: readonly string[];
  /** In which order the server lists. @default 'utf-8' */
  readonly keyOrder?: 'utf-8' | 'utf-16';
  /** Whether the server counts rolled-up prefixes as entries of a page. @default true */
  readonly countsPrefixes?: boolean;
  /** Whether the server looks at the version that is asked for, so that no byte of another one comes. @default true */
  readonly refusesOldVersions?: boolean;
  /** How it writes; null for a store that is read-only. */
  readonly writes: WriteTraits | null;
}

export function storeConformance(name: string, traits: StoreTraits): void {
  describe(`${name} as a store`, () => {
    let fixture: StoreFixture | undefined;
    const use = (): StoreFixture => {
      if (fixture === undefined) throw new Error('the store did not open');
      return fixture;
    };
    beforeAll(async () => {
      fixture = await traits.open();
    });
    afterAll(async () => {
      fixture?.store.close();
      await fixture?.close();
    });
    describe('read', () => readsWhole(use));
    describe('read of a range', () => readsRanges(use));
    describe('version', () => looksAtVersions(use, traits.refusesOldVersions ?? true));
    describe('cancel', () => cancels(use));
    describe('list', () => lists(use, traits.keyOrder ?? 'utf-8'));
    describe('delimiter', () => rollsUp(use, traits.countsPrefixes ?? true));
    const refused = traits.refusedKeys ?? [];
    const taken = [...ODD_KEYS.filter((key) => !refused.includes(key)), ...(traits.extraKeys ?? [])];
    describe('odd keys', () => takesOddKeys(use, taken));
    if (refused.length > 0) describe('keys of others', () => refusesKeys(use, refused));
    if (traits.writes !== null) writes(use, traits.writes, taken);
  });
}
