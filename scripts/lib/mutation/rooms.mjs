/** What is mutated together, and the tests that may see it: those that stay in one process and cost milliseconds. */

/**
 * @typedef {object} Room
 * @property {string[]} mutate files of the build
 * @property {string[]} tests files, and folders of files
 * @property {RegExp} without what is left out of `file#name`: work of another thread or process, which has no mutant, and tests
 * that a machine with other work may fail, which would kill any
 * @property {number} testTimeoutMs more than any of its tests takes on a machine with other work
 * @property {number} leastScore per cent of mutants that must be seen
 */

/** The last three run texts of the modules that they change themselves, or every order of their steps. */
const THREADS = /\.(?:threads|stress|mutants|exhaustive)\.test\.ts#|\/explore\.test\.ts#/;

/** @type {Record<string, Room>} */
export const ROOMS = {
  protocol: {
    mutate: ['dist/protocol/**/*.js'],
    tests: ['test/protocol'],
    without: THREADS,
    testTimeoutMs: 4000,
    leastScore: 85,
  },
  actors: {
    mutate: ['dist/actors/**/*.js'],
    // The actors' shells are made for the simulation, which runs them in one process. What tries every moment of a small load
    // tries a few of them here; drawn worlds, which cost seconds each, are left out.
    tests: [
      'test/actors',
      'test/simulation/admission.test.ts',
      'test/simulation/corrupt.test.ts',
      'test/simulation/faults.test.ts',
      'test/simulation/hedge.test.ts',
      'test/simulation/memory.test.ts',
      'test/simulation/regressions.test.ts',
      'test/simulation/simulation.test.ts',
      'test/simulation/throttled.test.ts',
      'test/simulation/worker.test.ts',
      'test/simulation/writes.test.ts',
    ],
    without: THREADS,
    testTimeoutMs: 8000,
    leastScore: 85,
  },
  transport: {
    mutate: ['dist/transport/**/*.js'],
    tests: ['test/transport'],
    without: /may take (?:longer than|many times) the idle time-out/,
    testTimeoutMs: 5000,
    leastScore: 85,
  },
  loader: {
    mutate: ['dist/loader/**/*.js'],
    tests: ['test/loader'],
    without: THREADS,
    testTimeoutMs: 8000,
    leastScore: 0,
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
