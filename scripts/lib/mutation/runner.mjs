/**
 * A test runner for Stryker that loads the tests of a room once and then runs, for each mutant, those that come by it, in one
 * process. Stryker's runner for vitest starts a thread and loads vitest for each mutant, which costs 0.3 s of CPU; the tests
 * of a mutant cost a hundredth of that.
 *
 * What it keeps true:
 * 1. A mutant is only said to be killed by a test that succeeds again without it: what an earlier mutant left behind in the
 *    process kills nobody. A process in which a test fails without a mutant is ended, and Stryker goes on in a fresh one.
 * 2. A test ends: one that waits for ever has failed after the room's `testTimeoutMs`. One that never yields is ended by Stryker.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import {
  determineHitLimitReached,
  DryRunStatus,
  MutantRunStatus,
  TestStatus,
} from '@stryker-mutator/api/test-runner';
import { roomOf } from './rooms.mjs';
import { beginFile, collected, endSuites, prepareSuites, runTest } from './tests.mjs';

/** In the sandbox, which all processes of a run share: milliseconds of each test without a mutant. */
const TIMES = 'mutation-times.json';
const room = roomOf(process.env.MUTATION_ROOM);

/** What the instrumented build looks at: the mutant that is switched on, and what came by which. */
const switches = (globalThis[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {});

/** Rejects the test that runs now; null between tests. @type {((thrown: unknown) => void) | null} */
let failRunning = null;
/** Whether something failed while nothing ran: what it was part of is unknown. */
let isDirty = false;

/** @param {unknown} thrown */
function failedOutside(thrown) {
  if (failRunning === null) isDirty = true;
  else failRunning(thrown);
}

/** @param {import('./tests.mjs').Test} test @returns {Promise<unknown>} what it failed of, or null */
async function failureOf(test) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    const stopped = new Promise((_, reject) => {
      failRunning = reject;
      timer = setTimeout(() => reject(new Error('the test did not end')), room.testTimeoutMs);
    });
    await Promise.race([runTest(test), stopped]);
    return null;
  } catch (thrown) {
    return thrown ?? new Error('something was thrown that is nothing');
  } finally {
    failRunning = null;
    clearTimeout(timer);
  }
}

const textOf = (/** @type {unknown} */ thrown) =>
  thrown instanceof Error ? `${thrown.message}\n${thrown.stack}` : String(thrown);

class RoomTests {
  static inject = [];
  mutants = 0;
  /** @type {Record<string, number> | undefined} */
  times;

  capabilities() {
    return { reloadEnvironment: false };
  }

  async init() {
    process.on('uncaughtException', failedOutside);
    process.on('unhandledRejection', failedOutside);
    register('./hooks.mjs', import.meta.url);
    const files = room.tests.flatMap((path) =>
      statSync(path).isFile()
        ? [path]
        : readdirSync(path, { recursive: true }).map((name) => join(path, String(name))),
    );
    for (const file of files.sort()) {
      if (!file.endsWith('.test.ts') || room.without.test(`${file}#`)) continue;
      beginFile(resolve(file));
      await import(pathToFileURL(resolve(file)).href);
    }
    const only = new RegExp(process.env.MUTATION_TESTS ?? '');
    for (const id of collected.keys()) if (room.without.test(id) || !only.test(id)) collected.delete(id);
    await prepareSuites();
  }

  dispose() {
    return endSuites();
  }

  async dryRun() {
    const tests = [];
    /** @type {Record<string, number>} */
    const times = {};
    for (const test of collected.values()) {
      switches.currentTestId = test.id;
      const begun = performance.now();
      const thrown = await failureOf(test);
      switches.currentTestId = undefined;
      const timeSpentMs = performance.now() - begun;
      times[test.id] = timeSpentMs;
      const about = { id: test.id, name: test.name, fileName: test.file, timeSpentMs };
      if (thrown === null) tests.push({ ...about, status: TestStatus.Success });
      else tests.push({ ...about, status: TestStatus.Failed, failureMessage: textOf(thrown) });
    }
    writeFileSync(TIMES, JSON.stringify(times));
    return { status: DryRunStatus.Complete, tests, mutantCoverage: switches.mutantCoverage };
  }

  /** @param {import('@stryker-mutator/api/test-runner').MutantRunOptions} options */
  async mutantRun({ activeMutant, testFilter, hitLimit }) {
    if (isDirty) process.exit(1);
    this.mutants += 1;
    Object.assign(switches, { hitCount: 0, hitLimit });
    const covering =
      testFilter === undefined ? [...collected.values()] : testFilter.map((id) => collected.get(id));
    // The short ones first: most mutants are seen by any of them.
    this.times ??= JSON.parse(readFileSync(TIMES, 'utf8'));
    const tests = covering.sort((a, b) => this.times[a.id] - this.times[b.id]);
    for (const test of tests) {
      switches.activeMutant = activeMutant.id;
      const thrown = await failureOf(test);
      switches.activeMutant = undefined;
      if (thrown === null) continue;
      const looped = determineHitLimitReached(switches.hitCount, hitLimit);
      switches.hitLimit = undefined;
      if ((await failureOf(test)) !== null) {
        // In a fresh process nothing but this mutant can have done it.
        if (this.mutants > 1) process.exit(1);
        isDirty = true;
      }
      if (looped !== undefined) return { status: MutantRunStatus.Timeout, reason: looped.reason };
      return {
        status: MutantRunStatus.Killed,
        killedBy: [test.id],
        failureMessage: textOf(thrown),
        nrOfTests: tests.length,
      };
    }
    return { status: MutantRunStatus.Survived, nrOfTests: tests.length };
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'room', RoomTests)];
