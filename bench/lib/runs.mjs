/**
 * One pass of one contender in a process of its own, bounded by a time limit.
 *
 * What it keeps true: a process that passes its limit is killed, by its id, and so is one that is running when this process exits; wrong bytes end the whole bench, anything
 * else that goes wrong is told as a missing row.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { derived } from './statistics.mjs';

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));
/** Exit status of a process that was given wrong bytes. */
const WRONG_BYTES = 3;

/** A contender was given bytes that the origin does not have. */
export class WrongBytes extends Error {}

/**
 * Resolves to the figures of the pass, or to why there are none.
 * @param {object} contender @param {import('./child.mjs').Job} job @param {number} limitMs
 * @returns {Promise<{ figures: object } | { why: string }>}
 */
export function runPass(contender, job, limitMs) {
  const [program, ...args] = contender.command?.(job) ?? [process.execPath, CHILD, JSON.stringify(job)];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_EXTRA_CA_CERTS: job.caFile,
      NO_PROXY: '127.0.0.1',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
  });
  const kill = () => child.kill('SIGKILL');
  process.prependOnceListener('exit', kill);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, limitMs);
  let out = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-4000)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      process.off('exit', kill);
      if (status === WRONG_BYTES) reject(new WrongBytes(said.trim()));
      else if (timedOut) resolve({ why: `killed after ${limitMs / 1000} s` });
      else if (status === 0) resolve({ figures: derived(JSON.parse(out)) });
      else resolve({ why: `ended with ${signal ?? status}: ${lastLine(said)}` });
    });
  });
}

/** The line of a stack trace that says what was wrong. */
function lastLine(text) {
  const lines = text.trim().split('\n');
  return (lines.find((line) => /Error\b|c-limit:/.test(line)) ?? lines.at(-1) ?? '').trim().slice(0, 300);
}
