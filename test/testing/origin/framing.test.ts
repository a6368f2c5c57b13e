/** How the end of an answer is told, on every dialect: nothing behind a head without a body, and lies about lengths. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type DialectName, type Fault, type Origin } from '../../../dist/testing/index.js';
import { getText, headerOf, rawClient, rawGet, type Seen } from './raw.kit.js';

const ROWS: ReadonlyArray<{ dialect: DialectName; at: string; list: string }> = [
  { dialect: 's3', at: '', list: '/b?list-type=2' },
  { dialect: 'azure', at: '/originaccount', list: '/originaccount/b?restype=container&comp=list' },
  { dialect: 'gcs', at: '', list: '/b' },
];

describe.each(ROWS)('$dialect', ({ dialect, at, list }) => {
  let origin: Origin;
  beforeAll(async () => {
    const objects = [{ bucket: 'b', key: 'k', size: 5 }];
    origin = await startOrigin({ dialect, objects, publicBuckets: ['b'] });
  });
  afterAll(() => origin.stop());
  afterEach(() => origin.reset());

  const path = `${at}/b/k`;
  const listed = (fault: Fault | null): Promise<Seen> =>
    origin.script(...(fault === null ? [] : [{ do: fault }])).then(() => rawGet(origin.port, list));

  /** What comes for two requests on one connection, cut at each empty line: the first is answered without a body. */
  async function pair(first: string): Promise<string[]> {
    const client = rawClient(origin.port);
    client.send(first + getText(path));
    const { head, body } = await client.ended();
    return `${head}\r\n\r\n${body.toString('latin1')}`.split('\r\n\r\n');
  }

  test('a 304 is its head and nothing else: the next answer begins right behind it', async () => {
    const etag = headerOf((await rawGet(origin.port, path)).head, 'etag');
    const [head = '', behind] = await pair(getText(path, { 'If-None-Match': etag }));
    expect([head.slice(0, 13), behind?.slice(0, 13)]).toEqual(['HTTP/1.1 304 ', 'HTTP/1.1 200 ']);
    expect(headerOf(head, 'content-length') + headerOf(head, 'transfer-encoding')).toBe('');
  });

  test.each([204, 304])('a %i that a script sends is the same', async (status) => {
    for (const fault of [{}, { lie: 'chunked' }] as const) {
      await origin.script({ nth: 1, do: { status, ...fault } });
      const [head, behind] = await pair(getText(path, {}));
      expect([head?.slice(9, 12), behind?.slice(0, 13)]).toEqual([String(status), 'HTTP/1.1 200 ']);
    }
  });

  test('a listing has a length to lie about', async () => {
    const honest = await listed({ lie: 'no-length' });
    expect(headerOf(honest.head, 'content-length') + headerOf(honest.head, 'transfer-encoding')).toBe('');
    expect(honest.body.toString()).toMatch(/^\uFEFF?<\?xml[^]*>$/);
    const { length } = honest.body;
    for (const [lie, said] of [
      ['short-length', `${length - 7}`],
      ['long-length', `${length + 7}`],
      ['two-lengths', `${length}|${length + 7}`],
    ] as const) {
      const seen = await listed({ lie, by: 7 });
      expect([lie, headerOf(seen.head, 'content-length')]).toEqual([lie, said]);
      expect(headerOf(seen.head, 'transfer-encoding')).toBe('');
      expect(seen.body.equals(honest.body)).toBe(true);
    }
  });
});
