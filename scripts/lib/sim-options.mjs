/** The options of `npm run sim`, read and checked before anything is built. */
import { parseArgs } from 'node:util';

/**
 * @typedef {object} SimOptions
 * @property {string[]} scenarios
 * @property {number} seeds
 * @property {number} from the first one
 * @property {number} processes
 * @property {boolean} atLength one seed alone, which is told at length
 * @property {boolean} twice
 * @property {boolean} complete
 * @property {boolean} json
 */

const SEEDS = 2000;

/** @param {readonly string[]} known */
function usage(known) {
  return (
    `usage: npm run sim -- [--seeds N] [--scenario ${known.join('|')}] [--seed S] [--processes P] ` +
    '[--twice] [--complete] [--json]'
  );
}

/**
 * @param {readonly string[]} args
 * @param {{ known: readonly string[], fresh: number, cores: number }} given the scenarios there are, the seed to begin at
 *   when none is told, and how many processes there may be
 * @returns {SimOptions}
 * @throws Error that says what was given and what is expected
 */
export function readSimOptions(args, { known, fresh, cores }) {
  try {
    const values = parse(args);
    const scenarios = values.scenario ?? [...known];
    const unknown = scenarios.find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new Error(`there is no scenario ${unknown}; there are ${known.join(', ')}`);
    if (values.complete && values.scenario !== undefined)
      throw new Error('--complete asks for what all scenarios meet together; leave --scenario out');
    const alone = values.seed !== undefined && values.seeds === undefined;
    const seeds = whole(values.seeds, alone ? 1 : SEEDS, 'seeds', 1);
    const { twice, complete, json } = values;
    return {
      scenarios: [...new Set(scenarios)],
      seeds,
      from: whole(values.seed, fresh, 'seed', 0),
      processes: Math.min(seeds, whole(values.processes, cores, 'processes', 1)),
      atLength: seeds === 1,
      twice,
      complete,
      json,
    };
  } catch (thrown) {
    throw new Error(`sim: ${/** @type {Error} */ (thrown).message}\n${usage(known)}`, { cause: thrown });
  }
}

/** @param {readonly string[]} args */
function parse(args) {
  return parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      scenario: { type: 'string', multiple: true },
      seed: { type: 'string' },
      processes: { type: 'string' },
      twice: { type: 'boolean', default: false },
      complete: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  }).values;
}

/** @param {string | undefined} given @param {number} fallback @param {string} name @param {number} least */
function whole(given, fallback, name, least) {
  if (given === undefined) return fallback;
  const number = /^\d+$/.test(given) ? Number(given) : -1;
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(
    `--${name} is ${given === '' ? 'empty' : given}; expected a whole number from ${least} on, such as --${name} 1000`,
  );
}

/**
 * What never struck and what was never reached, of what there is.
 *
 * @param {{ faults: readonly string[], scenarios: readonly { name: string, marks: readonly string[] }[] }} wanted
 * @param {{ faults: Readonly<Record<string, number>>, marks: Readonly<Record<string, number>> }} met
 */
export function missingOf(wanted, met) {
  const marks = wanted.scenarios.flatMap(({ name, marks: own }) => own.map((mark) => `${name}: ${mark}`));
  return [
    ...wanted.faults.filter((name) => met.faults[name] === undefined),
    ...marks.filter((mark) => met.marks[mark] === undefined),
  ];
}
