/** What an overwrite means for an object that came with a body, on every dialect: other bytes, and sums and ETags of those. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type DialectName, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { headerOf, rawGet, type Seen } from './raw.kit.js';

const BODY = 'a body of its own';
const ROWS: ReadonlyArray<{ dialect: DialectName; at: string; sum: string; prefix: string }> = [
  { dialect: 's3', at: '', sum: 'x-amz-meta-sum', prefix: 'x-amz-meta-' },
  { dialect: 'azure', at: '/originaccount', sum: 'content-md5', prefix: '' },
  { dialect: 'gcs', at: '', sum: 'x-goog-hash', prefix: '' },
];

test('an overwrite of a bucket is one of each object in it', async () => {
  const objects = [
    { bucket: 'b', key: 'k', body: BODY },
    { bucket: 'b', key: 'l', size: 8 },
  ];
  await using origin = await startOrigin({ objects, publicBuckets: ['b'] });
  await origin.bump('b');
  for (const [key, size] of [
    ['k', BODY.length],
    ['l', 8],
  ] as const) {
    const { body } = await rawGet(origin.port, `/b/${key}`);
    expect(body.equals(patternBytes(objectIdOf(key, 1), size))).toBe(true);
  }
});

describe.each(ROWS)('$dialect', ({ dialect, at, sum, prefix }) => {
  let origin: Origin;
  beforeAll(async () => {
    const attributes = { contentType: 'text/odd', metadata: { [`${prefix}kept`]: 'yes' } };
    origin = await startOrigin({
      dialect,
      objects: ['one', 'two', 'three'].map((key) => ({ bucket: 'b', key, body: BODY, attributes })),
      publicBuckets: ['b'],
    });
  });
  afterAll(() => origin.stop());

  const get = (key: string, headers = {}): Promise<Seen> =>
    rawGet(origin.port, `${at}/b/${key}`, { Connection: 'close', ...headers });
  const bytesOf = (key: string, generation: number, size = BODY.length): Buffer =>
    Buffer.from(patternBytes(objectIdOf(key, generation), size));

  test('an overwrite gives other bytes of the same length, another ETag and true sums', async () => {
    const before = await get('one');
    expect(before.body.toString()).toBe(BODY);
    await origin.bump('b', 'one');
    const after = await get('one');
    expect(after.body.equals(bytesOf('one', 1))).toBe(true);
    expect(headerOf(after.head, 'etag')).not.toBe(headerOf(before.head, 'etag'));
    const md5 = createHash('md5').update(after.body).digest('base64');
    if (dialect !== 's3') expect(headerOf(after.head, sum)).toContain(md5);
    expect([headerOf(after.head, 'content-type'), /meta-kept: yes/i.test(after.head)]).toEqual([
      'text/odd',
      true,
    ]);
    await origin.bump('b', 'one', 5);
    expect((await get('one')).body.equals(bytesOf('one', 2, 5))).toBe(true);
  });

  test('an overwrite between two parts gives parts of two versions', async () => {
    await origin.script({ key: 'two', nth: 2, do: { overwrite: true } });
    const first = await get('two', { Range: 'bytes=0-7' });
    const second = await get('two', { Range: 'bytes=8-16' });
    expect([first.body.toString(), second.body.length]).toEqual([BODY.slice(0, 8), 9]);
    expect(second.body.equals(bytesOf('two', 1).subarray(8))).toBe(true);
  });

  test('a mixed version has the bytes of the next generation', async () => {
    await origin.script({ nth: 2, do: { lie: 'mixed-version' } });
    const [honest, mixed] = [await get('three'), await get('three')];
    expect([honest.body.toString(), mixed.body.equals(bytesOf('three', 1))]).toEqual([BODY, true]);
    expect((await get('three')).body.toString()).toBe(BODY);
  });

  test('what is not there cannot be overwritten, and a size is for one key', async () => {
    await expect(origin.bump('b', 'absent')).rejects.toThrow('origin: bump: no object absent in b');
    await expect(origin.bump('b', undefined, 5)).rejects.toThrow(/a size of 5 needs the key/);
  });
});
