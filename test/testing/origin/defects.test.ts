/** What cannot be served ends one request, not the origin: what clients or scripts bring about, and defects of its own. */
import { expect, test } from 'vitest';
import { startOrigin } from '../../../dist/testing/index.js';
import { ask, VERSION } from './azure.kit.js';
import { headerOf, rawGet } from './raw.kit.js';

const WRITER = { Authorization: 'Bearer writer', 'x-ms-version': VERSION };

test('what throws in the middle of a request is answered with 500 and told in the stats, and the origin goes on', async () => {
  // No machine has room for a copy of this one.
  await using origin = await startOrigin({
    dialect: 'azure',
    objects: [{ bucket: 'w', key: 'endless', size: 2 ** 52 }],
    tokens: [{ token: 'writer' }],
  });
  const source = `${origin.url}/${origin.account.name}/w/endless`;
  const copy = {
    method: 'PUT',
    path: 'w/copy?sig=secret',
    headers: { ...WRITER, 'x-ms-copy-source': source },
  };
  const seen = await ask(origin, copy);
  expect([seen.head.slice(9, 12), headerOf(seen.head, 'x-ms-error-code')]).toEqual(['500', 'InternalError']);
  const { defects } = await origin.stats();
  expect(defects).toEqual([expect.stringMatching(/^PUT \/\w+\/w\/copy: RangeError\b/)]);
  expect(await origin.requests()).toMatchObject([{ status: 500, complete: true }]);
  await origin.waitFor({ inFlight: 0 });
  expect((await ask(origin, { path: 'w/endless', method: 'HEAD', headers: WRITER })).head).toMatch(/ 200 /);
  await origin.reset();
  expect((await origin.stats()).defects).toEqual([]);
});

test('what throws once an answer is on its way ends its connection, and is told', async () => {
  await using origin = await startOrigin({
    objects: [{ bucket: 'b', key: 'k', size: 2 ** 52 }],
    publicBuckets: ['b'],
  });
  await origin.script({ do: { lie: 'gzip-encoding' } });
  expect((await rawGet(origin.port, '/b/k')).head).toBe('');
  const { defects, aborted, inFlight } = await origin.stats();
  expect([defects, aborted, inFlight]).toEqual([[expect.stringContaining('GET /b/k: RangeError')], 1, 0]);
});

test('an overwrite of what is not there does nothing', async () => {
  await using origin = await startOrigin({ buckets: ['b'], publicBuckets: ['b', 'absent'] });
  await origin.script({ do: { overwrite: true } });
  for (const path of ['/absent/k', '/absent', '/b/k', '/b?list-type=2']) await rawGet(origin.port, path);
  expect((await origin.stats()).byStatus).toEqual({ 200: 1, 404: 3 });
  expect((await origin.stats()).defects).toEqual([]);
});

test('an object that is no gzip, though it says so, is served as it is', async () => {
  const attributes = { contentEncoding: 'gzip' };
  await using origin = await startOrigin({
    dialect: 'gcs',
    objects: [{ bucket: 'b', key: 'k', body: 'no gzip', attributes }],
    publicBuckets: ['b'],
  });
  const { head, body } = await rawGet(origin.port, '/b/k');
  expect([head.slice(9, 12), headerOf(head, 'content-encoding'), String(body)]).toEqual([
    '200',
    'gzip',
    'no gzip',
  ]);
  expect((await origin.stats()).defects).toEqual([]);
});

test('a source of a copy that cannot be decoded is refused', async () => {
  await using origin = await startOrigin({ dialect: 'azure', buckets: ['w'], tokens: [{ token: 'writer' }] });
  const headers = { ...WRITER, 'x-ms-copy-source': `${origin.url}/${origin.account.name}/src/%E0%A4%A` };
  const { head } = await ask(origin, { method: 'PUT', path: 'w/copy', headers });
  expect([head.slice(9, 12), headerOf(head, 'x-ms-error-code')]).toEqual(['400', 'InvalidHeaderValue']);
});
