/**
 * In which order a simulation lets things happen: who picks among the events that could come next.
 *
 * Each finds other defects: `uniform` the common races, `pct` those that need a few actors to be late at the right moments
 * (Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010), `starve` what
 * relies on somebody's turn coming soon, `lifo` what relies on order between ports, `fifo` is the plain run.
 */

import { between } from '../../protocol/seeded.js';

/** What could happen next, as a policy sees it. */
export interface Candidate {
  /** Whom it happens to. */
  readonly party: { readonly name: string };
  /** Whether time has to move for it, past what could happen now. */
  readonly overtakes: boolean;
}

/** An index into the candidates, which are in the order in which they came to be possible. */
export interface Policy {
  readonly name: PolicyName;
  pick(candidates: readonly Candidate[], step: number): number;
}

export const POLICIES = ['fifo', 'uniform', 'pct', 'starve', 'lifo'] as const;
export type PolicyName = (typeof POLICIES)[number];

/** How often a timer is let past messages that are under way. */
const OVERTAKE_SHARE = 0.25;
/** The steps among which the moments are drawn at which somebody falls behind. */
const PCT_STEPS = 300;
const PCT_CHANGES = 3;
/** Even who is starved gets a turn now and then: no thread of a real machine waits for ever. */
const STARVED_SHARE = 0.01;

export function createPolicy(name: PolicyName, dice: () => number): Policy {
  switch (name) {
    case 'fifo':
      return { name, pick: () => 0 };
    case 'lifo':
      return { name, pick: (candidates) => latest(candidates, dice) };
    case 'uniform':
      return { name, pick: (candidates) => uniform(candidates, dice) };
    case 'pct':
      return createPct(dice);
    case 'starve':
      return createStarving(dice);
  }
}

/** How many of the candidates may happen without time moving. */
function nowCount(candidates: readonly Candidate[]): number {
  const { length } = candidates;
  return candidates[length - 1]!.overtakes ? length - 1 : length;
}

function uniform(candidates: readonly Candidate[], dice: () => number): number {
  const now = nowCount(candidates);
  if (now < candidates.length && dice() < OVERTAKE_SHARE) return now;
  return between(dice, 0, now - 1);
}

function latest(candidates: readonly Candidate[], dice: () => number): number {
  const now = nowCount(candidates);
  return now < candidates.length && dice() < OVERTAKE_SHARE ? now : now - 1;
}

function createPct(dice: () => number): Policy {
  const priorities = new Map<string, number>();
  const changes = new Set<number>();
  while (changes.size < PCT_CHANGES) changes.add(between(dice, 0, PCT_STEPS - 1));
  const priorityOf = ({ party }: Candidate): number => {
    const known = priorities.get(party.name);
    if (known !== undefined) return known;
    const drawn = 1 + dice();
    priorities.set(party.name, drawn);
    return drawn;
  };
  const highest = (candidates: readonly Candidate[]): number => {
    let best = 0;
    for (let i = 1; i < candidates.length; i += 1)
      if (priorityOf(candidates[i]!) > priorityOf(candidates[best]!)) best = i;
    return best;
  };
  return {
    name: 'pct',
    pick: (candidates, step) => {
      const best = highest(candidates);
      if (!changes.has(step)) return best;
      // From here on it comes behind everybody, those that fell behind before included.
      priorities.set(candidates[best]!.party.name, -step);
      return highest(candidates);
    },
  };
}

function createStarving(dice: () => number): Policy {
  let starved: string | null = null;
  return {
    name: 'starve',
    pick: (candidates) => {
      // Somebody who was seen early: drawn among the first few choices there are.
      if (starved === null && dice() < 0.1)
        starved = candidates[between(dice, 0, candidates.length - 1)]!.party.name;
      const others = candidates.flatMap(({ party }, i) => (party.name === starved ? [] : [i]));
      if (others.length === 0 || dice() < STARVED_SHARE) return uniform(candidates, dice);
      return others[between(dice, 0, others.length - 1)]!;
    },
  };
}
