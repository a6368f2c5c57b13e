/** How behaviours are declared: a group that claims are added to, each whole or by cases. */
import type { StoreBehaviour, StoreException, StoreFixture, StoreTraits } from './traits.js';

type Run = (fixture: StoreFixture) => Promise<void>;

export interface Group {
  readonly behaviours: StoreBehaviour[];
  /** Adds a claim; `unless` names the exceptions that excuse a store from it. */
  readonly claim: (claim: string, run: Run, ...unless: readonly StoreException[]) => void;
  /** Adds a claim by cases: what each is called, and what `run` is given for it. */
  readonly each: <T>(
    claim: string,
    cases: readonly (readonly [name: string, value: T])[],
    run: (fixture: StoreFixture, value: T) => Promise<void>,
    ...unless: readonly StoreException[]
  ) => void;
}

export function groupOf(group: string, { exceptions = {} }: Pick<StoreTraits, 'exceptions'>): Group {
  const behaviours: StoreBehaviour[] = [];
  const add = (claim: string, name: string, run: Run, unless: readonly StoreException[]): void => {
    const skip = unless.map((exception) => exceptions[exception]).find((reason) => reason !== undefined);
    behaviours.push({ group, claim, name, skip: skip ?? null, run });
  };
  return {
    behaviours,
    claim: (claim, run, ...unless) => add(claim, claim, run, unless),
    each: (claim, cases, run, ...unless) => {
      for (const [name, value] of cases)
        add(claim, `${claim}: ${name}`, (fixture) => run(fixture, value), unless);
    },
  };
}

/** Cases that are called by their values, with a unit. */
export function casesOf(values: readonly number[], unit: string): (readonly [string, number])[] {
  return values.map((value) => [unit === '' ? String(value) : `${value} ${unit}`, value] as const);
}
