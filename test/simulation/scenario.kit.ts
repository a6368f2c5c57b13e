/** What a scenario of the simulation is given, and what becomes of one run of it. */
import { isDeepStrictEqual } from 'node:util';
import { Oracle, type Choice, type Tape } from '../../dist/runtime/simulation/oracle.js';
import { createPolicy, POLICIES, type PolicyName } from '../../dist/runtime/simulation/policies.js';
import type { Simulation, SimulationOptions } from '../../dist/runtime/simulation/simulation.js';
import { FaultSites, type FaultName } from '../../dist/runtime/simulation/sites.js';

/** Everything that a scenario may draw from. */
export class Draw {
  readonly oracle: Oracle;
  readonly sites: FaultSites;
  readonly policy: PolicyName;
  readonly seed: number;
  /** States that have to be reached by some run, or the scenario does not test what it seems to. */
  readonly marks = new Map<string, number>();
  readonly simulation: Pick<SimulationOptions, 'oracle' | 'policy' | 'sites'>;
  /** After which a run is not over. */
  readonly maxSteps: number;
  #sims: readonly Simulation[] = [];

  constructor(
    seed: number,
    tape: Tape | undefined,
    onChoice: ((choice: Choice) => void) | undefined,
    maxSteps: number,
  ) {
    this.seed = seed;
    this.maxSteps = maxSteps;
    this.oracle = new Oracle({
      seed,
      ...(tape === undefined ? {} : { tape }),
      ...(onChoice === undefined ? {} : { onChoice }),
    });
    this.policy = this.oracle.of(POLICIES, 'policy');
    const endsAtMs = this.oracle.of([2000, 20_000, 100_000], 'when faults end');
    this.sites = new FaultSites({
      oracle: this.oracle,
      now: () => this.#sims.at(-1)?.now ?? 0,
      endsAtMs,
    });
    this.simulation = {
      oracle: this.oracle,
      policy: createPolicy(this.policy, this.oracle.dice),
      sites: this.sites,
    };
  }

  /** The simulations of this run, in the order in which they began. */
  get sims(): readonly Simulation[] {
    return this.#sims;
  }

  /** Says which simulation's time it is. */
  attach(sim: Simulation): void {
    this.#sims = [...this.#sims, sim];
  }

  /** Notes that something was reached. */
  sometimes(name: string, reached = true): void {
    if (reached) this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  /** How often faults of these kinds have struck. */
  struck(...prefixes: readonly string[]): number {
    let sum = 0;
    for (const [name, count] of this.sites.counts)
      if (prefixes.some((prefix) => name.startsWith(prefix))) sum += count;
    return sum;
  }
}

export interface Scenario {
  readonly name: string;
  /** Marks that a long run has to reach. */
  readonly marks: readonly string[];
  /** Runs to its end; what was violated, in words. Rejects when it does not come to its end. */
  readonly run: (draw: Draw) => Promise<string[]>;
}

export interface Run {
  readonly scenario: string;
  readonly seed: number;
  readonly policy: PolicyName;
  /** Nothing, if all is well. */
  readonly violations: readonly string[];
  readonly tape: Tape;
  /** Equal for two runs that went the same way. */
  readonly hash: number;
  readonly steps: number;
  readonly faults: ReadonlyMap<FaultName, number>;
  readonly marks: ReadonlyMap<string, number>;
  /** One line per event; made when it is asked for. */
  readonly trace: () => readonly string[];
}

/** A run has a few hundred; one under a cap that lets a request go every few seconds, and samples meanwhile, some ten thousands. */
export const MAX_STEPS = 100_000;
const unhandled: unknown[] = [];
let listening = false;

/** One run: drawn from the seed, or as the tape says. */
export async function runSeed(
  scenario: Scenario,
  seed: number,
  tape?: Tape,
  onChoice?: (choice: Choice) => void,
  maxSteps = MAX_STEPS,
): Promise<Run> {
  if (!listening) process.on('unhandledRejection', (reason) => unhandled.push(reason));
  listening = true;
  const draw = new Draw(seed, tape, onChoice, maxSteps);
  let violations: string[];
  try {
    violations = await scenario.run(draw);
  } catch (thrown) {
    violations = [thrown instanceof Error ? thrown.message : String(thrown)];
  }
  // Node tells of rejections that nobody has looked at only when the queues are empty.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  for (const reason of unhandled.splice(0))
    violations.push(`nobody looked at a rejection: ${String(reason)}`);
  const { sims, oracle, policy, sites, marks } = draw;
  return {
    scenario: scenario.name,
    seed,
    policy,
    violations,
    tape: oracle.tape,
    hash: sims.reduce((hash, sim) => Math.imul(hash, 31) ^ sim.hash, 7),
    steps: sims.reduce((steps, sim) => steps + sim.steps, 0),
    faults: sites.counts,
    marks,
    trace: () => sims.flatMap((sim) => sim.trace),
  };
}

/** In what two runs of one seed differ, in words; nothing for two that went the same way and came to the same. */
export function differences(one: Run, other: Run): string[] {
  const compared: readonly (readonly [what: string, same: boolean])[] = [
    ['events', one.hash === other.hash && one.steps === other.steps],
    ['tape', isDeepStrictEqual(one.tape, other.tape)],
    ['violations', isDeepStrictEqual(one.violations, other.violations)],
  ];
  return compared.filter(([, same]) => !same).map(([what]) => what);
}
