/** The bugs that the simulation is shown to find, which the long tests alone put in. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PLANTED } from '../long/planted.kit.js';

test.each(PLANTED)('there is one place to put in: $name', ({ file, find, put }) => {
  const built = readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');
  expect(built.split(find)).toHaveLength(2);
  expect(put).not.toBe(find);
});
