/** Options of the schemes are refused where they are not known: nothing is left open, or out, by a spelling. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, Runtime } from '../../dist/index.js';

describe('options of a scheme', () => {
  it.each([
    [{ file: { rot: '/srv' } }, 'stores.file: unknown option "rot"; did you mean "root"?'],
    [{ file: { root: 3 } }, 'not a file URI or path'],
    [{ direct: { rot: '/srv' } }, 'stores.direct: unknown option "rot"; did you mean "root"?'],
    [{ direct: { root: 3 } }, 'not a file URI or path'],
    [{ direct: { fallback: 'yes' } }, `stores.direct.fallback: expected 'error' or 'buffered'; given "yes"`],
    [{ s3: { regio: 'x' } }, 'did you mean "region"?'],
    [{ az: { sasTokn: 'x' } }, 'did you mean "sasToken"?'],
    [{ memory: { key: 'a' } }, 'stores.memory: expected an array of objects'],
    [{ mine: { module: 'file:///x.mjs', confg: 1 } }, 'stores.mine: unknown option "confg"'],
    [{ mine: { modul: 'file:///x.mjs' } }, 'stores: unknown option "mine"'],
  ])('refuses %j', async (stores, message) => {
    await expect(Runtime.start({ workers: 1, stores })).rejects.toMatchObject({
      code: ErrorCode.InvalidArgument,
      message: expect.stringContaining(message) as string,
    });
  });
});
