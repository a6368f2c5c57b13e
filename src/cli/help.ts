/** The texts of `--help`, from the table of commands. Pure. */
import { COMMANDS, type CommandName, type CommandSpec, type OptionSpec } from './command-table.js';

export function mainHelp(): string {
  const rows = Object.entries<CommandSpec>(COMMANDS).map(([name, { summary }]) => [name, summary] as const);
  return [
    'millrace: objects of S3, Azure, Google Cloud Storage and disk, by worker threads, within one byte budget',
    '',
    'usage: millrace COMMAND [OPTIONS] OPERANDS',
    '',
    ...columns(rows),
    '',
    'A URI is s3://bucket/key, az://account/container/key, gs://bucket/key, file:///path, direct:///path or a path.',
    '"millrace COMMAND --help" tells the options of a command.',
    'Exit codes: 0 done, 1 failed or something left out, 2 wrong usage, 129, 130 and 143 after a drain by SIGHUP, SIGINT and SIGTERM.',
    '',
  ].join('\n');
}

export function commandHelp(command: CommandName): string {
  const { summary, operands, options, notes }: CommandSpec = COMMANDS[command];
  const rows = Object.entries<OptionSpec>(options).map(
    ([name, spec]) => [optionUsage(name, spec), spec.help] as const,
  );
  const end = notes.length === 0 ? [] : ['', ...notes];
  return [
    `millrace ${command}: ${summary}`,
    '',
    `usage: millrace ${command} [OPTIONS] ${operands}`,
    '',
    ...columns(rows),
    ...end,
    '',
  ].join('\n');
}

function optionUsage(name: string, { value, optional, short }: OptionSpec): string {
  const before = short === undefined ? '    ' : `-${short}, `;
  if (value === undefined) return `${before}--${name}`;
  return `${before}--${name}${optional === true ? `[=${value}]` : ` ${value}`}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
