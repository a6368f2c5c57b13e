/**
 * A vitest reporter whose last line is `N passed, N failed, N skipped`, alone and without colour, for whoever reads the
 * end of a log by machine. Counted from the results themselves: a test that never ran is skipped, and what failed
 * outside a test (a module that does not load, an unhandled error) is failed.
 */

/** @implements {import('vitest/reporters').Reporter} */
export default class SummaryReporter {
  #write;

  /** @param {{ write?: (line: string) => void }} [options] */
  constructor({ write = (line) => process.stdout.write(line) } = {}) {
    this.#write = write;
  }

  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'skipped' : state] += 1;
      }
    }
    this.#write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  }
}
