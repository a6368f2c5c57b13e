/**
 * docs/backends.md as a text, and whether a run of the suite bears it out.
 *
 * A cell says what the column's traits declare: a claim of which nothing is excused is a `yes`. So the page can be compared
 * with the code at any time, without a server; `disproofs` compares it with a run, and a page is written only when there is
 * none.
 */
import { storeBehaviours } from '../../dist/testing/index.js';

/** @typedef {import('../../test/conformance/columns.mjs').Column} Column */
/** @typedef {import('../../test/conformance/columns.mjs').Limits} Limits */
/** @typedef {import('../../dist/testing/index.js').StoreBehaviour} StoreBehaviour */
/** @typedef {{ ancestorTitles: readonly string[], title: string, status: string }} Result one test, as vitest's JSON has it */

/** How the suite's tests of a column are called. @param {Column} column */
export const suiteName = (column) => `${column.name} as a store`;

const HEAD = `# Backends

Every store of millrace is held to one suite of claims: which bytes land, what a version means, what a cancel leaves behind, how a
listing goes on, when a write is visible. The suite is [\`millrace/testing\`](guide.md#test-a-store-of-your-own); it runs against
servers that nobody in this project wrote, and against scripted ones where a service has no server of its own to start.

A row is a claim, a column a store before one server. **yes**: every case of the claim was run there, and held. **no (3)**: not
claimed there, for reason 3 [below](#limits). **yes, but (3)**: it holds except for the cases of reason 3. **–**: the claim has no
meaning there, such as a write to a store that is read-only. Where a claim does not hold and no reason was named, this page is not
written: \`npm run docs:backends\` runs the suite, and fails instead.
`;

/**
 * @param {readonly Column[]} columns @param {readonly Limits[]} limits
 * @returns {string} throws when an exception's reason stands under no limit, or two columns have one title
 */
export function renderBackends(columns, limits) {
  if (new Set(columns.map(({ title }) => title)).size < columns.length)
    throw new Error('found two columns with one title; give each its own');
  const reasons = limits.flatMap((each) => each.reasons);
  const declared = columns.map((column) => storeBehaviours(column.traits));
  const groups = new Set(declared.flat().map(({ group }) => group));
  const read = new Set(columns.flatMap(({ traits }) => groupsOf({ ...traits, writes: null })));
  const tables = [...groups].map((group) => tableOf(group, columns, declared, reasons, !read.has(group)));
  return [HEAD, columnsOf(columns), '## Claims\n', ...tables, limitsOf(limits)].join('\n');
}

/** @param {Column['traits']} traits */
function groupsOf(traits) {
  return storeBehaviours(traits).map(({ group }) => group);
}

/** @param {readonly Column[]} columns */
function columnsOf(columns) {
  const rows = columns.map(({ title, scheme, server }) => `| ${title} | \`${scheme}://\` | ${server} |`);
  return ['## Columns', '', '| column | store | server |', '|---|---|---|', ...rows, ''].join('\n');
}

/**
 * @param {string} group @param {readonly Column[]} columns @param {readonly StoreBehaviour[][]} declared
 * @param {readonly string[]} reasons @param {boolean} isOfWrites
 */
function tableOf(group, columns, declared, reasons, isOfWrites) {
  const inGroup = declared.map((behaviours) => behaviours.filter((each) => each.group === group));
  const claims = new Set(inGroup.flat().map(({ claim }) => claim));
  const rows = [...claims].map((claim) => {
    const cells = inGroup.map((behaviours, at) => {
      const cases = behaviours.filter((each) => each.claim === claim);
      const { unwritten } = columns[at];
      if (isOfWrites && unwritten !== undefined) return `no (${numberOf(unwritten, reasons)})`;
      return cellOf(cases, reasons);
    });
    return `| ${[claim, ...cells].join(' | ')} |`;
  });
  const head = `| | ${columns.map(({ title }) => title).join(' | ')} |`;
  return [`### ${group}`, '', head, `|${'---|'.repeat(columns.length + 1)}`, ...rows, ''].join('\n');
}

/** @param {readonly StoreBehaviour[]} cases of one claim @param {readonly string[]} reasons */
function cellOf(cases, reasons) {
  if (cases.length === 0) return '–';
  const excused = cases.flatMap(({ skip }) => skip ?? []);
  if (excused.length === 0) return 'yes';
  const numbers = [...new Set(excused)].map((reason) => numberOf(reason, reasons));
  return `${excused.length === cases.length ? 'no' : 'yes, but'} (${numbers.join(', ')})`;
}

/** @param {string} reason @param {readonly string[]} reasons */
function numberOf(reason, reasons) {
  const at = reasons.indexOf(reason);
  if (at < 0)
    throw new Error(`found the reason ${JSON.stringify(reason)} under nobody's limits; add it there`);
  return at + 1;
}

/** @param {readonly Limits[]} limits */
function limitsOf(limits) {
  let number = 0;
  /** @param {Limits} each */
  const section = ({ of, reasons }) => [
    `**${of}**\n`,
    ...reasons.map((reason) => `${(number += 1)}. ${reason}`),
    '',
  ];
  return [
    '## Limits',
    '',
    '### Of services and stores',
    '',
    ...limits.filter(({ isService }) => isService).flatMap(section),
    '### Of the servers of the tests',
    '',
    'What these get wrong is no limit of the store: another server may well do it. Tests of the store itself look at what is left out',
    'here, against scripted answers.',
    '',
    ...limits.filter(({ isService }) => !isService).flatMap(section),
  ].join('\n');
}

/**
 * What of the page a run of the suite does not bear out: cells that failed, or that were not run.
 * @param {readonly Column[]} columns @param {readonly Result[]} results @returns {string[]} a line each
 */
export function disproofs(columns, results) {
  const said = new Map(
    results.map(({ ancestorTitles, title, status }) => [
      [...ancestorTitles.slice(-2), title].join('\n'),
      status,
    ]),
  );
  return columns.flatMap((column) =>
    storeBehaviours(column.traits).flatMap(({ group, name, skip }) => {
      const status = said.get([suiteName(column), group, name].join('\n')) ?? 'not run';
      return skip !== null || status === 'passed' ? [] : [`${column.title}: ${group}: ${name}: ${status}`];
    }),
  );
}
