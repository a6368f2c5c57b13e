/** What is mutated together, and the tests that may see it: those that stay in one process and cost milliseconds. */

/**
 * @typedef {object} Room
 * @property {string[]} mutate files of the build
 * @property {string[]} tests files, and folders of files
 * @property {RegExp} notSeeing those among them in which another thread or process does the work: it has no mutant
 * @property {number} testTimeoutMs more than any of its tests takes on a machine with other work
 * @property {number} leastScore per cent of mutants that must be seen
 */

const THREADS = /\.(?:threads|stress)\.test\.ts$/;

/** @type {Record<string, Room>} */
export const ROOMS = {
  protocol: {
    mutate: ['dist/protocol/**/*.js'],
    tests: ['test/protocol'],
    notSeeing: THREADS,
    testTimeoutMs: 4000,
    leastScore: 85,
  },
  actors: {
    mutate: ['dist/actors/**/*.js'],
    tests: ['test/actors'],
    notSeeing: THREADS,
    testTimeoutMs: 10_000,
    leastScore: 85,
  },
  transport: {
    mutate: ['dist/transport/**/*.js'],
    tests: ['test/transport'],
    notSeeing: THREADS,
    testTimeoutMs: 12_000,
    leastScore: 85,
  },
  loader: {
    mutate: ['dist/loader/**/*.js'],
    tests: ['test/loader'],
    notSeeing: THREADS,
    testTimeoutMs: 8000,
    leastScore: 0,
  },
};

/** @param {string | undefined} name @returns {Room} */
export function roomOf(name) {
  if (name !== undefined && Object.hasOwn(ROOMS, name)) return ROOMS[name];
  throw new Error(`MUTATION_ROOM is ${name}; the rooms that are mutated are ${Object.keys(ROOMS).join(', ')}`);
}

/** @param {string} room @returns {string} where Stryker leaves what became of each mutant of this room */
export const reportOf = (room) => `.tmp/mutation/${room}.json`;
