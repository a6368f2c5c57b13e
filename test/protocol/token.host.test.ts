import { EventEmitter, getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { CancellationToken } from '../../dist/protocol/token.js';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { runNode } from '../kit/process.mjs';
import { handClock } from './hand-clock.js';

type Source = Pick<NodeJS.Process, 'on' | 'removeListener'>;

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** A script that has CancellationToken. */
function script(body: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-token-'));
  directories.push(directory);
  const file = join(directory, 'script.mjs');
  const module = new URL('../../dist/protocol/token.js', import.meta.url).href;
  writeFileSync(file, `import { CancellationToken } from ${JSON.stringify(module)};\n${body}`);
  return file;
}

describe('fromSignals', () => {
  it('drains at the first signal, with its name as the reason, and takes all its handlers back', () => {
    const source = new EventEmitter();
    const foreign = (): void => {};
    source.on('SIGTERM', foreign);
    const token = CancellationToken.fromSignals(['SIGTERM', 'SIGINT'], {
      source: source as unknown as Source,
    });
    expect([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')]).toEqual([2, 1]);
    expect(token.state).toBe(0);
    source.emit('SIGINT', 'SIGINT');
    expect(token).toMatchObject({ draining: true, reason: 'SIGINT' });
    expect([source.listeners('SIGTERM'), source.listenerCount('SIGINT')]).toEqual([[foreign], 0]);
    token.cancel();
  });

  it('gives the drain the deadline that it was told', () => {
    const source = new EventEmitter();
    const token = CancellationToken.fromSignals(['SIGTERM'], {
      source: source as unknown as Source,
      deadlineMs: 0,
    });
    source.emit('SIGTERM', 'SIGTERM');
    expect(token).toMatchObject({ cancelled: true, reason: 'SIGTERM' });
  });

  it('leaves no handler behind after dispose, and its state as it was', () => {
    const before = process.listenerCount('SIGUSR2');
    const token = CancellationToken.fromSignals(['SIGUSR2']);
    expect(process.listenerCount('SIGUSR2')).toBe(before + 1);
    token.dispose();
    token.dispose();
    expect(process.listenerCount('SIGUSR2')).toBe(before);
    expect(token.state).toBe(0);
  });

  it.skipIf(process.platform === 'win32')(
    'drains a real process at the first SIGTERM, and lets the second end it',
    async () => {
      const child = runNode(
        script(`
          const token = CancellationToken.fromSignals();
          token.onChange(() => console.log('draining ' + token.reason));
          setInterval(() => {}, 1000);
          console.log('ready');
        `),
      );
      await child.waitForLine(/^ready$/);
      child.signal('SIGTERM');
      await child.waitForLine(/^draining SIGTERM$/);
      child.signal('SIGTERM');
      expect(await child.exit()).toMatchObject({ code: null, signal: 'SIGTERM', stderr: '' });
    },
  );
});

describe('fromAbortSignal', () => {
  it('is cancelled when the signal aborts, with its reason', () => {
    const controller = new AbortController();
    const token = CancellationToken.fromAbortSignal(controller.signal);
    expect(token.state).toBe(0);
    controller.abort(new Error('enough'));
    expect(token).toMatchObject({ cancelled: true, reason: 'enough' });
    expect(token.error()).toMatchObject({ code: 'Cancelled' });
  });

  it('is cancelled from the begin when the signal was aborted before', () => {
    // Thrown in a listener of the signal it would end the process.
    const bare: unknown = Object.create(null);
    expect(CancellationToken.fromAbortSignal(AbortSignal.abort(bare)).cancelled).toBe(true);
    expect(CancellationToken.fromAbortSignal(AbortSignal.abort('gone'))).toMatchObject({
      cancelled: true,
      reason: 'gone',
    });
  });

  it('takes a time-out for a deadline', () => {
    const timedOut = AbortSignal.abort(new DOMException('too long', 'TimeoutError'));
    expect(CancellationToken.fromAbortSignal(timedOut).error()).toMatchObject({ code: 'DeadlineExceeded' });
  });

  it('leaves no listener on the signal after dispose, nor after the abort', () => {
    const { signal } = new AbortController();
    const token = CancellationToken.fromAbortSignal(signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    token.dispose();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const controller = new AbortController();
    CancellationToken.fromAbortSignal(controller.signal);
    controller.abort();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });
});

describe('toAbortSignal', () => {
  it('aborts with the error of the token when it is cancelled, not when it drains', () => {
    const token = new CancellationToken({ clock: handClock() });
    const signal = token.toAbortSignal();
    token.drain('SIGTERM');
    expect(signal.aborted).toBe(false);
    token.cancel();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ name: 'MillraceError', code: 'Cancelled' });
  });

  it('is aborted already when the token is cancelled, by a deadline for instance', () => {
    const { reason, aborted } = new CancellationToken().withDeadline(0).toAbortSignal();
    expect(aborted).toBe(true);
    expect(reason).toMatchObject({ code: 'DeadlineExceeded' });
  });

  it('gives the same signal each time, so that requests do not pile up on a token that lives long', () => {
    const token = new CancellationToken();
    const signals = Array.from({ length: 100 }, () => token.toAbortSignal());
    expect(new Set(signals).size).toBe(1);
  });

  it('is let go of by dispose: a service does not hold the signals of requests that are over', () => {
    const clock = handClock();
    const parent = new CancellationToken({ clock });
    const token = parent.withDeadline(1000);
    const signal = token.toAbortSignal();
    expect(clock.timers).toBe(1);
    token.dispose();
    expect(clock.timers).toBe(0);
    parent.cancel();
    expect(signal.aborted).toBe(false);
    expect(token.toAbortSignal().aborted).toBe(true);
  });

  it('of a token of signals still aborts when its drain has become a cancel', () => {
    const source = new EventEmitter();
    const token = CancellationToken.fromSignals(['SIGTERM'], { source: source as unknown as Source });
    const signal = token.toAbortSignal();
    source.emit('SIGTERM', 'SIGTERM');
    token.cancel();
    expect(signal.aborted).toBe(true);
  });
});

describe('a process', () => {
  it('is not held open by tokens, their deadlines, drains and signal handlers', async () => {
    const child = runNode(
      script(`
        const token = CancellationToken.fromSignals();
        token.withDeadline(3_600_000).onStop(() => console.log('expired'));
        token.withDeadline(2 ** 40).toAbortSignal();
        token.drain('slow', { deadlineMs: 3_600_000 });
        token.onStop(() => console.log('cancelled'));
      `),
    );
    expect(await child.exit()).toMatchObject({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('that does stay sees a deadline in real time', async () => {
    const token = new CancellationToken().withDeadline(5);
    // The timer of a token holds no process: something else has to.
    const hold = setInterval(() => {}, 1000);
    await new Promise<void>((resolve) => {
      token.onStop(resolve);
    });
    clearInterval(hold);
    expect(token.error()).toMatchObject({ code: 'DeadlineExceeded' });
  });
});
