/** What the command line asks for. */
import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run bench -- [options]
  --quick            fewer works, one round, short passes: about two minutes
  --rounds N         passes of each contender for each work (5; with --quick 1)
  --work REGEX       only these works
  --contender REGEX  only these contenders; millrace is always among them
  --docs             measure the service too and write docs/benchmarks.md; without options this is done anyway
  --json             one JSON object on standard output; progress on standard error`;

/**
 * @typedef {object} Options
 * @property {boolean} quick @property {number} rounds @property {RegExp | null} work
 * @property {RegExp | null} contender @property {boolean} docs @property {boolean} json
 */

/** Throws an Error with a message for the user. @param {string[]} args @returns {Options} */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      work: { type: 'string' },
      contender: { type: 'string' },
      docs: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { quick, json } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds must be a whole number from 1 on; given: ${values.rounds}`);
  }
  const work = expression('--work', values.work);
  const contender = expression('--contender', values.contender);
  const everything = !quick && work === null && contender === null;
  return { quick, rounds, work, contender, docs: values.docs || everything, json };
}

function expression(name, text) {
  if (text === undefined) return null;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new Error(`${name} must be a regular expression; given: ${text}`, { cause });
  }
}
