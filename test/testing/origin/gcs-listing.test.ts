import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { ask, documentOf, errorOf, type Document } from './gcs.kit.js';

let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [
      { bucket: 'b', prefix: 'n/', count: 2500, sizes: [8, 16] },
      { bucket: 'b', key: 'a', size: 1 },
      { bucket: 'b', key: 'dir/x', size: 1 },
      { bucket: 'b', key: 'dir/', size: 0 },
      { bucket: 'b', key: 'z&<é', size: 1 },
    ],
    buckets: ['none'],
    publicBuckets: ['b', 'none'],
  });
});
afterAll(() => origin.stop());

const list = async (query: Record<string, string>, bucket = 'b'): Promise<Document> =>
  documentOf(await ask(origin, 'GET', `/storage/v1/b/${bucket}/o?${new URLSearchParams(query).toString()}`));
const names = ({ items = [] }: Document): string[] => items.map(({ name }) => name);

async function all(query: Record<string, string>): Promise<Document[]> {
  const pages: Document[] = [];
  for (let pageToken = ''; pages.length < 100;) {
    const page = await list(pageToken === '' ? query : { ...query, pageToken });
    pages.push(page);
    if (page.nextPageToken === undefined) return pages;
    pageToken = page.nextPageToken;
  }
  throw new Error('a listing without end');
}

describe('a listing of the JSON API', () => {
  test('comes in pages of a thousand, each key once and in order', async () => {
    const pages = await all({});
    const keys = pages.flatMap(names);
    expect(pages.map((page) => names(page).length)).toEqual([1000, 1000, 504]);
    expect([new Set(keys).size, keys[0], keys.at(-1)]).toEqual([2504, 'a', 'z&<é']);
    expect(keys).toEqual(keys.toSorted());
    expect(pages[0]?.items?.[4]).toMatchObject({ name: 'n/0001', size: '16' });
  });

  test('counts keys and prefixes alike, and goes on after a prefix', async () => {
    const pages = await all({ delimiter: '/', maxResults: '2' });
    expect(pages.map((page) => [names(page), page.prefixes ?? []])).toEqual([
      [['a'], ['dir/']],
      [['z&<é'], ['n/']],
    ]);
  });

  test('begins and ends where it is told', async () => {
    const page = await list({ prefix: 'n/', startOffset: 'n/0010', endOffset: 'n/0013' });
    expect(names(page)).toEqual(['n/0010', 'n/0011', 'n/0012']);
    expect(names(await list({ endOffset: 'dir/x' }))).toEqual(['a', 'dir/']);
    const trailing = await list({ delimiter: '/', includeTrailingDelimiter: 'true', prefix: 'd' });
    expect([names(trailing), trailing.prefixes]).toEqual([['dir/'], ['dir/']]);
  });

  test('of nothing has no items, and refuses what it did not hand out', async () => {
    expect(await list({}, 'none')).toEqual({ kind: 'storage#objects' });
    for (const query of ['pageToken=%21', 'maxResults=x']) {
      expect(errorOf(await ask(origin, 'GET', `/storage/v1/b/b/o?${query}`))).toEqual([400, 'invalid']);
    }
  });
});

describe('a listing of the XML API', () => {
  const listXml = async (query: string): Promise<string> =>
    (await ask(origin, 'GET', `/b?list-type=2${query}`)).text;
  const keysIn = (xml: string): string[] =>
    [...xml.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key ?? '');

  test('comes in pages with generations, in XML text or encoded', async () => {
    const first = await listXml('&max-keys=4&delimiter=/');
    expect(keysIn(first)).toEqual(['a', 'z&amp;&lt;é']);
    expect(first).toContain('<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>');
    const token = /<NextContinuationToken>(.*?)</.exec(first)?.[1];
    expect(token).toBeUndefined();
    const page = await listXml('&max-keys=2');
    const next = encodeURIComponent(/<NextContinuationToken>(.*?)</.exec(page)?.[1] ?? '');
    expect(keysIn(await listXml(`&max-keys=2&continuation-token=${next}`))).toEqual(['dir/x', 'n/0000']);
    expect(page).toMatch(/<Generation>\d{16}<\/Generation>/);
    expect(keysIn(await listXml('&start-after=n/2499&encoding-type=url'))).toEqual(['z%26%3C%C3%A9']);
  });
});
