/** Deletions that are refused are rows, and do not keep the rest; whatever the service takes in one request. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { expectIdle, startRuntime } from './kit.js';
import { rowsOf } from './writes.kit.js';

const BUCKET = 'refusals';
const uri = (key: string): string => `s3://${BUCKET}/${key}`;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  const keys = ['alone/x', 'many/a', 'many/b', 'many/c'];
  origin = await startOrigin({
    objects: keys.map((key) => ({ bucket: BUCKET, key, size: 10 })),
    forbidden: ['alone/x'],
  });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await expectIdle(runtime);
  expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0 });
  await origin.stop();
});

test('one key that may not be deleted is a row', async () => {
  const rows = await rowsOf(runtime.deletePrefix(uri('alone/')));
  expect(rows).toMatchObject([{ uri: uri('alone/x'), action: 'failed', error: { code: 'AccessDenied' } }]);
});

test('many keys whose request is refused are rows, and can be deleted later', async () => {
  await origin.script({ op: 'delete-many', times: 1, do: { status: 403, code: 'AccessDenied' } });
  const rows = await rowsOf(runtime.deletePrefix(uri('many/')));
  expect(rows.map(({ action, error }) => [action, error?.code])).toEqual(
    Array.from({ length: 3 }, () => ['failed', 'AccessDenied']),
  );
  expect((await rowsOf(runtime.deletePrefix(uri('many/')))).map(({ action }) => action)).toEqual(
    Array(3).fill('deleted'),
  );
});
