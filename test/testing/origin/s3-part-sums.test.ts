/** Checksums of multipart uploads, and ranges of parts that are copied: what S3 takes, and what it refuses. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { ask, type Answer } from './gcs.kit.js';

const BUCKET = 'w';
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: BUCKET, key: 'from', size: 100 }],
    publicBuckets: [BUCKET],
    minPartBytes: 1,
  });
});
afterAll(() => origin.stop());

type Headers = Record<string, string>;
const send = (method: string, path: string, headers: Headers = {}, body = ''): Promise<Answer> =>
  ask(origin, method, `/${BUCKET}${path}`, { headers, body });
const textOf = (name: string, { text }: Answer): string =>
  new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1] ?? '';
/** Status, code and message. */
const errorOf = (answer: Answer): string =>
  `${answer.status} ${textOf('Code', answer)}: ${textOf('Message', answer)}`;
const sha256 = (bytes: string | Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const crc32Text = (bytes: string): string => {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(crc32(bytes));
  return base64(four);
};

interface Row {
  etag: string | undefined;
  /** Element and value. */
  sum?: [string, string] | undefined;
}

/** Of one key, begun with these headers. */
async function begin(key: string, headers: Headers) {
  const id = textOf('UploadId', await send('POST', `/${key}?uploads`, headers));
  return {
    part: (number: number, sent: Headers, body = '') =>
      send('PUT', `/${key}?partNumber=${number}&uploadId=${id}`, sent, body),
    complete: (rows: readonly Row[], sent: Headers = {}) => {
      const parts = rows.map(({ etag, sum }, i) => {
        const element = sum === undefined ? '' : `<${sum[0]}>${sum[1]}</${sum[0]}>`;
        return `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag>${element}</Part>`;
      });
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      return send('POST', `/${key}?uploadId=${id}`, sent, body);
    },
    list: () => send('GET', `/${key}?uploadId=${id}`),
  };
}

const SHA256 = { 'x-amz-checksum-algorithm': 'SHA256' };
const withSha256 = (body: string): Headers => ({ 'x-amz-checksum-sha256': base64(sha256(body)) });

describe('an upload whose checksum is of the sums of its parts', () => {
  test('takes no part without a sum, or with another', async () => {
    const { part } = await begin('bare', SHA256);
    const message = (actual: string) =>
      `400 InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: ${actual}`;
    expect(errorOf(await part(1, {}, 'one'))).toBe(message('null'));
    expect(errorOf(await part(1, { 'x-amz-checksum-crc32': crc32Text('one') }, 'one'))).toBe(
      message('crc32'),
    );
    expect((await part(1, withSha256('one'), 'one')).status).toBe(200);
  });

  test('is completed with the sum of each part, or not at all', async () => {
    const bodies = ['one', 'two', 'three'];
    const { part, complete, list } = await begin('summed', SHA256);
    const rows: Row[] = [];
    for (const [i, body] of bodies.entries()) {
      const { headers } = await part(i + 1, withSha256(body), body);
      rows.push({ etag: headers['etag'], sum: ['ChecksumSHA256', base64(sha256(body))] });
    }
    expect((await list()).text).toContain(`<ChecksumSHA256>${base64(sha256('two'))}</ChecksumSHA256>`);
    const other = (sum: Row['sum']): Row[] => rows.map((row, i) => (i === 1 ? { ...row, sum } : row));
    expect(errorOf(await complete(other(undefined)))).toBe(
      '400 InvalidRequest: The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part 2 in the request.',
    );
    expect(errorOf(await complete(other(['ChecksumCRC32', crc32Text('two')])))).toMatch(
      /^400 InvalidRequest/,
    );
    expect(errorOf(await complete(other(['ChecksumSHA256', base64(sha256('2'))])))).toMatch(
      /^400 InvalidPart: /,
    );
    const whole = `${base64(sha256(Buffer.concat(bodies.map(sha256))))}-3`;
    expect(errorOf(await complete(rows, { 'x-amz-checksum-sha256': whole.replace('-3', '-2') }))).toMatch(
      /^400 BadDigest/,
    );
    expect(errorOf(await complete(rows, { 'x-amz-checksum-type': 'FULL_OBJECT' }))).toMatch(
      /^400 InvalidRequest: The upload was created using the COMPOSITE checksum mode/,
    );
    expect(textOf('ChecksumSHA256', await complete(rows, { 'x-amz-checksum-sha256': whole }))).toBe(whole);
    expect((await send('GET', '/summed')).text).toBe('onetwothree');
  });

  test('is told the sum of a part that is copied', async () => {
    const { part, complete } = await begin('copied', SHA256);
    const copied = await part(1, { 'x-amz-copy-source': `${BUCKET}/from` });
    const sum = textOf('ChecksumSHA256', copied);
    expect(sum).toBe(base64(sha256(patternBytes(objectIdOf('from'), 100))));
    const etag = textOf('ETag', copied);
    expect(errorOf(await complete([{ etag }]))).toMatch(/^400 InvalidRequest/);
    expect((await complete([{ etag, sum: ['ChecksumSHA256', sum] }])).status).toBe(200);
  });
});

describe('an upload whose checksum is of the whole', () => {
  test.each([
    ['CRC64NVME', {}],
    ['CRC32', { 'x-amz-checksum-type': 'FULL_OBJECT' }],
  ])('of %s needs none of its parts, and takes none that is wrong', async (name, type) => {
    const { part, complete } = await begin('whole', { 'x-amz-checksum-algorithm': name, ...type });
    const rows: Row[] = [];
    for (const [i, body] of ['one', 'two'].entries())
      rows.push({ etag: (await part(i + 1, {}, body)).headers['etag'] });
    const wrong = name === 'CRC32' ? 'AAAAAA==' : 'AAAAAAAAAAA=';
    const stated = rows.map((row): Row => ({ ...row, sum: [`Checksum${name}`, wrong] }));
    expect(errorOf(await complete(stated))).toMatch(/^400 InvalidPart/);
    const header = `x-amz-checksum-${name.toLowerCase()}`;
    expect(errorOf(await complete(rows, { [header]: wrong }))).toMatch(/^400 BadDigest/);
    expect((await complete(rows)).status).toBe(200);
    expect((await send('GET', '/whole')).text).toBe('onetwo');
  });
});

test.each([
  [{ 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' }, /FULL_OBJECT .* sha256/],
  [{ 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' }, /COMPOSITE .* crc64nvme/],
  [{ 'x-amz-checksum-type': 'FULL_OBJECT' }, /can only be used with the x-amz-checksum-algorithm header/],
  [{ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'HALF' }, /x-amz-checksum-type header is/],
])('an upload is not begun with %j', async (headers, message) => {
  const error = errorOf(await send('POST', '/odd?uploads', headers));
  expect(error).toMatch(/^400 InvalidRequest/);
  expect(error).toMatch(message);
});

describe('a range of a part that is copied', () => {
  const copy = async (range: string) => {
    const { part } = await begin('ranged', {});
    return part(1, { 'x-amz-copy-source': `${BUCKET}/from`, 'x-amz-copy-source-range': range });
  };

  test.each(['bytes=-10', 'bytes=10-', '0-9', 'bytes=0-1,3-4', 'bytes=a-b'])(
    'has a first and a last byte: %s',
    async (range) => {
      expect(errorOf(await copy(range))).toMatch(
        /^400 InvalidArgument: The x-amz-copy-source-range value must be of the form bytes=first-last/,
      );
    },
  );

  test.each(['bytes=0-100', 'bytes=100-100', 'bytes=9-8'])('lies in its source: %s', async (range) => {
    expect(errorOf(await copy(range))).toBe(
      '400 InvalidArgument: Range specified is not valid for source object of size: 100',
    );
  });

  test('reaches to its last byte', async () => {
    const md5 = createHash('md5')
      .update(patternBytes(objectIdOf('from'), 100).subarray(90))
      .digest('hex');
    expect(textOf('ETag', await copy('bytes=90-99'))).toBe(`&quot;${md5}&quot;`);
  });
});
