/**
 * The loader: a dataset, an order and options, iterated batch by batch. One iteration is one epoch.
 *
 * Invariants:
 * 1. The memory of a batch goes back when the next one is asked for, unless it was retained.
 * 2. However an iteration ends (end, break, throw, cancel), it is over only when nothing of it is in flight, and
 *    there is a terminal record.
 * 3. At most one iteration runs at a time.
 */
import type { Cursor, StoreDirectory, SupervisorHandle, TerminalRecord } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { Batch } from './batch.js';
import { asDataset, type Dataset, type DatasetLike } from './datasets.js';
import { type Claim, createIterator, Iteration } from './iteration.js';
import {
  explainLoader,
  type LoaderEnv,
  type LoaderOptions,
  type ResolvedLoaderOptions,
  resolveLoaderOptions,
} from './options.js';
import { checkOrder } from './plan-source.js';
import type { ExplainRow } from './schema.js';

const BEGINNING: Cursor = { version: 1, objects: 0, items: 0 };

export class Loader implements AsyncIterable<Batch> {
  readonly #supervisor: SupervisorHandle;
  readonly #dataset: Dataset;
  readonly #given: LoaderOptions;
  readonly #env: LoaderEnv;
  readonly #options: ResolvedLoaderOptions;
  #iteration: Iteration | null = null;
  #epoch: number;

  /**
   * Checks everything that can be checked before the first byte.
   * @throws MillraceError InvalidArgument
   */
  constructor(
    supervisor: SupervisorHandle,
    dataset: DatasetLike,
    options: LoaderOptions = {},
    env: LoaderEnv = defaultEnv(supervisor),
  ) {
    this.#supervisor = supervisor;
    this.#dataset = asDataset(dataset);
    this.#given = options;
    this.#env = { ...env, scheme: schemeOf(this.#dataset, supervisor.stores) };
    this.#options = resolveLoaderOptions(options, this.#env);
    this.#epoch = this.#options.epoch;
    checkOrder(this.#dataset, this.#options);
  }

  /** Number of the epoch that the next iteration goes through. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What became of everything, once the last iteration has ended; null before that. */
  get report(): TerminalRecord | null {
    return this.#iteration?.record ?? null;
  }

  /**
   * Resolves, never rejects, with the `report` of the last iteration when that is over, or with null if there was none.
   * A stop or a failure that ends it while its consumer is with a batch does not wait for that: the cursor is then as
   * it was at that moment.
   */
  get done(): Promise<TerminalRecord | null> {
    return this.#iteration?.done ?? Promise.resolve(null);
  }

  /** How far the last iteration is acknowledged: everything before it is. In completion order a gap holds it back. */
  get cursor(): Cursor {
    return this.#iteration?.cursor ?? BEGINNING;
  }

  /** Each effective option, where its value comes from, and why. */
  explain(): readonly ExplainRow[] {
    return explainLoader(this.#given, this.#env);
  }

  /**
   * One more epoch; it begins, and takes its number, with the first `next()`. Leaving a `for await` early waits until
   * nothing is in flight. The first `next()` rejects with InvalidArgument while another iteration of this loader runs.
   * An iterator that is not gone through wants its `return()`: one that is dropped instead runs on until it is
   * garbage-collected, and is then `abandoned` in the report.
   */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    const claim: Claim = (iteration) => {
      if (this.#iteration !== null && !this.#iteration.over) {
        throw new MillraceError(
          ErrorCode.InvalidArgument,
          'this loader is already being iterated; finish that iteration, or make a second loader',
          { phase: 'plan' },
        );
      }
      const epoch = this.#epoch;
      const begun = (): void => {
        this.#iteration = iteration;
        this.#epoch = epoch + 1;
      };
      return { epoch, begun };
    };
    return createIterator(new Iteration(this.#supervisor, this.#dataset, this.#options, claim));
  }
}

/** What a prefix names; a list, by its first object. Others may mix schemes: each object goes by its own. */
function schemeOf(dataset: Dataset, stores: StoreDirectory): LoaderEnv['scheme'] {
  if (dataset.kind === 'prefix') return stores.schemeOf(dataset.prefix);
  if (dataset.kind !== 'map' || !Array.isArray(dataset.map)) return undefined;
  const first: unknown = dataset.map.at(0);
  return typeof first === 'string' ? stores.schemeOf(first) : undefined;
}

function defaultEnv(supervisor: SupervisorHandle): LoaderEnv {
  const { workers, arena } = supervisor;
  return { budgetBytes: arena.budgetBytes, workers, connections: Math.max(64, workers) };
}
