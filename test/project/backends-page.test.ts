/** The page of the stores, against what the suite declares; no server is started for it. */
import { describe, expect, it } from 'vitest';
import { disproofs, renderBackends, suiteName } from '../../scripts/lib/backends-page.mjs';
import { storeBehaviours } from '../../dist/testing/index.js';
import { COLUMNS, LIMITS } from '../conformance/columns.mjs';
import { read } from './markdown.js';

const columns = Object.values(COLUMNS);
const { memory, file } = COLUMNS;

describe('docs/backends.md', () => {
  it('has the rows, columns and reasons of the suite (else: npm run docs:backends)', () => {
    expect(read('docs/backends.md')).toBe(renderBackends(columns, LIMITS));
  });

  it('says of a claim that it holds, that it does not and why, or that it has no meaning', () => {
    const limits = [{ of: 'disks', isService: true, reasons: ['unused', 'no types'] }];
    const exceptions = { 'content-type': 'no types' };
    const odd = { ...memory, traits: { ...memory.traits, refusedKeys: { keys: ['%'], reason: 'unused' } } };
    const page = renderBackends([odd, { ...file, traits: { ...file.traits, exceptions } }], limits);
    expect(page).toContain('| keeps the type of the content, of uploads too | – | no (2) |');
    expect(page).toContain('| puts, heads, reads and lists a key | yes, but (1) | yes |');
    expect(page).toContain('2. no types');
  });

  it('is not made with a reason that is nobody’s, or with two columns of one title', () => {
    expect(() => renderBackends([file], [])).toThrow('files have no content type');
    expect(() => renderBackends([memory, memory], LIMITS)).toThrow('two columns with one title');
  });

  it('has every limit named by a column', () => {
    const named = new Set(
      columns.flatMap(({ traits, unwritten }) => [
        ...storeBehaviours(traits).map(({ skip }) => skip),
        unwritten,
      ]),
    );
    for (const reason of LIMITS.flatMap((each) => each.reasons)) expect(named).toContain(reason);
  });
});

describe('a run of the suite', () => {
  const results = storeBehaviours(file.traits).map(({ group, name, skip }) => ({
    ancestorTitles: ['with disks', suiteName(file), group],
    title: name,
    status: skip === null ? 'passed' : 'skipped',
  }));

  it('bears the page out when all that is claimed passed', () => {
    expect(disproofs([file], results)).toEqual([]);
  });

  it.each(['failed', 'skipped'])('does not when one has %s', (status) => {
    const [first, ...rest] = results;
    expect(disproofs([file], [{ ...first!, status }, ...rest])).toEqual([
      `file: ${first!.ancestorTitles[2]}: ${first!.title}: ${status}`,
    ]);
  });

  it('does not when a column was not run', () => {
    const missing = disproofs([file, memory], results);
    expect(missing).toHaveLength(storeBehaviours(memory.traits).length);
    expect(missing[0]).toMatch(/^memory: .*: not run$/);
  });
});
