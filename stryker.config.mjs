import { reportOf, roomOf } from './scripts/lib/mutation/rooms.mjs';

const room = process.env.MUTATION_ROOM;

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'room',
  plugins: ['./scripts/lib/mutation/runner.mjs'],
  mutate: roomOf(room).mutate,
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  disableTypeChecks: false,
  // Stryker would rewrite tsconfig.json with the compiler's API, which TypeScript 7 has not.
  tsconfigFile: '.tmp/no-tsconfig.json',
  concurrency: 2,
  timeoutMS: 12_000,
  timeoutFactor: 3,
  incremental: true,
  incrementalFile: `.tmp/mutation/${room}.incremental.json`,
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: reportOf(room) },
  tempDirName: '.tmp/stryker',
  ignorePatterns: ['/.tmp', '/bench', '/docs', '/examples', '/test/servers', '/test/long', '*.d.ts'],
  thresholds: { high: 95, low: 85, break: null },
};
