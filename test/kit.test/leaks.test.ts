import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { backToBaseline, excess, pendingTimers, takeBaseline } from '../kit/leaks.mjs';
import { skipUnless } from '../kit/require-server.mjs';

const linux = process.platform === 'linux';

describe('the baseline', () => {
  test('sees a server, names it, and is reached when the server has closed', async () => {
    const baseline = await takeBaseline();
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    expect(excess(baseline).join()).toMatch(/1 more TCPServerWrap/);
    await expect(backToBaseline(baseline, { timeoutMs: 1 })).rejects.toThrow(
      /still held after 1 ms[^]*TCPServerWrap/,
    );
    server.close();
    await backToBaseline(baseline);
  });

  test.skipIf(!linux)('sees a descriptor and what it is open on', async () => {
    const baseline = await takeBaseline();
    const fd = openSync(process.execPath, 'r');
    expect(excess(baseline)).toEqual([expect.stringContaining(`new: ${fd} ${process.execPath}`)]);
    closeSync(fd);
    await backToBaseline(baseline);
  });

  test.skipIf(!linux)('sees a thread', async () => {
    const baseline = await takeBaseline();
    const worker = new Worker('require("node:worker_threads").parentPort.once("message", () => {})', {
      eval: true,
    });
    await new Promise((resolve) => worker.once('online', resolve));
    expect(excess(baseline).join()).toMatch(/more threads/);
    worker.postMessage('end');
    await backToBaseline(baseline);
  });

  test('leaves timers to a count of their own', () => {
    const before = pendingTimers();
    const timer = setTimeout(() => {}, 60_000);
    expect(pendingTimers()).toBe(before + 1);
    clearTimeout(timer);
    expect(pendingTimers()).toBe(before);
  });
});

describe('a server that cannot be had', () => {
  test('skips a suite here, and fails it under CI', () => {
    const before = process.env['CI'];
    try {
      delete process.env['CI'];
      expect(skipUnless(null)).toBe(false);
      expect(skipUnless('not installed')).toBe(true);
      process.env['CI'] = 'true';
      expect(skipUnless(null)).toBe(false);
      expect(() => skipUnless('not installed')).toThrow(/not installed/);
    } finally {
      if (before === undefined) delete process.env['CI'];
      else process.env['CI'] = before;
    }
  });
});
