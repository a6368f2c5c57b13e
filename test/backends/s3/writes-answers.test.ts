/** What S3 may answer to a write, and what is made of it. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { partReceipt } from '../../../dist/backends/s3/writes.js';
import type { Exchange } from '../../../dist/protocol/http.js';
import type { Answer } from '../../../dist/protocol/store.js';
import type {
  CompleteRequest,
  UploadsRequest,
  WriteRequest,
  WriteResult,
} from '../../../dist/protocol/writes.js';
import { data, exchange, NOW, refusal, text, utf8 } from './kit.js';

const KEY = utf8('key');
const BODY = utf8('the body of it');
const NOTHING = { ifAbsent: false, ifVersion: null, contentType: null };
const UPLOAD = 'upload-1';
const put: WriteRequest = { kind: 'put', key: KEY, body: BODY, ...NOTHING };
const part: WriteRequest = {
  kind: 'part',
  key: KEY,
  upload: UPLOAD,
  index: 0,
  start: 0,
  body: BODY,
  last: true,
};
const begin: WriteRequest = { kind: 'begin', key: KEY, size: -1, ...NOTHING };
const abort: WriteRequest = { kind: 'abort', key: KEY, upload: UPLOAD };
const copy: WriteRequest = {
  kind: 'copy',
  key: KEY,
  sourceStore: 's3://other',
  sourceKey: KEY,
  sourceVersion: null,
  ifAbsent: false,
  ifVersion: null,
};
const one: WriteRequest = { kind: 'delete', keys: [KEY], ifVersion: null };
const KEYS = [utf8('a'), utf8('b & <c>'), utf8('d')];
const many: WriteRequest = { kind: 'delete', keys: KEYS, ifVersion: null };
const uploads: UploadsRequest = { kind: 'uploads', prefix: utf8(''), continuation: null };
const MD5 = createHash('md5').update(BODY).digest('hex');
const complete: CompleteRequest = {
  kind: 'complete',
  key: KEY,
  upload: UPLOAD,
  parts: [partReceipt(`"${MD5}"`, sum(BODY), BODY.length, true)],
  size: BODY.length,
  ...NOTHING,
};

function sum(bytes: Uint8Array): string {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(bytes));
  return digest.toString('base64');
}

/** The answer to a request that was prepared as one is. */
function answer(request: WriteRequest, came: Exchange): Answer<WriteResult> {
  const half = data();
  half.prepareWrite(request, NOW);
  return half.writeAnswer(request, came, NOW);
}

const document = (body: string, headers: Record<string, string> = {}): Exchange =>
  exchange(200, headers, { body: utf8(body) });
const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';

describe('a body that was stored', () => {
  for (const [name, request] of Object.entries({ put, part })) {
    it(`is right when its checksum is echoed, whatever the ETag: ${name}`, () => {
      const headers = { etag: '"00112233445566778899aabbccddeeff"', 'x-amz-checksum-crc32': sum(BODY) };
      expect(answer(request, exchange(200, headers)).outcome).toBe('complete');
    });

    it(`is another one when another checksum is echoed: ${name}`, () => {
      const headers = { etag: `"${MD5}"`, 'x-amz-checksum-crc32': 'AAAAAA==' };
      const { outcome, error, value } = answer(request, exchange(200, headers));
      expect({ outcome, code: error?.code, value }).toEqual({
        outcome: 'transient',
        code: 'ChecksumMismatch',
        value: null,
      });
    });

    it(`is looked at by its MD5 when nothing is echoed: ${name}`, () => {
      expect(answer(request, exchange(200, { etag: `"${MD5}"` })).outcome).toBe('complete');
      const other = answer(request, exchange(200, { etag: '"00112233445566778899aabbccddeeff"' }));
      expect(other).toMatchObject({ outcome: 'transient', error: { code: 'ChecksumMismatch' } });
    });

    it(`is not looked at by an ETag that is no MD5, or that of an encrypted object: ${name}`, () => {
      expect(answer(request, exchange(200, { etag: '"0123-2"' })).outcome).toBe('complete');
      const headers = {
        etag: '"00112233445566778899aabbccddeeff"',
        'x-amz-server-side-encryption': 'aws:kms',
      };
      expect(answer(request, exchange(200, headers)).outcome).toBe('complete');
    });
  }

  it('has the version that its ETag is; a weak one is none, and a part needs one', () => {
    expect(answer(put, exchange(200, { etag: `"${MD5}"` })).value?.version).toBe(`"${MD5}"`);
    expect(answer(put, exchange(200, { etag: `W/"${MD5}"` })).value?.version).toBeNull();
    expect(answer(part, exchange(200, { etag: `W/"${MD5}"` }))).toMatchObject({
      outcome: 'transient',
      error: { code: 'ProtocolViolation' },
    });
  });
});

describe('200 is no success by itself', () => {
  const bodies = {
    garbage: '<html></html>',
    nothing: '',
    'half a document': `${XML}<CompleteMultipartUploadResult><ETag>`,
    'another document': `${XML}<ListBucketResult></ListBucketResult>`,
  };
  for (const [kind, request] of Object.entries({ complete, copy, begin, many, uploads })) {
    for (const [name, body] of Object.entries(bodies)) {
      it(`of ${kind} with ${name}: it is asked again`, () => {
        expect(answer(request, document(body))).toMatchObject({
          outcome: 'transient',
          value: null,
          error: { code: 'ProtocolViolation' },
        });
      });
    }
  }
  for (const [kind, request] of Object.entries({ put, part })) {
    it(`of ${kind} without an ETag, such as the page of a proxy: it is asked again`, () => {
      for (const came of [
        exchange(200),
        exchange(204),
        document(bodies.garbage),
        exchange(200, { etag: '' }),
      ])
        expect(answer(request, came)).toMatchObject({
          outcome: 'transient',
          value: null,
          error: { code: 'ProtocolViolation', message: expect.stringMatching(/without an ETag/) },
        });
    });
  }
  for (const [kind, request] of Object.entries({ complete, copy })) {
    for (const [code, expected] of Object.entries({
      InternalError: 'transient',
      SlowDown: 'throttled',
      AccessDenied: 'refused',
    })) {
      it(`of ${kind} with the error ${code}: it is ${expected}`, () => {
        const body = `\n \n${XML}<Error><Code>${code}</Code><Message>no</Message></Error>`;
        const { outcome, value, error } = answer(request, document(body));
        expect({ outcome, value }).toEqual({ outcome: expected, value: null });
        expect(error).not.toBeNull();
      });
    }
  }
});

describe('an upload', () => {
  it('begins with a name', () => {
    const body = `${XML}<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>`;
    expect(answer(begin, document(body)).value).toMatchObject({ upload: 'a&b', partsInFlight: Infinity });
  });

  for (const etag of ['"abc-2"', '&quot;abc-2&quot;', '&#34;abc-2&#x22;', 'abc-2']) {
    it(`is completed as ${etag}, behind white space too`, () => {
      const body = `  \n${XML}<CompleteMultipartUploadResult xmlns="x"><Location>l</Location><ETag>${etag}</ETag></CompleteMultipartUploadResult>`;
      expect(answer(complete, document(body))).toMatchObject({
        outcome: 'complete',
        value: { version: '"abc-2"' },
      });
    });
  }

  it('that is gone when it is completed is refused, with the version that its object would have', () => {
    const expected = createHash('md5').update(Buffer.from(MD5, 'hex')).digest('hex');
    expect(answer(complete, refusal(404, 'NoSuchUpload'))).toMatchObject({
      outcome: 'refused',
      error: { code: 'NotFound' },
      value: { version: `"${expected}-1"` },
    });
    expect(answer(part, refusal(404, 'NoSuchUpload'))).toMatchObject({ outcome: 'refused', value: null });
  });

  it('that is gone when it is given up is given up; a bucket that is gone is an error', () => {
    expect(answer(abort, exchange(204)).outcome).toBe('complete');
    expect(answer(abort, refusal(404, 'NoSuchUpload')).outcome).toBe('complete');
    expect(answer(abort, refusal(404, 'NoSuchBucket'))).toMatchObject({
      outcome: 'refused',
      error: { code: 'NotFound' },
    });
  });
});

describe('a refusal', () => {
  const absent: WriteRequest = { ...put, ifAbsent: true };
  const same: WriteRequest = { ...put, ifVersion: '"v"' };
  const cases: readonly (readonly [string, WriteRequest, Exchange, string, string])[] = [
    [
      '412 of an object that was to be new',
      absent,
      refusal(412, 'PreconditionFailed'),
      'refused',
      'AlreadyExists',
    ],
    [
      '412 of an upload that was to make a new one',
      { ...complete, ifAbsent: true },
      refusal(412, 'PreconditionFailed'),
      'refused',
      'AlreadyExists',
    ],
    ['412 of another version', same, refusal(412, 'PreconditionFailed'), 'version-changed', 'VersionChanged'],
    ['404 of a version that is gone', same, refusal(404, 'NoSuchKey'), 'version-changed', 'VersionChanged'],
    [
      '409 beside another write',
      absent,
      refusal(409, 'ConditionalRequestConflict'),
      'transient',
      'ServiceUnavailable',
    ],
    [
      '400 of bytes that changed on their way',
      put,
      refusal(400, 'BadDigest'),
      'transient',
      'ChecksumMismatch',
    ],
    ['403', put, refusal(403, 'AccessDenied'), 'refused', 'AccessDenied'],
    ['404 of the bucket', put, refusal(404, 'NoSuchBucket'), 'refused', 'NotFound'],
    ['503', put, refusal(503, 'SlowDown'), 'throttled', 'Throttled'],
    ['500', put, refusal(500, 'InternalError'), 'transient', 'ServiceUnavailable'],
    ['of a copy that is too large', copy, refusal(400, 'InvalidRequest'), 'refused', 'Unsupported'],
    ['of a source that is not there', copy, refusal(404, 'NoSuchKey'), 'refused', 'NotFound'],
    ['of one deletion', one, refusal(403, 'AccessDenied'), 'refused', 'AccessDenied'],
  ];
  for (const [name, request, came, outcome, code] of cases) {
    it(`${name} is ${outcome} as ${code}`, () => {
      const given = answer(request, came);
      expect({ outcome: given.outcome, code: given.error?.code }).toEqual({ outcome, code });
      expect(given.error?.message).toContain('s3://logs/key');
    });
  }

  it('of a copy is about its source where the document names the condition so', () => {
    const created: WriteRequest = { ...copy, ifAbsent: true, sourceVersion: '"v"' };
    const told = (Condition: string): Answer<WriteResult> =>
      answer(created, refusal(412, 'PreconditionFailed', { Condition }));
    const source = told('x-amz-copy-source-If-Match');
    expect(source).toMatchObject({ outcome: 'version-changed', error: { code: 'VersionChanged' } });
    expect(source.error?.message).toMatch(/s3:\/\/logs\/key: the source of the copy/);
    for (const other of [told('If-None-Match'), answer(created, refusal(412, 'PreconditionFailed'))])
      expect(other).toMatchObject({ outcome: 'refused', error: { code: 'AlreadyExists' } });
  });

  it('of a deletion of what is not there is none', () => {
    expect(answer(one, refusal(404, 'NoSuchKey')).outcome).toBe('complete');
    expect(answer(one, exchange(204)).outcome).toBe('complete');
  });
});

describe('deletions', () => {
  const result = (rows: string): Exchange => document(`${XML}<DeleteResult>${rows}</DeleteResult>`);
  const failed = (key: string, code: string): string =>
    `<Error><Key>${key}</Key><Code>${code}</Code><Message>m</Message></Error>`;

  it('that all went well have no rows', () => {
    expect(answer(many, result('')).value?.failures).toEqual([]);
  });

  it('that did not tell which and why', () => {
    const came = result(failed('b &amp; &lt;c&gt;', 'AccessDenied') + failed('d', 'InternalError'));
    const failures = answer(many, came).value!.failures;
    expect(failures.map(([index, { code, uri }]) => [index, code, uri])).toEqual([
      [1, 'AccessDenied', 's3://logs/b & <c>'],
      [2, 'ServiceUnavailable', 's3://logs/d'],
    ]);
  });

  it('of keys that nobody asked about are an answer that cannot be believed', () => {
    expect(answer(many, result(failed('zz', 'AccessDenied')))).toMatchObject({
      outcome: 'transient',
      value: null,
    });
  });
});

describe('uploads that have not ended', () => {
  const row = (key: string, id: string): string =>
    `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiator><ID>i</ID></Initiator><Initiated>2026-11-20T10:00:00.000Z</Initiated></Upload>`;
  const page = (inner: string): Exchange =>
    document(
      `${XML}<ListMultipartUploadsResult><EncodingType>url</EncodingType>${inner}</ListMultipartUploadsResult>`,
    );

  it('are listed with their keys as they are, be they no text', () => {
    const { value } = answer(
      uploads,
      page(`<IsTruncated>false</IsTruncated>${row('a%20b+c%2B%26', '1')}${row('%FF%00x', '2')}`),
    );
    expect(
      value!.uploads.map(({ key, upload, startedMs }) => [
        Buffer.from(key).toString('latin1'),
        upload,
        startedMs,
      ]),
    ).toEqual([
      ['a b c+&', '1', Date.UTC(2026, 10, 20, 10)],
      ['\xff\0x', '2', Date.UTC(2026, 10, 20, 10)],
    ]);
    expect(value!.next).toBeNull();
  });

  it('go on where the page ended', () => {
    const end =
      '<IsTruncated>true</IsTruncated><NextKeyMarker>k%20%FF</NextKeyMarker><NextUploadIdMarker>u/1</NextUploadIdMarker>';
    const { value } = answer(uploads, page(end + row('k', 'u')));
    const next: WriteRequest = { ...uploads, continuation: value!.next };
    const prepared = data().prepareWrite(next, NOW);
    expect('target' in prepared && prepared.target).toBe(
      '/?encoding-type=url&key-marker=k%20%FF&max-uploads=1000&upload-id-marker=u%2F1&uploads=',
    );
  });

  it('are not begun again by a page that says that there is more and not where', () => {
    expect(answer(uploads, page('<IsTruncated>true</IsTruncated>')).outcome).toBe('transient');
  });

  it('are read where the service encodes nothing', () => {
    const body = `${XML}<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${row('a+b%20&#x110000;ü', '1')}</ListMultipartUploadsResult>`;
    const { value } = answer(uploads, document(body));
    expect(text(value!.uploads[0]!.key)).toBe('a+b%20\ufffdü');
  });
});
