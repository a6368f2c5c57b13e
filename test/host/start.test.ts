/** A start that is refused says why, and leaves nothing behind. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ErrorCode, Runtime } from '../../dist/index.js';
import { takeBaseline, excess } from '../kit/leaks.mjs';

describe('a start that is refused', () => {
  it.each([
    ['an option of a scheme', { stores: { file: { roo: 1 } } }],
    ['more memory than there are addresses', { memoryBudget: '100TiB' }],
    ['an option that does not exist', { worker: 1 }],
  ])('for %s leaves no listener on the signal, and nothing else', async (_name, options) => {
    const { signal } = new AbortController();
    const before = await takeBaseline();
    await expect(Runtime.start({ ...options, signal })).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
    });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(excess(before)).toEqual([]);
  });

  it('leaves the listener of one that is not, until its close', async () => {
    const { signal } = new AbortController();
    const runtime = await Runtime.start({ workers: 1, memoryBudget: '1MiB', signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await runtime.close();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it.each([
    [{ memoryBudget: '100TiB' }, '"100TiB"'],
    [{ memoryBudget: Number.MAX_SAFE_INTEGER }, '9007199254740991'],
  ])('for %j names the budget and what was given', async (options, given) => {
    await expect(Runtime.start(options)).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
      message: `memoryBudget: expected no more bytes than one SharedArrayBuffer of this machine can have; given ${given}`,
    });
  });

  it.each([
    [null, 'null'],
    [[], 'an array'],
    ['4', '"4"'],
  ])('for %j instead of options says what was expected', async (options, given) => {
    await expect(Runtime.start(options as never)).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
      message: `runtime: expected an object; given ${given}`,
    });
  });
});
