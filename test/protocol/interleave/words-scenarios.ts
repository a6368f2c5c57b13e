/** The retry budget and the token words of a runtime, with whoever spends, refunds, turns and looks at the same time. */
import { StopState } from '../../../dist/protocol/stop.js';
import type * as wordsModule from '../../../dist/protocol/words.js';
import { claim, type Scenario, type View } from './explore.js';
import { sharedWords } from './world.js';

/** The module is handed in, so that a broken copy of it can be put through the same. */
export type WordsLibrary = typeof wordsModule;

const words = sharedWords('runtime');

/** Takes the cost of a retry, or puts back so many. */
export type BudgetAct = 'spend' | number;

/** What a thread was told and what is left, in the order of whole acts that the indexes of their threads give. */
function inOrder(
  lib: WordsLibrary,
  acts: readonly BudgetAct[][],
  first: number,
  capacity: number,
): Set<string> {
  const outcomes = new Set<string>();
  const go = (at: readonly number[], left: number, told: readonly string[]): void => {
    if (acts.every((own, thread) => own.length === at[thread])) outcomes.add(`${told.join('/')} ${left}`);
    for (const [thread, own] of acts.entries()) {
      const act = own[at[thread]!];
      if (act === undefined) continue;
      const next = at.with(thread, at[thread]! + 1);
      if (act !== 'spend') go(next, Math.min(capacity, left + act), told);
      else if (left < lib.RETRY_COST) go(next, left, told.with(thread, `${told[thread]}n`));
      else go(next, left - lib.RETRY_COST, told.with(thread, `${told[thread]}y`));
    }
  };
  go(
    acts.map(() => 0),
    first,
    acts.map(() => ''),
  );
  return outcomes;
}

/**
 * Each thread does its acts; the budget holds `first` of at most `capacity`. Every outcome has to be that of some order
 * of whole acts, and every order of whole acts has to come up.
 */
export function budget(
  lib: WordsLibrary,
  acts: readonly BudgetAct[][],
  first: number,
  capacity: number,
): { scenario: Scenario; seen: Set<string>; expected: Set<string> } {
  const cell = ['runtime', lib.TOKEN_SLOTS] as const;
  const expected = inOrder(lib, acts, first, capacity);
  const seen = new Set<string>();
  const program = (own: readonly BudgetAct[]): Scenario['threads'][string] => {
    return ({ note }) => {
      for (const act of own) {
        if (act === 'spend') note(lib.spendRetry(words) ? 'y' : 'n');
        else lib.refundRetry(words, act, capacity);
      }
    };
  };
  const scenario: Scenario = {
    threads: Object.fromEntries(acts.map((own, thread) => [`worker-${thread}`, program(own)])),
    words: { [`${cell[0]}[${cell[1]}]`]: first },
    always: (view) => {
      const left = view.word(...cell);
      claim(left >= 0 && left <= capacity, `${left} left of ${capacity}`);
    },
    quiet: (view) => {
      const told = acts.map((_, thread) => view.notes(`worker-${thread}`).join(''));
      const outcome = `${told.join('/')} ${view.word(...cell)}`;
      claim(expected.has(outcome), `no order of whole acts ends with ${outcome}`);
      seen.add(outcome);
    },
  };
  return { scenario, seen, expected };
}

const SERVICE = 'service';
/** No epoch: the first stream is gone. */
const RELEASED = 0;
type Seen = readonly [epoch: number, state: StopState];

/**
 * A stream comes, turns, and goes; another takes its slot. Workers that were told of a stream look at its word whenever
 * they like, those of the first stream also when it is long gone.
 */
export function tokens(lib: WordsLibrary, readers: number, looks: number): Scenario {
  const names = Array.from({ length: readers }, (_, reader) => `worker-${reader}`);
  const service: Scenario['threads'][string] = ({ end, note }) => {
    const slots = new lib.TokenSlots(words);
    const ends = names.map((name) => end(name, 'a'));
    const first = slots.acquire()!;
    for (const to of ends) to.post(first.epoch);
    lib.writeToken(words, first.slot, first.epoch, StopState.Draining);
    slots.release(first.slot);
    for (const to of ends) to.post(RELEASED);
    const second = slots.acquire()!;
    note([first.slot, second.slot, first.epoch, second.epoch]);
    for (const to of ends) to.post(second.epoch);
    lib.writeToken(words, second.slot, second.epoch, StopState.Cancelled);
  };
  const reader = (name: string): Scenario['threads'][string] => {
    return ({ end, note }) => {
      const known: number[] = [];
      end(name, 'b').onMessage((epoch) => {
        if (epoch !== RELEASED) known.push(epoch as number);
        for (const own of known)
          for (let look = 0; look < looks; look += 1) note([own, lib.readToken(words, 0, own)]);
      });
    };
  };
  return {
    threads: { [SERVICE]: service, ...Object.fromEntries(names.map((name) => [name, reader(name)])) },
    always: (view) => {
      for (const name of names) growsWithin(view.notes(name) as Seen[]);
    },
    quiet: (view) => {
      const [slots] = view.notes(SERVICE) as [number, number, number, number][];
      claim(slots![0] === 0 && slots![1] === 0, 'the second stream has another slot');
      claim(slots![2] !== slots![3], 'two streams have one epoch');
      for (const name of names) oldIsCancelled(view, name, looks, slots![2]);
    },
  };
}

function growsWithin(seen: readonly Seen[]): void {
  for (const [at, [epoch, state]] of seen.entries()) {
    const before = seen.slice(0, at).filter(([other]) => other === epoch);
    claim(
      before.every(([, other]) => other <= state),
      `epoch ${epoch} was ${Math.max(...before.map(([, other]) => other))} and is ${state}`,
    );
  }
}

function oldIsCancelled(view: View, name: string, looks: number, first: number): void {
  const seen = view.notes(name) as Seen[];
  // At the first stream when told of it, at the same when told of its end, at both when told of the second.
  claim(seen.length === 4 * looks, `${name} looked ${seen.length} times`);
  for (const [epoch, state] of seen.slice(looks)) {
    claim(epoch !== first || state === StopState.Cancelled, `the old epoch ${first} reads as ${state}`);
  }
}
