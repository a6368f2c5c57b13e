import { defineConfig } from 'vitest/config';

// Soak, leak and crash-loop tests: minutes each, and one at a time, because they measure the process they run in.
export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts'],
    server: { deps: { external: [/\/dist\//] } },
    pool: 'forks',
    fileParallelism: false,
    maxWorkers: 1,
    sequence: { concurrent: false },
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    testTimeout: 15 * 60_000,
    hookTimeout: 5 * 60_000,
    teardownTimeout: 60_000,
    reporters: ['default', './scripts/summary-reporter.mjs'],
  },
});
