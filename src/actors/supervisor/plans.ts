/** How the reads of a stream go to a store: as its options say, else as the store's scheme does. */
import { DEFAULT_HEDGE } from './hedge.js';
import type { Stream } from './stream.js';
import type { HedgePlan, PlanEntry, RangePlan, StoreDirectory } from './types.js';

export class Plans {
  readonly #stores: StoreDirectory;
  /** By store: asked for several times per object. */
  readonly #ranges: RangePlan[] = [];
  readonly #hedges: boolean[] = [];

  constructor(stores: StoreDirectory) {
    this.#stores = stores;
  }

  readonly ranges = ({ options }: Stream, { store }: PlanEntry): RangePlan =>
    options.ranges ?? this.#schemeRanges(store);

  /** Null where nothing is hedged. */
  readonly hedge = ({ options }: Stream, { store }: PlanEntry): HedgePlan | null => {
    if (options.hedge !== undefined) return options.hedge || null;
    this.#hedges[store] ??= this.#stores.defaults(store).hedge === true;
    return this.#hedges[store] ? DEFAULT_HEDGE : null;
  };

  #schemeRanges(store: number): RangePlan {
    const known = this.#ranges[store];
    if (known !== undefined) return known;
    const { splitThreshold, partBytes, maxPartsPerObject } = this.#stores.defaults(store);
    const ranges = { splitThreshold, partBytes, maxPerObject: maxPartsPerObject };
    this.#ranges[store] = ranges;
    return ranges;
  }
}
