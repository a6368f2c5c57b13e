/**
 * One measurement in one process: its figures, or why there are none. A process that takes too long is killed,
 * and so is one that this process would leave behind.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process that gives up begins the line with its reason with. */
export const FAILED = 'failed: ';

/**
 * Rejects when the process fails, prints no JSON, or is not over after `limitMs`.
 * @param {string} script beside this file
 * @param {object} given what the process is to measure
 * @param {{limitMs: number}} options
 * @returns {Promise<any>}
 */
export function measure(script, given, { limitMs }) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const env = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
  const child = spawn(process.execPath, [path, JSON.stringify(given)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let late = false;
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, limitMs);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.off('exit', kill);
      if (late) return reject(new Error(`${script} was not over after ${limitMs / 1e3} s`));
      if (code !== 0) {
        const why = stderr.split('\n').findLast((line) => line.startsWith(FAILED));
        return reject(new Error(why?.slice(FAILED.length) ?? `${script} ended with ${signal ?? code}`));
      }
      try {
        resolve(JSON.parse(stdout));
      } catch (cause) {
        reject(new Error(`${script} printed no JSON`, { cause }));
      }
    });
  });
}
