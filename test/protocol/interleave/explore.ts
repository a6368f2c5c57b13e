/**
 * Every schedule of two or three threads, over the shipped code.
 *
 * Atomic operations are sequentially consistent and nothing else is shared, so what real threads can do is what some
 * order of these steps does. A state is the shared words, the messages under way, and what each thread has seen so far;
 * two schedules that lead to the same state go on alike and are followed once. Nothing is left out by that, neither a
 * bound on preemptions nor a choice of orders: the number of schedules that is reported is the number of orders that
 * were covered, and is counted, not estimated.
 *
 * Each step lengthens one history, so no state comes twice in a schedule, and the search by levels that is done here
 * finds the shortest schedule that breaks a claim.
 */
import { interceptThreads, ModelThread, type Place, type Program } from './thread.js';
import { applyStep, arriveFrom, describeStep, emptyWorld, type World } from './world.js';

/** What claims are made about. */
export interface View {
  readonly word: (name: string, index: number) => number;
  /** Posted and not arrived. */
  readonly queue: (name: string) => readonly unknown[];
  /** All that was ever posted. */
  readonly posted: (name: string) => readonly unknown[];
  readonly notes: (thread: string) => readonly unknown[];
  /** The verb before which a thread stands, or null between two turns. */
  readonly next: (thread: string) => string | null;
  readonly crashed: (thread: string) => boolean;
  /** Threads that have not come to their end, the crashed ones apart. */
  readonly waiting: readonly string[];
}

export interface Scenario {
  readonly threads: Readonly<Record<string, Program>>;
  /** First values by `name[index]`; 0 where nothing is said. */
  readonly words?: Readonly<Record<string, number>>;
  /** Threads that may die before any step. */
  readonly mayCrash?: readonly string[];
  /** When an event can happen, and whether it will for certain; any time and perhaps never where nothing is said. */
  readonly events?: Readonly<
    Record<string, { readonly when?: (view: View) => boolean; readonly certain?: boolean }>
  >;
  /** Throws when something is wrong. Called in every state. */
  always?(view: View): void;
  /** The same, where no thread can go on but by an event that may never come. */
  quiet(view: View): void;
}

export interface Explored {
  readonly states: number;
  readonly schedules: bigint;
  /** Steps of the longest schedule. */
  readonly longest: number;
  /** How often code was run: once for each thing that a thread can have seen. */
  readonly runs: number;
}

/** So many states mean that a scenario is too large to be understood, before it is too large to be held. */
const MAX_STATES = 400_000;

interface State {
  readonly world: World;
  readonly places: readonly Place[];
  readonly crashed: readonly boolean[];
  readonly from: State | null;
  readonly choice: Choice | null;
  schedules: bigint;
}

interface Choice {
  /** Words for a schedule that is shown. */
  readonly label: () => string;
  /** False for what may never happen. */
  readonly certain: boolean;
  readonly make: () => { world: World; place: Promise<Place> | Place; crash?: true };
  readonly thread: number;
}

/** @throws Error with the schedule, when a claim is broken or a thread throws */
export async function explore(scenario: Scenario): Promise<Explored> {
  const restore = interceptThreads();
  try {
    return await new Search(scenario).run();
  } finally {
    restore();
  }
}

class Search {
  readonly #scenario: Scenario;
  readonly #threads: readonly ModelThread[];
  #states = 0;
  #schedules = 0n;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#threads = Object.entries(scenario.threads).map(([name, program]) => new ModelThread(name, program));
  }

  async run(): Promise<Explored> {
    const places: Place[] = [];
    for (const thread of this.#threads) places.push(await thread.start());
    const crashed = places.map(() => false);
    let level = new Map<string, State>();
    const world = emptyWorld(this.#scenario.words);
    level.set('', { world, places, crashed, from: null, choice: null, schedules: 1n });
    let longest = 0;
    for (; level.size > 0; longest += 1) level = await this.#next(level);
    const runs = this.#threads.reduce((sum, thread) => sum + thread.histories, 0);
    return { states: this.#states, schedules: this.#schedules, longest: longest - 1, runs };
  }

  /** All states one step further. */
  async #next(level: ReadonlyMap<string, State>): Promise<Map<string, State>> {
    const next = new Map<string, State>();
    for (const state of level.values()) {
      this.#states += 1;
      if (this.#states > MAX_STATES) throw new Error(`more than ${MAX_STATES} states`);
      const choices = this.#choices(state);
      this.#check(state, choices);
      if (choices.length === 0) this.#schedules += state.schedules;
      for (const choice of choices) {
        const after = await this.#after(state, choice);
        const key = keyOf(after);
        const same = next.get(key);
        if (same === undefined) next.set(key, after);
        else same.schedules += state.schedules;
      }
    }
    return next;
  }

  #choices(state: State): Choice[] {
    const choices: Choice[] = [];
    for (const [thread, place] of state.places.entries()) {
      if (!state.crashed[thread]) choices.push(...this.#choicesOf(state, thread, place));
    }
    return choices;
  }

  #choicesOf(state: State, thread: number, place: Place): Choice[] {
    const { world } = state;
    const model = this.#threads[thread]!;
    const { name } = model;
    const choices: Choice[] = [];
    const add = (label: () => string, make: Choice['make'], certain = true): void => {
      choices.push({ label: () => `${name}: ${label()}`, certain, make, thread });
    };
    const { step } = place;
    if (step !== null) {
      const { world: after, result } = applyStep(world, step);
      const label = (): string =>
        `${describeStep(step)}${result === undefined ? '' : ` (${JSON.stringify(result)})`}`;
      add(label, () => ({ world: after, place: model.stepped(place, result) }));
    }
    for (const queue of place.hears) {
      if ((world.queues.get(queue) ?? []).length === 0) continue;
      const { world: after, message } = arriveFrom(world, queue);
      add(
        () => `hears ${JSON.stringify(message)} from ${queue}`,
        () => ({ world: after, place: model.heard(place, queue, message) }),
      );
    }
    for (const event of place.events) {
      const { when, certain = false } = this.#scenario.events?.[event] ?? {};
      if (when !== undefined && !when(this.#view(state))) continue;
      add(
        () => `meets ${event}`,
        () => ({ world, place: model.met(place, event) }),
        certain,
      );
    }
    if (this.#scenario.mayCrash?.includes(name) === true) {
      add(
        () => 'crashes',
        () => ({ world, place, crash: true }),
        false,
      );
    }
    return choices;
  }

  async #after(state: State, choice: Choice): Promise<State> {
    const { world, place, crash } = choice.make();
    // Awaiting what is there already would cost a turn for each of many thousand states.
    const to = place instanceof Promise ? await place : place;
    return {
      world,
      places: state.places.with(choice.thread, to),
      crashed: crash === true ? state.crashed.with(choice.thread, true) : state.crashed,
      from: state,
      choice,
      schedules: state.schedules,
    };
  }

  #check(state: State, choices: readonly Choice[]): void {
    const view = this.#view(state);
    try {
      for (const { failure } of state.places) if (failure !== null) throw failure;
      this.#scenario.always?.(view);
      if (!choices.some((choice) => choice.certain)) this.#scenario.quiet(view);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}\n${scheduleOf(state)}`, { cause: error });
    }
  }

  #view({ world, places, crashed }: State): View {
    const indexOf = (name: string): number => this.#threads.findIndex((thread) => thread.name === name);
    return {
      word: (name, index) => world.words.get(`${name}[${index}]`) ?? 0,
      queue: (name) => world.queues.get(name) ?? [],
      posted: (name) => world.posted.get(name) ?? [],
      notes: (name) => places[indexOf(name)]!.notes,
      next: (name) => places[indexOf(name)]!.step?.verb ?? null,
      crashed: (name) => crashed[indexOf(name)]!,
      waiting: this.#threads
        .filter((_, thread) => !places[thread]!.done && !crashed[thread])
        .map(({ name }) => name),
    };
  }
}

function keyOf({ world, places, crashed }: State): string {
  const words = [...world.words].map(([cell, value]) => `${cell}=${value}`).sort();
  const queues: string[] = [];
  for (const [name, messages] of world.queues)
    if (messages.length > 0) queues.push(`${name}=${JSON.stringify(messages)}`);
  return [...words, ...queues.sort(), ...places.map(({ id }) => id), ...crashed].join(' ');
}

function scheduleOf(state: State): string {
  const lines: string[] = [];
  for (let at: State | null = state; at !== null && at.choice !== null; at = at.from)
    lines.push(`  ${at.choice.label()}`);
  return lines.toReversed().join('\n');
}

/** For a claim, where `expect` would be the slowest part of the search. */
export function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
