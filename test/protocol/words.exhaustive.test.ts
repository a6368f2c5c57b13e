/** The shared words of a runtime, in every order in which two or three threads can touch them; and broken copies of them. */
import { afterAll, describe, expect, it } from 'vitest';
import * as lib from '../../dist/protocol/words.js';
import { explore } from './interleave/explore.js';
import { importMutant, type Edit } from './interleave/mutant.js';
import { budget, type BudgetAct, tokens, type WordsLibrary } from './interleave/words-scenarios.js';

const report: string[] = [];
afterAll(() => console.log(`words, every schedule followed:\n${report.join('\n')}`));

/** What three workers do, what is there at first, and the most that there can be. */
const BUDGETS: readonly [name: string, acts: BudgetAct[][], first: number, capacity: number][] = [
  ['two retries are paid for, three want one', [['spend'], ['spend'], ['spend']], 12, 20],
  [
    'an empty budget is filled while it is spent',
    [
      ['spend', 'spend'],
      [3, 3],
      ['spend', 4],
    ],
    4,
    500,
  ],
  ['a full budget is refunded and spent', [[3, 'spend'], [4], ['spend', 5]], 10, 10],
  ['refunds meet at the top', [[4, 4], [3], [5, 'spend']], 5, 12],
];

describe('the retry budget, in every order of its steps', () => {
  it.each(BUDGETS)('holds when %s, as if each act were done at once', async (name, acts, first, capacity) => {
    const { scenario, seen, expected } = budget(lib, acts, first, capacity);
    const { schedules, states } = await explore(scenario);
    report.push(`  ${name}: ${schedules} schedules, ${states} states, ${seen.size} outcomes`);
    expect(seen).toEqual(expected);
  });
});

describe('a token word, in every order of its steps', () => {
  it.each([
    [1, 3],
    [2, 1],
  ])(
    'only grows within an epoch, and an older epoch reads as cancelled (%i workers)',
    async (readers, looks) => {
      const { schedules, states } = await explore(tokens(lib, readers, looks));
      report.push(`  tokens, ${readers} workers: ${schedules} schedules, ${states} states`);
      expect(schedules).toBeGreaterThan(100n);
    },
  );
});

const SPENT = 'Atomics.compareExchange(words, BUDGET_WORD, left, left - RETRY_COST) === left';
const REFUNDED =
  'Atomics.compareExchange(words, BUDGET_WORD, left, Math.min(capacity, left + amount)) === left';

const BROKEN_BUDGETS: readonly [name: string, says: RegExp, ...edits: Edit[]][] = [
  [
    'it is spent by a store',
    /no order/,
    [SPENT, 'Atomics.store(words, BUDGET_WORD, left - RETRY_COST) >= 0'],
  ],
  ['it is spent by a subtraction', /-\d left/, [SPENT, 'Atomics.sub(words, BUDGET_WORD, RETRY_COST) >= 0']],
  [
    'it is refunded by a store',
    /no order/,
    [REFUNDED, 'Atomics.store(words, BUDGET_WORD, Math.min(capacity, left + amount)) >= 0'],
  ],
  ['it is refunded by an addition', /left of/, [REFUNDED, 'Atomics.add(words, BUDGET_WORD, amount) >= 0']],
  [
    'a spend that met another is given up',
    /no order/,
    ['if (left < RETRY_COST)', 'if (left < RETRY_COST || Atomics.load(words, BUDGET_WORD) !== left)'],
  ],
];

describe('a retry budget is found out when', () => {
  it.each(BROKEN_BUDGETS)('%s', async (_, says, ...edits) => {
    const broken = await importMutant<WordsLibrary>('protocol/words.js', edits);
    const exploring = (async () => {
      for (const [, acts, first, capacity] of BUDGETS)
        await explore(budget(broken, acts, first, capacity).scenario);
    })();
    await expect(exploring).rejects.toThrow(says);
  });
});

const TURNED = 'Atomics.store(words, slot, ((epoch & EPOCH_MASK) << 2) | state);';

const BROKEN_TOKENS: readonly [name: string, says: RegExp, ...edits: Edit[]][] = [
  [
    'a slot that is given back says nothing',
    /old epoch/,
    ['writeToken(this.words, slot, this.#epochs[slot], StopState.Cancelled);', ''],
  ],
  [
    'its epoch is written before its state',
    /was .* and is/,
    [TURNED, `Atomics.store(words, slot, (epoch & EPOCH_MASK) << 2); ${TURNED}`],
  ],
  [
    'its state is added to what is there',
    /was .* and is|old epoch/,
    [TURNED, 'Atomics.or(words, slot, ((epoch & EPOCH_MASK) << 2) | state);'],
  ],
  [
    'it is looked at without its epoch',
    /was .* and is|old epoch/,
    ['if (word >> 2 !== ', 'if (false && word >> 2 !== '],
  ],
  [
    'a slot is given out with the epoch that it had',
    /old epoch|one epoch|was .* and is/,
    ['(this.#epochs[slot] + 1)', '(this.#epochs[slot] || 1)'],
  ],
  [
    'a plain write turns it',
    /without Atomics/,
    [TURNED, 'words[slot] = ((epoch & EPOCH_MASK) << 2) | state;'],
  ],
];

describe('a token word is found out when', () => {
  it.each(BROKEN_TOKENS)('%s', async (_, says, ...edits) => {
    const broken = await importMutant<WordsLibrary>('protocol/words.js', edits);
    await expect(explore(tokens(broken, 1, 2))).rejects.toThrow(says);
  });
});
