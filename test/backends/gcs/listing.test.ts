import { describe, expect, it } from 'vitest';
import { parsePage } from '../../../dist/backends/gcs/json-listing.js';
import { keysOf, listRequest, versionsOf } from '../../../dist/testing/kit.js';
import { data, exchange, HMAC, NOW, utf8 } from './kit.js';

describe('a listing by token', () => {
  it('asks for what a page holds and no more', () => {
    const request = listRequest({
      prefix: utf8('a/é&'),
      delimiter: '/',
      continuation: 'to+ken',
      limit: 5000,
    });
    const { target } = data().prepareList(request, NOW);
    expect(target).toBe(
      '/storage/v1/b/logs/o?fields=items%28name%2Csize%2Cgeneration%2Cupdated%29%2Cprefixes%2CnextPageToken' +
        '&maxResults=1000&prefix=a%2F%C3%A9%26&delimiter=%2F&pageToken=to%2Bken',
    );
  });

  it('keeps a generation that no number holds', () => {
    const items = [
      { name: 'a/\u0001é"', size: '0', generation: '9007199254740993', updated: '2026-11-21T04:36:34Z' },
      { name: 'b', size: '5497558138880', generation: '2' },
    ];
    const body = JSON.stringify({ items, prefixes: ['c/'], nextPageToken: 'next' });
    const page = data().listAnswer(listRequest({}), exchange(200, {}, body), NOW).value!;
    expect(keysOf(page)).toEqual(['a/\u0001é"', 'b']);
    expect(versionsOf(page)).toEqual(['9007199254740993', '2']);
    expect([...page.sizes]).toEqual([0, 5497558138880]);
    expect([...page.modified]).toEqual([NOW, Number.NaN]);
    expect(page).toMatchObject({ prefixes: ['c/'], next: 'next' });
  });

  it('is empty where there are no items', () => {
    const page = data().listAnswer(
      listRequest({}),
      exchange(200, {}, '{"kind":"storage#objects"}'),
      NOW,
    ).value;
    expect(page).toMatchObject({ count: 0, prefixes: [], next: null });
  });

  it.each([
    '{"items":[{"name":"a","size":"1"},{"name":"b"',
    '{"items":[{"name":"a"}]}',
    '{"items":[{"size":"1"}]}',
    '{"items":[null]}',
    '{"items":{}}',
    '{"items":[{"name":"a","size":1}]}',
    '{"items":[{"name":"half \\ud800 a pair","size":"1"}]}',
    '{"items":[{"name":"a","size":"9007199254740993"}]}',
    '{"prefixes":[1]}',
    '{"prefixes":["half \\udc00 a pair/"]}',
    '{"nextPageToken":{}}',
    '[]',
    '',
  ])('is refused as a whole when it is %s', (body) => {
    const answer = data().listAnswer(listRequest({}), exchange(200, {}, body), NOW);
    expect(answer).toMatchObject({ outcome: 'transient', value: null });
    expect(answer.error).toMatchObject({ code: 'ProtocolViolation', retryable: true });
  });
});

describe('a listing that is not UTF-8', () => {
  it('is refused, for its names would be others', () => {
    const body = Buffer.from('{"items":[{"name":"a\xff","size":"1"}]}', 'latin1');
    expect(() => parsePage(body, {})).toThrow(expect.objectContaining({ code: 'ProtocolViolation' }));
    expect(parsePage(Buffer.from(body.toString('latin1')), {}).count).toBe(1);
  });
});

describe('a listing by HMAC key', () => {
  it('is one of the XML API, with generations for versions', () => {
    const store = data({ auth: HMAC });
    const { target } = store.prepareList(listRequest({ prefix: utf8('a b') }), NOW);
    expect(target).toBe('/logs/?encoding-type=url&list-type=2&max-keys=1000&prefix=a%20b');
    const body =
      '<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>' +
      '<Contents><Key>a%20b/%2B</Key><Generation>9007199254740993</Generation><ETag>"x"</ETag><Size>3</Size></Contents>' +
      '</ListBucketResult>';
    const page = store.listAnswer(listRequest({}), exchange(200, {}, body), NOW).value!;
    expect([keysOf(page), versionsOf(page)]).toEqual([['a b/+'], ['9007199254740993']]);
  });
});
