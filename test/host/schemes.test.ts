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
    [{ s3: 5 }, 'stores.s3: expected an object; given 5'],
    [{ az: [] }, 'stores.az: expected an object; given an array'],
    [{ gs: 'anonymous' }, 'stores.gs: expected an object; given "anonymous"'],
    [{ s3: Object.create({ ca: 5 }) as object }, 'The s3 option "ca" must be a string'],
    [{ az: Object.create({ ca: 5 }) as object }, 'The az option "ca" must be a string'],
    [{ gs: Object.create({ ca: 5 }) as object }, 'The gs option "ca" must be a string'],
    [{ s3: { endpoints: [Object.create(null)] } }, 'The s3 option "endpoints[0]" is not a URL'],
    [{ s3: { region: 'https://h/?sig=SECRET' } }, 'given: "https://h/..."'],
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
