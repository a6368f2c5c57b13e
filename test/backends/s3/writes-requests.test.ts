/** What is sent to S3 for writes: signed as the SDK signs it, and with the checksums of its bytes. */
import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, it } from 'vitest';
import type { S3DataConfig } from '../../../dist/backends/s3/config.js';
import { partReceipt, uploadTag } from '../../../dist/backends/s3/writes.js';
import type { PreparedRequest } from '../../../dist/protocol/http.js';
import type { WriteRequest } from '../../../dist/protocol/writes.js';
import { config, data, headersOf, NOW, text, TOKEN, utf8 } from './kit.js';

class Sha256 {
  readonly #state: { update(data: Uint8Array): unknown; digest(): Buffer };
  constructor(secret?: string | Uint8Array) {
    this.#state = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }
  update(bytes: Uint8Array): void {
    this.#state.update(bytes);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#state.digest()));
  }
}

const NOTHING = { ifAbsent: false, ifVersion: null, contentType: null };
const PLAIN = { origin: { ...config().origin, secure: false } };

function prepare(request: WriteRequest, changes: Partial<S3DataConfig> = {}): PreparedRequest {
  const prepared = data(changes).prepareWrite(request, NOW);
  if ('outcome' in prepared) throw new Error('an answer in the place of a request');
  return prepared;
}

/** What the SDK's own signer says for the same headers and body. */
async function sdkAuthorization(prepared: PreparedRequest, changes: Partial<S3DataConfig>): Promise<string> {
  const { region, service, credentials } = config(changes);
  const signer = new SignatureV4({
    service,
    region,
    credentials: credentials as never,
    sha256: Sha256 as never,
    uriEscapePath: false,
    applyChecksum: true,
  });
  const {
    authorization: _,
    'x-amz-date': _date,
    'x-amz-security-token': _token,
    'user-agent': _agent,
    ...headers
  } = headersOf(prepared);
  const url = new URL(`https://host${prepared.target}`);
  const path = prepared.target.split('?')[0];
  const query = Object.fromEntries(url.searchParams);
  const { method, body } = prepared;
  const request = { method, protocol: 'https:', hostname: headers.host!, path, query, headers, body };
  const signed = await signer.sign(request as never, {
    signingDate: new Date(NOW),
    // The SDK signs few of them where they are not told; the service accepts any.
    signableHeaders: new Set(Object.keys(headers)),
  });
  return (signed as unknown as { headers: Record<string, string> }).headers.authorization!;
}

const KEY = utf8('a b/ü+&=?#%.txt');
const BODY = utf8('some bytes of an object');
const UPLOAD = 'id/with+odd=signs&more ü';
const receipt = (body: Uint8Array): string => partReceipt(`"${md5(body)}"`, sum(body), body.length, true);

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** CRC-32 as the service writes it, by Node's own code. */
function sum(bytes: Uint8Array): string {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(bytes));
  return digest.toString('base64');
}

const REQUESTS: Readonly<Record<string, WriteRequest>> = {
  'a put': { kind: 'put', key: KEY, body: BODY, ...NOTHING },
  'a put of nothing': { kind: 'put', key: KEY, body: new Uint8Array(0), ...NOTHING },
  'a put with all there is': {
    kind: 'put',
    key: KEY,
    body: BODY,
    ifAbsent: false,
    ifVersion: '"abc-2"',
    contentType: 'text/plain;  charset="utf-8"',
  },
  'a put only if absent': { kind: 'put', key: KEY, body: BODY, ...NOTHING, ifAbsent: true },
  'a begin': { kind: 'begin', key: KEY, size: -1, ...NOTHING, contentType: 'a/b' },
  'a part': { kind: 'part', key: KEY, upload: UPLOAD, index: 9999, start: 5, body: BODY, last: false },
  'a complete': {
    kind: 'complete',
    key: KEY,
    upload: UPLOAD,
    parts: [receipt(BODY), receipt(utf8('x'))],
    size: BODY.length + 1,
    ...NOTHING,
    ifAbsent: true,
  },
  'an abort': { kind: 'abort', key: KEY, upload: UPLOAD },
  'a copy': {
    kind: 'copy',
    key: KEY,
    sourceStore: 's3://other-bucket',
    sourceKey: utf8('from/ü&?.txt'),
    sourceVersion: '"v"',
    ifAbsent: false,
    ifVersion: '"w"',
  },
  'one deletion': { kind: 'delete', keys: [KEY], ifVersion: '"v"' },
  'many deletions': { kind: 'delete', keys: [KEY, utf8('b')], ifVersion: null },
  'the uploads': { kind: 'uploads', prefix: utf8('ü p/'), continuation: null },
  'more uploads': { kind: 'uploads', prefix: utf8('p'), continuation: JSON.stringify(['p/k y', 'id=1']) },
};

describe('signatures of writes agree with the SDK signer', () => {
  const configs: Readonly<Record<string, Partial<S3DataConfig>>> = {
    'over TLS': {},
    'in plain': PLAIN,
    'with all that a bucket may want, in plain': {
      ...PLAIN,
      credentials: { ...config().credentials!, sessionToken: TOKEN },
      expectedBucketOwner: '123456789012',
      requesterPays: true,
      pathPrefix: '/logs',
    },
  };
  for (const [where, changes] of Object.entries(configs)) {
    for (const [what, request] of Object.entries(REQUESTS)) {
      it(`for ${what} ${where}`, async () => {
        const prepared = prepare(request, changes);
        expect(headersOf(prepared).authorization).toBe(await sdkAuthorization(prepared, changes));
      });
    }
  }

  it('and what is sent in plain has the SHA-256 of its body, over TLS none', () => {
    const sha256 = createHash('sha256').update(BODY).digest('hex');
    const request = REQUESTS['a put']!;
    expect(headersOf(prepare(request, PLAIN))['x-amz-content-sha256']).toBe(sha256);
    expect(headersOf(prepare(request))['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
  });

  it('and without credentials there is none, nor a word of a signature', () => {
    const headers = headersOf(prepare(REQUESTS['a put']!, { credentials: null }));
    expect(
      Object.keys(headers).filter((name) => /^(authorization|x-amz-(date|content|security))/.test(name)),
    ).toEqual([]);
  });
});

describe('what is sent', () => {
  it('has the CRC-32 of each body', () => {
    for (const name of ['a put', 'a part', 'a put of nothing']) {
      const prepared = prepare(REQUESTS[name]!);
      expect(headersOf(prepared)['x-amz-checksum-crc32']).toBe(sum(prepared.body!));
    }
  });

  it('to complete has the parts in order, their sums, and that of the whole', () => {
    const prepared = prepare(REQUESTS['a complete']!);
    const part = (number: number, body: Uint8Array): string =>
      `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${md5(body)}&quot;</ETag><ChecksumCRC32>${sum(body)}</ChecksumCRC32></Part>`;
    expect(text(prepared.body!)).toBe(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${part(1, BODY)}${part(2, utf8('x'))}</CompleteMultipartUpload>`,
    );
    expect(headersOf(prepared)).toMatchObject({
      'x-amz-checksum-crc32': sum(Buffer.concat([BODY, utf8('x')])),
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-mp-object-size': String(BODY.length + 1),
      'if-none-match': '*',
    });
    expect(prepared.target).toBe(
      '/a%20b/%C3%BC%2B%26%3D%3F%23%25.txt?uploadId=id%2Fwith%2Bodd%3Dsigns%26more%20%C3%BC',
    );
  });

  it('for a part counts from one', () => {
    expect(prepare(REQUESTS['a part']!).target).toContain('?partNumber=10000&');
  });

  it('to copy names the source as a path, and the versions of both', () => {
    expect(headersOf(prepare(REQUESTS['a copy']!))).toMatchObject({
      'x-amz-copy-source': '/other-bucket/from/%C3%BC%26%3F.txt',
      'x-amz-copy-source-if-match': '"v"',
      'if-match': '"w"',
    });
  });

  it('to copy from an access point names the object of its ARN, encoded', () => {
    const sourceStore = 's3://arn:aws:s3:us-west-2:123456789012:accesspoint/my-point';
    expect(headersOf(prepare({ ...REQUESTS['a copy']!, sourceStore } as WriteRequest))).toMatchObject({
      'x-amz-copy-source':
        'arn%3Aaws%3As3%3Aus-west-2%3A123456789012%3Aaccesspoint/my-point/object/from/%C3%BC%26%3F.txt',
    });
  });

  it('to delete many escapes what XML would take for its own, and has the MD5 of the document', () => {
    const keys = [utf8('<a>&"\'\r\n\t'), utf8('😀')];
    const prepared = prepare({ kind: 'delete', keys, ifVersion: null });
    expect(text(prepared.body!)).toContain(
      "<Key>&lt;a&gt;&amp;&quot;'&#13;&#10;&#9;</Key></Object><Object><Key>😀</Key>",
    );
    const digest = createHash('md5').update(prepared.body!).digest('base64');
    expect(headersOf(prepared)['content-md5']).toBe(digest);
  });

  for (const key of [Uint8Array.of(0x61, 1), Uint8Array.of(0xff), utf8('\uffff'), utf8('\u0000')]) {
    it(`refuses to delete ${JSON.stringify(text(key))} with others, and deletes it alone`, () => {
      const together: WriteRequest = { kind: 'delete', keys: [key, utf8('b')], ifVersion: null };
      expect(() => prepare(together)).toThrow(expect.objectContaining({ code: 'Unsupported' }));
      const alone = prepare({ kind: 'delete', keys: [key], ifVersion: null });
      expect(alone).toMatchObject({ method: 'DELETE', body: null });
    });
  }

  it('refuses an empty key, whose path is that of the bucket', () => {
    for (const kind of ['put', 'abort'] as const) {
      const request = { ...REQUESTS[kind === 'put' ? 'a put' : 'an abort']!, key: new Uint8Array(0) };
      expect(() => prepare(request as WriteRequest)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument' }),
      );
    }
  });

  it('reads a body in shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(BODY.length + 3), 3);
    shared.set(BODY);
    const request: WriteRequest = { kind: 'put', key: KEY, body: shared, ...NOTHING };
    expect(prepare(request, PLAIN).headers).toEqual(prepare(REQUESTS['a put']!, PLAIN).headers);
  });
});

describe('the ETag of an upload', () => {
  it('is the MD5 of the MD5s of its parts, and how many there are', () => {
    const digests = [BODY, utf8('x')].map((body) => createHash('md5').update(body).digest());
    const whole = createHash('md5').update(Buffer.concat(digests)).digest('hex');
    expect(uploadTag([receipt(BODY), receipt(utf8('x'))])).toBe(`"${whole}-2"`);
  });

  it('is not known where the ETag of a part is no MD5', () => {
    expect(uploadTag([receipt(BODY), partReceipt('"0123-strange"', sum(BODY), 1, true)])).toBeNull();
    expect(uploadTag([receipt(BODY), partReceipt(`"${md5(BODY)}"`, sum(BODY), 1, false)])).toBeNull();
  });
});
