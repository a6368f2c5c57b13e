/**
 * Reads a command line: which command, its options, its operands. Pure: nothing is opened, nothing is printed.
 *
 * Invariants:
 * 1. Every option that is accepted stands in the command's table, and in its help.
 * 2. What is not understood is a `UsageError` that names the nearest known word.
 */
import { parseArgs } from 'node:util';
import { COMMANDS, type CommandName, type CommandSpec, type OptionSpec } from './command-table.js';
import { commandHelp, mainHelp } from './help.js';
import { suggestion } from '../protocol/nearest.js';

/** The command line itself is wrong; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** As the library's own errors about options have it. */
  readonly code = 'InvalidArgument';
}

/** Values by long name: text for options with a value, `true` for flags, text for `--shuffle=1000`. */
export type OptionValues = Readonly<Record<string, string | true | undefined>>;

export type CommandLine =
  | { readonly kind: 'print'; readonly text: string }
  | {
      readonly kind: 'run';
      readonly command: CommandName;
      readonly values: OptionValues;
      readonly operands: readonly string[];
    };

/**
 * @param argv what comes after `node main.js`
 * @param version printed for `--version`
 * @throws UsageError
 */
export function readCommandLine(argv: readonly string[], version: string): CommandLine {
  const [first, ...rest] = argv;
  if (first === undefined) throw new UsageError('no command; see "millrace --help"');
  if (first === '--version' || first === '-V') return { kind: 'print', text: `millrace ${version}\n` };
  if (first === '--help' || first === '-h') return { kind: 'print', text: mainHelp() };
  if (first === 'help') return { kind: 'print', text: helpFor(rest[0]) };
  if (first.startsWith('-')) throw new UsageError(`the command comes before its options; given "${first}"`);
  const command = commandNamed(first);
  const spec = COMMANDS[command];
  const { values, operands } = readOptions(command, spec, rest);
  if (values['help'] !== undefined) return { kind: 'print', text: commandHelp(command) };
  if (values['version'] !== undefined) return { kind: 'print', text: `millrace ${version}\n` };
  if (operands.length < spec.minOperands) {
    throw new UsageError(`${command}: expected ${spec.operands}; see "millrace ${command} --help"`);
  }
  if (operands.length > spec.maxOperands) {
    const more = JSON.stringify(operands[spec.maxOperands]);
    throw new UsageError(`${command}: expected ${spec.operands} and nothing more; given also ${more}`);
  }
  return { kind: 'run', command, values, operands };
}

function helpFor(name: string | undefined): string {
  return name === undefined ? mainHelp() : commandHelp(commandNamed(name));
}

function commandNamed(name: string): CommandName {
  if (Object.hasOwn(COMMANDS, name)) return name as CommandName;
  const known = Object.keys(COMMANDS);
  throw new UsageError(`no command ${JSON.stringify(name)}; ${suggestion(name, known)}`);
}

function readOptions(
  command: CommandName,
  spec: CommandSpec,
  argv: readonly string[],
): { values: OptionValues; operands: string[] } {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const [name, { value, optional, short }] of Object.entries<OptionSpec>(spec.options)) {
    const type = value !== undefined && optional !== true ? 'string' : 'boolean';
    options[name] = short === undefined ? { type } : { type, short };
  }
  // Not strict: the strict reader cannot name the nearest option, and knows no option with an optional value.
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, string | true> = {};
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const known = Object.hasOwn(spec.options, token.name) ? spec.options[token.name] : undefined;
    if (known === undefined) throw unknownOption(command, spec, token.rawName);
    if (Object.hasOwn(values, token.name)) throw new UsageError(`${token.rawName} is given twice`);
    values[token.name] = valueOf(token, known);
  }
  return { values, operands };
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function valueOf(token: OptionToken, spec: OptionSpec): string | true {
  const { rawName, value, inlineValue } = token;
  if (spec.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value; given "${value}"`);
    return true;
  }
  if (value === undefined) {
    if (spec.optional === true) return true;
    throw new UsageError(`${rawName} needs a value: ${rawName} ${spec.value}`);
  }
  if (inlineValue !== true && value.length > 1 && value.startsWith('-')) {
    throw new UsageError(`${rawName} needs a value; for one that begins with "-" write ${rawName}=${value}`);
  }
  return value;
}

function unknownOption(command: CommandName, spec: CommandSpec, rawName: string): UsageError {
  const known = Object.keys(spec.options).map((name) => `--${name}`);
  const hint = rawName.startsWith('--') ? suggestion(rawName, known) : `see "millrace ${command} --help"`;
  return new UsageError(`${command} has no option "${rawName}"; ${hint}`);
}
