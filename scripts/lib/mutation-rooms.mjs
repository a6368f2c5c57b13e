/** What is mutated together, and the tests that may kill it: those that stay in one process and cost milliseconds. */

/**
 * @typedef {object} Room
 * @property {string[]} mutate files of the build
 * @property {string[]} tests
 * @property {string[]} withoutTests what threads or processes do in: they do not see a mutant
 * @property {number} leastScore per cent of mutants that must be seen
 */

/** @type {Record<string, Room>} */
export const ROOMS = {
  protocol: {
    mutate: ['dist/protocol/**/*.js'],
    tests: ['test/protocol/**/*.test.ts'],
    withoutTests: ['test/protocol/*.threads.test.ts', 'test/protocol/*.stress.test.ts'],
    leastScore: 85,
  },
  actors: {
    mutate: ['dist/actors/**/*.js'],
    tests: ['test/actors/**/*.test.ts'],
    withoutTests: [],
    leastScore: 85,
  },
  transport: {
    mutate: ['dist/transport/**/*.js'],
    tests: ['test/transport/**/*.test.ts'],
    withoutTests: [],
    leastScore: 85,
  },
  loader: {
    mutate: ['dist/loader/**/*.js'],
    tests: ['test/loader/**/*.test.ts'],
    withoutTests: [],
    leastScore: 85,
  },
};

/** @param {string | undefined} name @returns {Room} */
export function roomOf(name) {
  if (name !== undefined && Object.hasOwn(ROOMS, name)) return ROOMS[name];
  throw new Error(
    `MUTATION_ROOM is ${name}; the rooms that are mutated are ${Object.keys(ROOMS).join(', ')}`,
  );
}

/** @param {string} room @returns {string} where Stryker leaves what became of each mutant of this room */
export const reportOf = (room) => `.tmp/mutation/${room}.json`;
