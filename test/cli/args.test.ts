import { describe, expect, it } from 'vitest';
import { readCommandLine, UsageError } from '../../dist/cli/args.js';
import { COMMANDS } from '../../dist/cli/command-table.js';

const read = (...argv: string[]) => readCommandLine(argv, '1.2.3');
const message = (...argv: string[]): string => {
  try {
    read(...argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('the command line', () => {
  it('gives command, options and operands wherever the options stand', () => {
    expect(read('get', '-r', 's3://b/x', '-o', 'out', '--memory=64MiB', 's3://b/y')).toEqual({
      kind: 'run',
      command: 'get',
      values: { recursive: true, output: 'out', memory: '64MiB' },
      operands: ['s3://b/x', 's3://b/y'],
    });
  });

  it('takes what comes after -- as operands, dashes and all', () => {
    expect(read('cat', '--', '--odd', '-r')).toMatchObject({ operands: ['--odd', '-r'], values: {} });
  });

  it('names the nearest known command and option', () => {
    expect(message('lsd', 'x')).toBe('no command "lsd"; did you mean "ls"?');
    expect(message('load', 'x', '--bach-size', '3')).toContain('did you mean "--batch-size"?');
    expect(message('load', 'x', '--bach', '3')).toContain('did you mean "--batch-size"?');
    expect(message('ls', '-z', 'x')).toContain('ls has no option "-z"');
  });

  it('knows no command and no option from the prototype of objects', () => {
    expect(message('constructor', 'x')).toContain('no command');
    expect(message('ls', 'x', '--toString')).toContain('has no option');
    expect(message('ls', 'x', '--__proto__=1')).toContain('has no option');
  });

  it('refuses a missing value, a value for a flag, and an option given twice', () => {
    expect(message('ls', 'x', '--endpoint')).toContain('--endpoint needs a value');
    expect(message('ls', 'x', '--endpoint', '--json')).toContain('--endpoint needs a value');
    expect(message('ls', 'x', '--json=yes')).toContain('--json takes no value');
    expect(message('ls', 'x', '--workers', '1', '--workers', '2')).toContain('given twice');
  });

  it('tells too few and too many operands', () => {
    expect(message('cat')).toContain('expected URI...');
    expect(message('load', 'a', 'b')).toContain('given also "b"');
    expect(message()).toContain('no command');
    expect(message('--json', 'ls')).toContain('the command comes before its options');
  });

  it('takes --shuffle alone without eating the operand behind it, and with a value', () => {
    expect(read('load', '--shuffle', 'x')).toMatchObject({ values: { shuffle: true }, operands: ['x'] });
    expect(read('load', '--shuffle=9', 'x')).toMatchObject({ values: { shuffle: '9' }, operands: ['x'] });
  });

  it('prints the version and a help that has every option of the command', () => {
    expect(read('--version')).toEqual({ kind: 'print', text: 'millrace 1.2.3\n' });
    expect(read('ls', '--version')).toEqual({ kind: 'print', text: 'millrace 1.2.3\n' });
    const main = read('--help');
    for (const [name, { options }] of Object.entries(COMMANDS)) {
      expect(main).toMatchObject({ text: expect.stringContaining(`  ${name} `) });
      const help = read(name, '--help');
      expect(read('help', name)).toEqual(help);
      for (const option of Object.keys(options)) {
        expect(help).toMatchObject({ text: expect.stringContaining(`--${option}`) });
      }
    }
  });
});
