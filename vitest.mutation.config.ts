import { defineConfig } from 'vitest/config';
import { roomOf } from './scripts/lib/mutation-rooms.mjs';

// What Stryker runs once for every mutant: the tests of one room that stay in one process, because a mutant is switched on by
// a global variable, which another thread or process does not see. Without a room it is the tests of all of them.
export default defineConfig({
  test: {
    include: roomOf(process.env.MUTATION_ROOM).tests,
    exclude: roomOf(process.env.MUTATION_ROOM).withoutTests,
    // Stryker mutates the build, and vitest must not transform it again.
    server: { deps: { external: [/\/dist\//] } },
    // One thread for all files of a mutant: the modules are loaded once.
    isolate: false,
    // A mutant that makes a test wait for ever is seen at once: nothing here takes seconds.
    testTimeout: 6000,
    hookTimeout: 10_000,
  },
});
