import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runNode } from '../kit/process.mjs';

const directory = mkdtempSync(join(tmpdir(), 'millrace-process-'));
afterAll(() => rmSync(directory, { recursive: true }));

function script(name: string, text: string): string {
  const path = join(directory, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}

const PATIENT = `
process.stdout.write('begin ');
process.stdin.once('data', (d) => process.stdout.write('got ' + d));
process.on('SIGTERM', () => { console.error('ending ' + process.argv[2] + process.env.WHO); process.exit(3); });
`;

describe('a child process', () => {
  test('is watched by lines, answers, signals and exit', async () => {
    const child = runNode(script('patient', PATIENT), { args: ['x'], env: { WHO: 'y' } });
    child.send('word\n');
    const match = await child.waitForLine(/^begin got (\w+)$/);
    expect(match[1]).toBe('word');
    child.signal('SIGTERM');
    expect(await child.exit()).toEqual({
      code: 3,
      signal: null,
      stdout: 'begin got word\n',
      stderr: 'ending xy\n',
    });
  });

  test('that says nothing of the kind is killed, and what it said is told', async () => {
    const child = runNode(script('mute', `console.log('something else'); setInterval(() => {}, 1000)`));
    await child.waitForLine(/something/);
    await expect(child.waitForLine(/never/, { timeoutMs: 1 })).rejects.toThrow(
      /waited 1 ms[^]*something else/,
    );
    expect(await child.exit()).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  test('that ends before the line fails the wait at once', async () => {
    const child = runNode(script('brief', `console.error('oh no'); process.exitCode = 7`));
    await expect(child.waitForLine(/never/)).rejects.toThrow(/ended with code 7[^]*oh no/);
  });

  test('is waited for on its error stream, and half a line does not count', async () => {
    const child = runNode(
      script('half', `process.stderr.write('rea'); process.stdin.once('data', () => console.error('dy 1'))`),
    );
    const ready = child.waitForLine(/^ready?/, { stream: 'stderr' });
    child.send('go\n');
    expect((await ready)[0]).toBe('ready');
    child.endInput();
    expect((await child.exit()).code).toBe(0);
  });
});
