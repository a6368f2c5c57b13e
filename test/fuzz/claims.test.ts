/** A small share of the other fuzzing, each claim with a seed that is fixed and one that is new. */
import { describe, expect, it } from 'vitest';
import { claim, tryClaim } from './lib/claims.mjs';
import * as fc from 'fast-check';
import { CLAIMS } from './targets/index.mjs';

const fresh = Math.floor(Math.random() * 0x7fff_ffff);
const RUNS = 120;

describe.each(Object.entries(CLAIMS))('%s', (_target, claims) => {
  it.each(claims.map((each) => [each.name, each] as const))(`%s (seeds 1 and ${fresh})`, (_name, each) => {
    expect(tryClaim(each, 1, RUNS)).toBeNull();
    expect(tryClaim(each, fresh, RUNS)).toBeNull();
  });
});

describe('a claim that does not hold', () => {
  it('is told with its seed and the shortest value, whether it says so or throws', () => {
    const small = claim('all are small', fc.nat(1000), (n) => (n < 100 ? null : `${n} is not`));
    expect(tryClaim(small, 7, 200)).toMatch(/^all are small: Error: 100 is not.*seed 7, path .*\[100\]$/s);
    const thrown = claim('none throws', fc.nat(1000), (n) => {
      if (n >= 100) throw new TypeError('large');
      return null;
    });
    expect(tryClaim(thrown, 7, 200)).toMatch(/TypeError: large.*\[100\]$/s);
  });
});
