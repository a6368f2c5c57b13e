/** The search itself: it follows every order, once, and finds what is wrong in only one of them. */
import { describe, expect, it } from 'vitest';
import { claim, explore, type Scenario } from './interleave/explore.js';
import type { Program } from './interleave/thread.js';
import { sharedWords } from './interleave/world.js';

const words = sharedWords('w');
const stores = (index: number, times: number): Program => {
  return () => {
    for (let i = 1; i <= times; i += 1) Atomics.store(words, index, i);
  };
};
const nothing = (): void => {};

/** n! for the small. */
const factorial = (n: number): bigint => (n <= 1 ? 1n : BigInt(n) * factorial(n - 1));

describe('explore', () => {
  it.each([
    [2, 3],
    [2, 6],
    [3, 2],
    [3, 4],
  ])('covers every order of %i threads with %i steps each, and counts them', async (threads, steps) => {
    const programs = Array.from({ length: threads }, (_, i) => [`t${i}`, stores(i, steps)] as const);
    const { schedules, states, longest, runs } = await explore({
      threads: Object.fromEntries(programs),
      quiet: ({ word }) => expect(word('w', 0)).toBe(steps),
    });
    expect(schedules).toBe(factorial(threads * steps) / factorial(steps) ** BigInt(threads));
    // One state for each number of steps that each thread has made, and one run for each history of a thread.
    expect(states).toBe((steps + 1) ** threads);
    expect(runs).toBe(threads * (steps + 1));
    expect(longest).toBe(threads * steps);
  });

  it('sees exactly the outcomes that sequential consistency allows', async () => {
    const outcomes = new Set<string>();
    const side = (mine: number, other: number): Program => {
      return ({ note }) => {
        Atomics.store(words, mine, 1);
        note(Atomics.load(words, other));
      };
    };
    await explore({
      threads: { a: side(0, 1), b: side(1, 0) },
      quiet: ({ notes }) => void outcomes.add(`${String(notes('a')[0])}${String(notes('b')[0])}`),
    });
    expect([...outcomes].toSorted()).toEqual(['01', '10', '11']);
  });

  it('finds the one lost update, by its shortest schedule', async () => {
    const increment: Program = () => {
      Atomics.store(words, 0, Atomics.load(words, 0) + 1);
    };
    const exploring = explore({
      threads: { a: increment, b: increment },
      quiet: ({ word }) => claim(word('w', 0) === 2, 'an update is lost'),
    });
    await expect(exploring).rejects.toThrow(
      'an update is lost\n  a: load w[0] (0)\n  b: load w[0] (0)\n  a: store w[0] 1 (1)\n  b: store w[0] 1 (1)',
    );
  });

  it('refuses a plain access to a shared word', async () => {
    const plain: Program = () => {
      words[3] = 1;
    };
    await expect(explore({ threads: { plain }, quiet: nothing })).rejects.toThrow(/without Atomics: w\[3\]/);
  });

  it('refuses a thread that does not do the same when it sees the same', async () => {
    let run = 0;
    const fickle: Program = () => {
      run += 1;
      Atomics.load(words, 0);
      Atomics.load(words, run);
      Atomics.load(words, 0);
    };
    await expect(explore({ threads: { fickle }, quiet: nothing })).rejects.toThrow(/not deterministic/);
  });

  it('lets a message arrive only between two turns, in order, and stops the thread nowhere else', async () => {
    const heard = new Set<string>();
    const scenario: Scenario = {
      threads: {
        a: ({ end }) => {
          const out = end('p', 'a');
          out.post(1);
          out.post(2);
        },
        b: async ({ end, note }) => {
          end('p', 'b').onMessage(note);
          await Promise.resolve();
          note('first turn');
        },
      },
      quiet: ({ notes, queue, posted }) => {
        heard.add(JSON.stringify(notes('b')));
        expect([queue('p>'), posted('p>')]).toEqual([[], [1, 2]]);
      },
    };
    // b hears 1 before or after a posted 2.
    expect((await explore(scenario)).schedules).toBe(2n);
    expect([...heard]).toEqual(['["first turn",1,2]']);
  });

  it('lets a thread die before each of its steps, and tells others by an event', async () => {
    const seen = new Set<string>();
    await explore({
      threads: {
        a: stores(0, 2),
        b: ({ on, note }) => on('exit', () => note(Atomics.load(words, 0))),
      },
      mayCrash: ['a'],
      events: { exit: { when: ({ crashed }) => crashed('a'), certain: true } },
      quiet: ({ notes, crashed }) => void seen.add(`${crashed('a')} ${notes('b').join()}`),
    });
    expect([...seen].toSorted()).toEqual(['false ', 'true 0', 'true 1', 'true 2']);
  });

  it('tells who waits for ever', async () => {
    const seen: string[][] = [];
    await explore({
      threads: { a: () => new Promise(() => {}), b: nothing },
      quiet: ({ waiting }) => void seen.push([...waiting]),
    });
    expect(seen).toEqual([['a']]);
  });
});
