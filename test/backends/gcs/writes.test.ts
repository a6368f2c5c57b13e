import { describe, expect, it } from 'vitest';
import { crc32cText } from '../../../dist/backends/gcs/verify.js';
import type { CompleteRequest, PartRequest, PutRequest } from '../../../dist/protocol/writes.js';
import {
  answered,
  data,
  exchange,
  headersOf,
  HMAC,
  jsonRefusal,
  NOW,
  utf8,
  writeOf,
  xmlRefusal,
} from './kit.js';

const NO_CONDITION = { ifAbsent: false, ifVersion: null, contentType: null };
const KEY = utf8('a/b');
const BODY = utf8('position-unique bytes');
const CRC = crc32cText(BODY);
const put: PutRequest = { kind: 'put', key: KEY, body: BODY, ...NO_CONDITION };
const begin = { kind: 'begin', key: KEY, size: 30, ...NO_CONDITION } as const;
const LOCATION =
  'https://elsewhere.test/upload/storage/v1/b/logs/o?uploadType=resumable&name=a%2Fb&upload_id=ABPtcPsecret';
const session = 'created /upload/storage/v1/b/logs/o?uploadType=resumable&name=a%2Fb&upload_id=ABPtcPsecret';
const part: PartRequest = {
  kind: 'part',
  key: KEY,
  upload: session,
  index: 1,
  start: 21,
  body: BODY,
  last: false,
};
const complete: CompleteRequest = {
  kind: 'complete',
  key: KEY,
  upload: session,
  parts: [`${CRC} ${BODY.length} `],
  size: BODY.length,
  ...NO_CONDITION,
};

describe('a put', () => {
  it('sends its checksum, its type and its condition', () => {
    const prepared = writeOf(data(), { ...put, contentType: 'text/x', ifAbsent: true });
    expect(prepared).toMatchObject({ method: 'POST', body: BODY });
    expect(prepared.target).toBe(
      '/upload/storage/v1/b/logs/o?uploadType=media&name=a%2Fb&fields=generation,crc32c&ifGenerationMatch=0',
    );
    expect(headersOf(prepared)).toMatchObject({ 'content-type': 'text/x', 'x-goog-hash': `crc32c=${CRC}` });
  });

  it('is one of the XML API by HMAC key, with the condition signed', () => {
    const prepared = writeOf(data({ auth: HMAC }), { ...put, ifVersion: '17' });
    expect(prepared).toMatchObject({ method: 'PUT', target: '/logs/a/b' });
    const headers = headersOf(prepared);
    expect(headers).toMatchObject({
      'x-goog-if-generation-match': '17',
      'x-goog-hash': `crc32c=${CRC}`,
      'x-goog-content-sha256': 'UNSIGNED-PAYLOAD',
    });
    expect(headers.authorization).toContain(
      'SignedHeaders=host;x-goog-content-sha256;x-goog-date;x-goog-hash;x-goog-if-generation-match,',
    );
  });

  it('tells the generation, and is sent again when what was stored is something else', () => {
    const good = exchange(200, {}, JSON.stringify({ generation: '9007199254740993', crc32c: CRC }));
    expect(answered(data(), put, good).value?.version).toBe('9007199254740993');
    const bad = exchange(200, {}, JSON.stringify({ generation: '1', crc32c: 'AAAAAA==' }));
    expect(answered(data(), put, bad)).toMatchObject({ outcome: 'transient', value: null });
    expect(answered(data(), put, bad).error?.code).toBe('ChecksumMismatch');
    expect(answered(data(), put, exchange(200, {}, '{}')).error?.code).toBe('ProtocolViolation');
  });

  it.each([
    [{ ifAbsent: true }, 'refused', 'AlreadyExists'],
    [{ ifVersion: '5' }, 'version-changed', 'VersionChanged'],
  ])('under %j says which condition did not hold', (condition, outcome, code) => {
    const answer = answered(data(), { ...put, ...condition }, jsonRefusal(412, 'conditionNotMet'));
    expect(answer.outcome).toBe(outcome);
    expect(answer.error?.code).toBe(code);
  });

  it('whose bytes were changed on their way is sent again', () => {
    const message = `Provided CRC32C "x" doesn't match calculated CRC32C "y".`;
    expect(answered(data(), put, jsonRefusal(400, 'invalid', message)).error?.code).toBe('ChecksumMismatch');
    expect(answered(data({ auth: HMAC }), put, xmlRefusal(400, 'BadDigest'))).toMatchObject({
      outcome: 'transient',
    });
  });

  it('takes nothing but a generation for a version', () => {
    expect(() => writeOf(data(), { ...put, ifVersion: '"etag"' })).toThrow(/must be a generation/);
  });
});

describe('an upload without a condition', () => {
  it('is one of the XML API, whose parts may go beside each other', () => {
    const prepared = writeOf(data(), { ...begin, contentType: 'text/x' });
    expect(prepared).toMatchObject({ method: 'POST', target: '/logs/a/b?uploads=' });
    expect(headersOf(prepared)).toMatchObject({
      'content-type': 'text/x',
      authorization: expect.any(String),
    });
    const document =
      '<InitiateMultipartUploadResult><UploadId>up/1</UploadId></InitiateMultipartUploadResult>';
    const { value } = answered(data(), begin, exchange(200, {}, document));
    expect(value).toMatchObject({ upload: 'parts up/1', partsInFlight: Infinity });
    const request = { ...part, upload: value!.upload! };
    expect(writeOf(data(), request).target).toBe('/logs/a/b?partNumber=2&uploadId=up%2F1');
    const sent = answered(data(), request, exchange(200, { etag: '"t a"', 'x-goog-hash': `crc32c=${CRC}` }));
    const end = { ...complete, upload: 'parts up/1', parts: [sent.value!.part!] };
    expect(Buffer.from(writeOf(data(), end).body!).toString()).toBe(
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;t a&quot;</ETag></Part></CompleteMultipartUpload>',
    );
  });

  it('is not complete with a document of an error, or without one', () => {
    const end = { ...complete, upload: 'parts up' };
    const failed = exchange(200, {}, '<Error><Code>InternalError</Code></Error>');
    expect(answered(data(), end, failed).outcome).not.toBe('complete');
    expect(answered(data(), end, exchange(200, {}, ''))).toMatchObject({ outcome: 'transient' });
  });

  it('is told by its checksum when it is not what was sent', () => {
    const document = '<CompleteMultipartUploadResult><Key>a/b</Key></CompleteMultipartUploadResult>';
    const end = { ...complete, upload: 'parts up' };
    const headers = { 'x-goog-generation': '8', 'x-goog-hash': `crc32c=${CRC}` };
    expect(answered(data(), end, exchange(200, headers, document)).value?.version).toBe('8');
    const other = exchange(200, { ...headers, 'x-goog-hash': 'crc32c=AAAAAA==' }, document);
    expect(answered(data(), end, other).error?.code).toBe('ChecksumMismatch');
  });

  it('that is gone is aborted, and cannot be completed', () => {
    const gone = xmlRefusal(404, 'NoSuchUpload');
    const abort = { kind: 'abort', key: KEY, upload: 'parts up' } as const;
    expect(answered(data(), abort, gone).outcome).toBe('complete');
    expect(answered(data(), { ...complete, upload: 'parts up' }, gone).error?.code).toBe('NotFound');
  });
});

describe('an upload under a condition', () => {
  it('is a session at the host of the store, and its parts go one after the other', () => {
    const request = { ...begin, ifAbsent: true, contentType: 'text/x' };
    const prepared = writeOf(data(), request);
    expect(prepared.target).toBe(
      '/upload/storage/v1/b/logs/o?uploadType=resumable&name=a%2Fb&ifGenerationMatch=0',
    );
    expect(headersOf(prepared)).toMatchObject({
      'x-upload-content-type': 'text/x',
      'x-upload-content-length': '30',
    });
    const begun = answered(data(), request, exchange(200, { location: LOCATION }));
    expect(begun.value).toMatchObject({ upload: session, partsInFlight: 1 });
    for (const location of [undefined, 'nonsense', 'https://elsewhere.test/upload?name=a']) {
      const headers: Record<string, string> = location === undefined ? {} : { location };
      expect(answered(data(), request, exchange(200, headers)).error?.code).toBe('ProtocolViolation');
    }
  });

  it('names the place of each piece, and the end with the last one', () => {
    const piece = writeOf(data(), part);
    expect(piece.target).toBe(session.slice('created '.length));
    expect(headersOf(piece)['content-range']).toBe('bytes 21-41/*');
    expect(headersOf(writeOf(data(), { ...part, last: true }))['content-range']).toBe('bytes 21-41/42');
    const empty = { ...part, body: utf8(''), start: 0, last: true };
    expect(headersOf(writeOf(data(), empty))['content-range']).toBe('bytes */0');
    expect(headersOf(writeOf(data(), complete))['content-range']).toBe('bytes */21');
  });

  it('has a part when all of it was kept, and sends it again when not', () => {
    const kept = (range: string): ReturnType<typeof answered> =>
      answered(data(), part, exchange(308, { range }));
    expect(kept('bytes=0-41').value?.part).toBe(`${CRC} 21 `);
    expect(kept('bytes=0-40')).toMatchObject({ outcome: 'transient', value: null });
    expect(answered(data(), part, exchange(308)).error?.code).toBe('ShortBody');
    const last = { ...part, last: true };
    expect(answered(data(), last, exchange(308, { range: 'bytes=0-41' })).outcome).toBe('transient');
  });

  it('is complete with the generation and the checksum of all parts', () => {
    const done = (crc32c: string): ReturnType<typeof answered> =>
      answered(data(), complete, exchange(200, {}, JSON.stringify({ generation: '5', crc32c })));
    expect(done(CRC).value?.version).toBe('5');
    expect(done('AAAAAA==').error?.code).toBe('ChecksumMismatch');
  });

  it.each([
    [session, 'AlreadyExists'],
    [session.replace('created', 'replaced'), 'VersionChanged'],
  ])('says at its end which condition did not hold (%#)', (upload, code) => {
    const refusal = jsonRefusal(412, 'conditionNotMet');
    expect(answered(data(), { ...part, upload, last: true }, refusal).error?.code).toBe(code);
    expect(answered(data(), { ...complete, upload }, refusal).error?.code).toBe(code);
  });

  it.each([499, 404, 410, 204])('is aborted with %i', (status) => {
    const abort = { kind: 'abort', key: KEY, upload: session } as const;
    expect(writeOf(data(), abort)).toMatchObject({
      method: 'DELETE',
      target: session.slice('created '.length),
    });
    expect(answered(data(), abort, exchange(status)).outcome).toBe('complete');
  });

  it('tells nobody its id: whoever has it may write', () => {
    const refusal = exchange(500, { 'x-guploader-uploadid': 'ABPtcPsecret' }, 'no');
    const { error } = answered(data(), part, refusal);
    expect(error?.code).toBe('ServiceUnavailable');
    expect(JSON.stringify(error?.toWire())).not.toContain('ABPtcPsecret');
  });

  it('is not there by HMAC key and at an emulator, which say so at once', () => {
    for (const changes of [{ auth: HMAC }, { emulated: true }]) {
      const answer = data(changes).prepareWrite({ ...begin, ifAbsent: true }, NOW);
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
    }
  });

  it('is not one that somebody made up', () => {
    expect(() => writeOf(data(), { ...part, upload: 'created https://evil.test/' })).toThrow(
      /not one that this store/,
    );
  });
});

describe('copy and delete', () => {
  const copy = {
    kind: 'copy',
    key: KEY,
    sourceStore: 'gs://other-bucket',
    sourceKey: utf8('s/1'),
    sourceVersion: '17',
    ifAbsent: true,
    ifVersion: null,
  } as const;

  it('name source and target by generation', () => {
    expect(writeOf(data(), copy).target).toBe(
      '/storage/v1/b/other-bucket/o/s%2F1/rewriteTo/b/logs/o/a%2Fb?fields=done,resource(generation)' +
        '&ifGenerationMatch=0&sourceGeneration=17',
    );
    expect(headersOf(writeOf(data({ auth: HMAC }), copy))).toMatchObject({
      'x-goog-copy-source': '/other-bucket/s/1',
      'x-goog-copy-source-generation': '17',
      'x-goog-if-generation-match': '0',
    });
    const remove = { kind: 'delete', keys: [KEY], ifVersion: '17' } as const;
    expect(writeOf(data(), remove)).toMatchObject({
      method: 'DELETE',
      target: '/storage/v1/b/logs/o/a%2Fb?ifGenerationMatch=17',
    });
  });

  it('leave a copy of several steps to the runtime', () => {
    const unfinished = exchange(200, {}, JSON.stringify({ done: false, rewriteToken: 't' }));
    expect(answered(data(), copy, unfinished).error?.code).toBe('Unsupported');
    const done = exchange(200, {}, JSON.stringify({ done: true, resource: { generation: '18' } }));
    expect(answered(data(), copy, done).value?.version).toBe('18');
  });

  it('tell a source that changed from a target that is there', () => {
    expect(answered(data(), copy, jsonRefusal(404, 'notFound', 'No such object: x')).error?.code).toBe(
      'VersionChanged',
    );
    expect(answered(data(), copy, jsonRefusal(412, 'conditionNotMet')).error?.code).toBe('AlreadyExists');
  });

  it('take a missing object for deleted, and a missing bucket for an error', () => {
    const remove = { kind: 'delete', keys: [KEY], ifVersion: null } as const;
    expect(answered(data(), remove, jsonRefusal(404, 'notFound', 'No such object: x')).outcome).toBe(
      'complete',
    );
    const noBucket = jsonRefusal(404, 'notFound', 'The specified bucket does not exist.');
    expect(answered(data(), remove, noBucket).error?.code).toBe('NotFound');
  });
});

describe('uploads', () => {
  it('are named so that they can be aborted', () => {
    const document =
      '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>a/b</Key><UploadId>u1</UploadId></Upload></ListMultipartUploadsResult>';
    const request = { kind: 'uploads', prefix: utf8('a/'), continuation: null } as const;
    expect(writeOf(data(), request).target).toBe(
      '/logs/?encoding-type=url&max-uploads=1000&prefix=a%2F&uploads=',
    );
    expect(answered(data(), request, exchange(200, {}, document)).value?.uploads).toMatchObject([
      { upload: 'parts u1' },
    ]);
    expect(data({ emulated: true }).prepareWrite(request, NOW)).toMatchObject({ outcome: 'complete' });
  });
});
