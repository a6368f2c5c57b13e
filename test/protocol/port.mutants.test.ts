/** The search finds what it is for: each of these broken ports breaks a claim in some order of its steps. */
import { describe, expect, it } from 'vitest';
import { explore } from './interleave/explore.js';
import { importMutant, type Edit } from './interleave/mutant.js';
import type { PortLibrary } from './interleave/port-claims.js';
import { PORT_SCENARIOS } from './interleave/port-scenarios.js';

const WORD = 'this.#words, this.#base + IN_FLIGHT';
const SUB = `Atomics.sub(${WORD}, 1);\n        if (Atomics.exchange`;

/** What is wrong, the scenario that shows it, what the broken claim says there, and the edits that make it so. */
const MUTANTS: readonly [
  name: string,
  scenario: keyof typeof PORT_SCENARIOS,
  says: RegExp,
  ...edits: Edit[],
][] = [
  [
    'a credit is taken by a store',
    'a receiver that waits gets every message of two credits',
    /the word says|credits? |waits for ever/,
    [
      `const seen = Atomics.compareExchange(${WORD}, inFlight, inFlight + 1);`,
      `const seen = inFlight; Atomics.store(${WORD}, inFlight + 1);`,
    ],
  ],
  [
    'a credit is given back by a load and a store',
    'a receiver that waits gets every message of two credits',
    /the word says/,
    [SUB, `Atomics.store(${WORD}, Atomics.load(${WORD}) - 1);\n        if (Atomics.exchange`],
  ],
  [
    'a credit is given back when a message arrives, not when it is taken',
    'a receiver that takes nothing holds its sender at the capacity',
    /a credit came back for a message that was not taken|were sent, not/,
    [
      'const message = this.#inbox.shift();',
      'const message = this.#inbox.shift(); if (message !== undefined) return message;',
    ],
    ['this.#inbox.push(message);', 'this.#giveBack(); this.#inbox.push(message);'],
  ],
  [
    'one more than the capacity may be sent',
    'a receiver that waits gets every message of one credit, and a sender that waits is woken',
    /with a capacity of|credits taken of/,
    ['if (inFlight >= this.capacity) {', 'if (inFlight > this.capacity) {'],
  ],
  [
    'the receiver closes by a load and a store',
    'a receiver that takes and closes in one turn loses nothing that is sent meanwhile',
    /sent .* received|close said/,
    [
      `const before = Atomics.exchange(${WORD}, CLOSED);`,
      `const before = Atomics.load(${WORD}); Atomics.store(${WORD}, CLOSED);`,
    ],
  ],
  [
    'the sender closes by a load and a store',
    'a sender that closes a port of one credit is told what was not taken',
    /close said/,
    [
      `const inFlight = Atomics.exchange(${WORD}, CLOSED);`,
      `const inFlight = Atomics.load(${WORD}); Atomics.store(${WORD}, CLOSED);`,
    ],
  ],
  [
    'a sender waits without a second look',
    'a receiver that waits gets every message of one credit, and a sender that waits is woken',
    /waits for ever: sender/,
    [`if (Atomics.load(${WORD}) >= this.capacity)`, 'if (true)'],
  ],
  [
    'a sender says that it waits after its last look',
    'a receiver that waits gets every message of one credit, and a sender that waits is woken',
    /waits for ever: sender/,
    ['Atomics.store(this.#words, this.#base + WAITING, 1);', ''],
    [
      'await this.#credit(stop);',
      '{ Atomics.store(this.#words, this.#base + WAITING, 1); await this.#credit(stop); }',
    ],
  ],
  [
    'a receiver looks for a waiting sender before it gives the credit back',
    'a receiver that waits gets every message of one credit, and a sender that waits is woken',
    /waits for ever: sender/,
    [
      SUB,
      `const waits = Atomics.exchange(this.#words, this.#base + WAITING, 0);\n Atomics.sub(${WORD}, 1);\n if (waits === 1) this.#channel.post(CREDIT);\n        if (false && Atomics.exchange`,
    ],
  ],
  [
    'the receiver closes and wakes no sender',
    'a receiver that closes before it takes lets its sender go at once',
    /waits for ever: sender/,
    ['this.#channel.post(CREDIT);\n        if (this.#expected', 'if (this.#expected'],
  ],
  [
    'the sender closes and does not wake its own sends',
    'a sender is let go by a receiver that died',
    /waits for ever: sender/,
    [`CLOSED);\n        this.#wake();`, 'CLOSED);'],
  ],
  [
    'one of two waiting sends is woken',
    'two sends that wait for one credit both come through',
    /waits for ever: sender/,
    [
      'for (const wake of this.#waiters)\n            wake();',
      'for (const wake of [...this.#waiters].slice(0, 1)) wake();',
    ],
  ],
  [
    'a close forgets what had arrived',
    'a receiver that closes before it takes lets its sender go at once',
    /waits for ever: receiver/,
    ['this.#expected = inFlight - this.#inbox.length;', 'this.#expected = inFlight;'],
  ],
  [
    'a receiver forgets what is still on its way when it closes',
    'a receiver that takes and closes in one turn loses nothing that is sent meanwhile',
    /sent .* received/,
    ['this.#expected = inFlight - this.#inbox.length;', 'this.#expected = 0;'],
  ],
  [
    'a message that cannot be cloned keeps its credit',
    'a message that cannot be cloned keeps no credit, and no receiver that closes waits for it',
    /waits for ever|the word says/,
    [`if (Atomics.sub(${WORD}, 1) < 0)\n                    this.#channel.post(NOTHING);`, ''],
  ],
  [
    'a receiver that closes is not told of a message that cannot be cloned',
    'a message that cannot be cloned keeps no credit, and no receiver that closes waits for it',
    /waits for ever: receiver/,
    ['this.#channel.post(NOTHING);', ';'],
  ],
  [
    'a wait that is over stays linked to its token',
    'a send whose token is cancelled has sent, or has not and says so',
    /still linked/,
    ['this.#waiters.delete(wake);\n                unlink();', 'this.#waiters.delete(wake);'],
  ],
  [
    'a dead sender leaves what it posted under way',
    'what a sender that died had posted is heard or found, once',
    /posted .* seen/,
    ['for (const message of this.#channel.takePending())', 'for (const message of [])'],
  ],
  [
    'what had arrived from a dead sender is forgotten',
    'the same where nobody listened',
    /posted .* seen/,
    ['const pending = this.#inbox.splice(0);', 'const pending = [];'],
  ],
  [
    'a dead sender leaves its port open',
    'what a sender that died had posted is heard or found, once',
    /the port of a dead sender is open/,
    [`Atomics.exchange(${WORD}, CLOSED);\n        const pending`, 'const pending'],
  ],
];

describe('a port is found out when', () => {
  it.each(MUTANTS)('%s', async (_, scenario, says, ...edits) => {
    const broken = await importMutant<PortLibrary>('protocol/port.js', edits);
    await expect(explore(PORT_SCENARIOS[scenario](broken))).rejects.toThrow(says);
  });
});
