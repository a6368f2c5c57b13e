/**
 * `npm run fuzz -- [--target NAME] [--inputs N | --minutes N] [--seed S] [--from I]`
 *
 * Feeds the parsers of millrace with what nobody would send on purpose, and prints what did not hold as JSON: for each
 * target {target, seed, inputs, seconds, disagreements, ...}. Exits with 1 when anything did not.
 *
 * Input number I of a seed is always the same: what fails in a long run is looked at again with `--from I --inputs 1`
 * (target `http`), or with the seed that is told beside it (the others, `--seed S`).
 */
import { parseArgs } from 'node:util';
import { HttpTarget } from '../test/fuzz/http/compare.mjs';
import { tryClaim } from '../test/fuzz/lib/claims.mjs';
import { Dice } from '../test/fuzz/lib/dice.mjs';
import { CLAIMS } from '../test/fuzz/targets/index.mjs';

const NAMES = ['http', ...Object.keys(CLAIMS)];
const USAGE = `usage: npm run fuzz -- [--target ${NAMES.join('|')}] [--inputs N | --minutes N] [--seed S] [--from I]`;
/** Inputs between two looks at the clock. */
const STRIDE = 1000;
/** More of them say nothing new. */
const MAX_DISAGREEMENTS = 20;

/** @param {string | undefined} text @param {string} name @param {number} fallback @param {number} least */
function number(text, name, fallback, least) {
  const value = text === undefined ? fallback : Number(text);
  if (value >= least) return value;
  console.error(`fuzz: --${name} is ${text}; expected a number from ${least} on\n${USAGE}`);
  process.exit(2);
}

/**
 * @typedef {object} Limits
 * @property {number} inputs
 * @property {number} seconds
 * @property {number} seed
 * @property {number} from
 */

/** @param {Limits} limits */
function fuzzHttp({ inputs, seconds, seed, from }) {
  const target = new HttpTarget();
  const dice = new Dice();
  /** @type {{ input: number, what: string }[]} */
  const disagreements = [];
  const begun = performance.now();
  let done = 0;
  while (done < inputs && disagreements.length < MAX_DISAGREEMENTS) {
    const input = from + done;
    dice.reseed(seed, input);
    let what;
    try {
      what = target.run(dice, input);
    } catch (thrown) {
      what = `throws: ${thrown instanceof Error ? thrown.stack : String(thrown)}`;
    }
    if (what !== null) disagreements.push({ input, what });
    done += 1;
    if (done % STRIDE === 0 && performance.now() - begun > seconds * 1000) break;
  }
  const strict = Object.fromEntries([...target.strict].sort(([, a], [, b]) => b - a));
  return { inputs: done, seconds: took(begun), disagreements, ends: target.ends, strict };
}

/** @param {number} begun */
function took(begun) {
  return Math.round((performance.now() - begun) / 100) / 10;
}

/** @param {string} name @param {Limits} limits */
function fuzzClaims(name, { inputs, seconds, seed }) {
  let claims = CLAIMS[name] ?? [];
  /** @type {{ seed: number, what: string }[]} */
  const disagreements = [];
  const begun = performance.now();
  let done = 0;
  for (let round = 0; done < inputs && claims.length > 0; round += 1) {
    const runs = Math.min(STRIDE, Math.ceil((inputs - done) / claims.length));
    /** @type {Set<string>} */
    const failed = new Set();
    for (const each of claims) {
      const what = tryClaim(each, (seed + round) | 0, runs);
      done += runs;
      if (what === null) continue;
      disagreements.push({ seed: (seed + round) | 0, what });
      failed.add(each.name);
    }
    // A claim that does not hold is told once.
    claims = claims.filter(({ name: one }) => !failed.has(one));
    if (performance.now() - begun > seconds * 1000) break;
  }
  return { inputs: done, seconds: took(begun), disagreements };
}

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    inputs: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
  },
});
if (values.target !== undefined && !NAMES.includes(values.target)) {
  console.error(`fuzz: there is no target "${values.target}"\n${USAGE}`);
  process.exit(2);
}
const targets = values.target === undefined ? NAMES : [values.target];
const seconds = (number(values.minutes, 'minutes', Infinity, 0) * 60) / targets.length;
const limits = {
  seed: number(values.seed, 'seed', Math.floor(Math.random() * 0x7fff_ffff), -0x8000_0000),
  inputs: number(values.inputs, 'inputs', values.minutes === undefined ? 100_000 : Infinity, 1),
  seconds,
  from: number(values.from, 'from', 0, 0),
};
console.error(`fuzz: seed ${limits.seed}`);
const results = targets.map((target) => {
  const result = target === 'http' ? fuzzHttp(limits) : fuzzClaims(target, limits);
  console.error(
    `fuzz: ${target}: ${result.inputs} inputs in ${result.seconds} s, ${result.disagreements.length} disagreements`,
  );
  const { node, llhttp } = process.versions;
  return {
    target,
    seed: limits.seed,
    node,
    llhttp,
    peakMib: Math.round(process.resourceUsage().maxRSS / 1024),
    ...result,
  };
});
console.log(JSON.stringify(results.length === 1 ? results[0] : results, null, 2));
process.exitCode = results.some(({ disagreements }) => disagreements.length > 0) ? 1 : 0;
