/**
 * The part of vitest that the tests of a mutated room use, for one process that runs some of them thousands of times: what
 * a test file says is kept when it is loaded, and each test is run as often as it is asked for. What is expected of values is
 * vitest's own.
 */
export { expect, vi } from 'vitest';

/** @typedef {() => unknown} Hook */
/** @typedef {{ name: string, parent: Suite | null, before: Hook[], after: Hook[], beforeAll: Hook[], afterAll: Hook[] }} Suite */
/** @typedef {{ id: string, name: string, file: string, suite: Suite, run: Hook }} Test */

/** @returns {Suite} */
const suiteOf = (/** @type {string} */ name, /** @type {Suite | null} */ parent) => ({
  name,
  parent,
  before: [],
  after: [],
  beforeAll: [],
  afterAll: [],
});

/** @type {Map<string, Test>} */
export const collected = new Map();
let file = '';
let suite = suiteOf('', null);

/** What is said from now on is said in this file. @param {string} path */
export function beginFile(path) {
  file = path;
  suite = suiteOf('', null);
}

/** @param {string} template @param {unknown[]} values @param {number} index */
function named(template, values, index) {
  let at = 0;
  const shown = template.replaceAll(/%[sdifjo%]/g, (mark) => {
    if (mark === '%%') return '%';
    const value = values[at++];
    return mark === '%j' || mark === '%o' ? (JSON.stringify(value) ?? 'undefined') : String(value);
  });
  return `${shown} #${index}`;
}

/** @param {string} name @param {() => void} body */
function addSuite(name, body) {
  const outer = suite;
  suite = suiteOf(name, outer);
  body();
  suite = outer;
}

/** @param {string} name @param {Hook} run */
function addTest(name, run) {
  const names = [name];
  for (let each = suite; each.parent !== null; each = each.parent) names.unshift(each.name);
  const full = names.join(' > ');
  let id = `${file}#${full}`;
  for (let twin = 2; collected.has(id); twin += 1) id = `${file}#${full} (${twin})`;
  collected.set(id, { id, name: full, file, suite, run });
}

/** @param {(name: string, body: (...values: any[]) => any) => void} add */
const eachOf =
  (add) =>
  (/** @type {readonly unknown[]} */ rows) =>
  (/** @type {string} */ name, /** @type {(...values: any[]) => any} */ body) => {
    for (const [index, row] of rows.entries()) {
      const values = Array.isArray(row) ? row : [row];
      add(named(name, values, index), () => body(...values));
    }
  };

export const describe = Object.assign(addSuite, { each: eachOf(addSuite) });
export const it = Object.assign(addTest, {
  each: eachOf(addTest),
  skipIf: (/** @type {unknown} */ skipped) => (skipped ? () => {} : addTest),
});

/** @param {Hook} hook */
export const beforeAll = (hook) => void suite.beforeAll.push(hook);
/** Runs before the process ends. @param {Hook} hook */
export const afterAll = (hook) => void suite.afterAll.push(hook);
/** @param {Hook} hook */
export const beforeEach = (hook) => void suite.before.push(hook);
/** @param {Hook} hook */
export const afterEach = (hook) => void suite.after.unshift(hook);

/** The suites around a test, the outermost first. @param {Test} test */
function suitesOf(test) {
  const suites = [];
  for (let each = /** @type {Suite | null} */ (test.suite); each !== null; each = each.parent)
    suites.unshift(each);
  return suites;
}

/** Runs one test with all that stands around it. Rejects with what it failed of. @param {Test} test */
export async function runTest(test) {
  const suites = suitesOf(test);
  /** @type {unknown[]} */
  const failures = [];
  const attempt = async (/** @type {Hook} */ hook) => {
    try {
      await hook();
    } catch (thrown) {
      failures.push(thrown);
    }
  };
  for (const each of suites) for (const hook of each.before) await attempt(hook);
  if (failures.length === 0) await attempt(test.run);
  for (const each of suites.toReversed()) for (const hook of each.after) await attempt(hook);
  if (failures.length > 0) throw failures[0];
}

/** @type {Set<Suite>} */
const prepared = new Set();

/** Runs what stands before all tests of each suite, once for the process. */
export async function prepareSuites() {
  for (const test of collected.values()) for (const each of suitesOf(test)) prepared.add(each);
  for (const each of prepared) for (const hook of each.beforeAll) await hook();
}

/** Runs what stands behind all tests. */
export async function endSuites() {
  for (const each of prepared) for (const hook of each.afterAll) await hook();
}
