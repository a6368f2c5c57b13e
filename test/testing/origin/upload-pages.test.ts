/** What is in progress, page by page: the same by S3 and by the XML API of Cloud Storage. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { BEARER, TOKEN, ask, xmlErrorOf, type Answer } from './gcs.kit.js';

const BUCKET = 'w';
const KEYS = ['a', 'a b', 'a/1', 'b', 'é', '😀'];

describe.each(['s3', 'gcs'] as const)('by %s', (dialect) => {
  let origin: Origin;
  const send = (method: string, path: string, body?: string): Promise<Answer> =>
    ask(origin, method, `/${BUCKET}${path}`, {
      headers: dialect === 'gcs' ? BEARER : {},
      ...(body === undefined ? {} : { body }),
    });
  const begin = async (key: string): Promise<string> => {
    const { text } = await send('POST', `/${encodeURIComponent(key)}?uploads`);
    return textsOf('UploadId', text)[0] ?? '';
  };
  const textsOf = (name: string, text: string): string[] =>
    [...text.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'g'))].map(([, found = '']) => found);

  beforeAll(async () => {
    const more = dialect === 'gcs' ? { tokens: [{ token: TOKEN }] } : { publicBuckets: [BUCKET] };
    origin = await startOrigin({ dialect, buckets: [BUCKET], ...more });
  });
  afterAll(() => origin.stop());

  test('parts go on behind the number of the last one', async () => {
    const id = await begin('parts');
    for (const number of [10, 2, 3, 1, 9])
      await send('PUT', `/parts?partNumber=${number}&uploadId=${id}`, `${number}`);
    const pages: string[][] = [];
    let marker = '0';
    for (let isMore = true; isMore;) {
      const { text } = await send('GET', `/parts?uploadId=${id}&max-parts=2&part-number-marker=${marker}`);
      pages.push(textsOf('PartNumber', text));
      expect(textsOf('MaxParts', text)).toEqual(['2']);
      [marker = ''] = textsOf('NextPartNumberMarker', text);
      isMore = textsOf('IsTruncated', text)[0] === 'true';
    }
    expect(pages).toEqual([['1', '2'], ['3', '9'], ['10']]);
    await send('DELETE', `/parts?uploadId=${id}`);
  });

  test('uploads go on behind the last key, and behind its upload where one key has several', async () => {
    const begun: string[] = [];
    for (const key of [...KEYS.toReversed(), 'b']) begun.push(await begin(key));
    const seen: string[] = [];
    const ids: string[] = [];
    let query = '';
    for (let isMore = true; isMore;) {
      const { text } = await send('GET', `?uploads&encoding-type=url&max-uploads=2${query}`);
      const keys = textsOf('Key', text).map((key) => decodeURIComponent(key.replaceAll('+', ' ')));
      expect(keys.length).toBeLessThanOrEqual(2);
      seen.push(...keys);
      ids.push(...textsOf('UploadId', text));
      isMore = textsOf('IsTruncated', text)[0] === 'true';
      query = `&key-marker=${textsOf('NextKeyMarker', text)[0]}&upload-id-marker=${textsOf('NextUploadIdMarker', text)[0]}`;
    }
    expect(seen).toEqual(['a', 'a b', 'a/1', 'b', 'b', 'é', '😀']);
    expect(ids.toSorted()).toEqual(begun.toSorted());
    const { text } = await send('GET', '?uploads&key-marker=b');
    expect(textsOf('Key', text)).toEqual(['é', '😀']);
    expect(textsOf('Key', (await send('GET', '?uploads&prefix=a/')).text)).toEqual(['a/1']);
  });

  test('a page of no number is refused', async () => {
    const id = await begin('odd');
    for (const path of [`/odd?uploadId=${id}&max-parts=x`, '?uploads&max-uploads=-1']) {
      expect(xmlErrorOf(await send('GET', path))).toEqual([400, 'InvalidArgument']);
    }
  });
});
