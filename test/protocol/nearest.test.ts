import { describe, expect, it } from 'vitest';
import { readCommandLine } from '../../dist/cli/args.js';
import { createS3Scheme } from '../../dist/backends/s3/scheme.js';
import { checkNames } from '../../dist/loader/schema.js';
import { nearest, suggestion } from '../../dist/protocol/nearest.js';

const KNOWN = ['batch-size', 'batchSize', 'workers', 'seed', 'ca', 'ls'];

describe('nearest', () => {
  it.each([
    ['bachSize', 'batchSize'],
    ['bach-size', 'batch-size'],
    ['bach', 'batch-size'],
    ['WORKERS', 'workers'],
    ['lsd', 'ls'],
    ['seeds', 'seed'],
    ['xyzzy', null],
    ['zq', null],
    ['', null],
  ])('takes %j for %j', (given, near) => {
    expect(nearest(given, KNOWN)).toBe(near);
  });

  it.each([
    ['abcxyz', 'abcdef'],
    ['abwxyz', null],
    ['ax', 'ab'],
    ['xy', null],
  ])('takes up to half of the letters for a slip: %j for %j', (given, near) => {
    expect(nearest(given, ['abcdef', 'ab'])).toBe(near);
  });

  it('looks at the last letter too', () => {
    expect(nearest('lac', ['lab', 'lad', 'lac'])).toBe('lac');
  });

  it('knows nothing where nothing is known', () => {
    expect(nearest('a', [])).toBeNull();
  });
});

describe('an unknown word is answered alike by options, schemes and commands', () => {
  const messageOf = (call: () => unknown): string => {
    try {
      call();
    } catch (thrown) {
      return (thrown as Error).message;
    }
    throw new Error('it was accepted');
  };
  const known = ['region', 'endpoint'];
  const answers: [string, (word: string) => unknown][] = [
    ['an option', (word) => checkNames(known, { [word]: 1 }, 'options')],
    ['an s3 option', (word) => createS3Scheme({ [word]: 'x' })],
    ['an option of a command', (word) => readCommandLine(['ls', `--${word}`, 'x'], '1.2.3')],
  ];
  it.each(answers)('%s', (_, call) => {
    expect(messageOf(() => call('regio'))).toMatch(/did you mean "(--)?region"\?/);
    expect(messageOf(() => call('endp'))).toMatch(/did you mean "(--)?endpoint"\?/);
    expect(messageOf(() => call('qqqqqqqqqqqqqqqqqqqqqqq'))).toMatch(/known are .*region.*/);
  });

  it('with all known ones, apart from each other, where none is near', () => {
    expect(suggestion('q', ['region', 'endpoint'])).toBe('known are region, endpoint');
  });
});
